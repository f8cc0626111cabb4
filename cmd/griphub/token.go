package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spf13/cobra"

	"github.com/griphub/griphub/web"
)

func (a *app) newToken() *cobra.Command {
	var claims web.Claims
	var ttl time.Duration
	var key bool
	cmd := &cobra.Command{
		Use:   "token --user ID",
		Short: "Make a client token",
		Long: "Make a client token that griphub accepts (auth.mode jwt with HS256). With another algorithm the\n" +
			"issuer makes the tokens: griphub has only the public key.\n\n" +
			"With --key, make an API key for POST /api/publish instead. The first line is the key, for the application; the\n" +
			"second one is its SHA-256, for publish.keys in the configuration.",
		Example: `  griphub token --user 7 --channel 'room-*' --ttl 1h
  griphub token --key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if key {
				return printAPIKey(cmd)
			}
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			if claims.Subject == "" {
				return usageError{errors.New("token: --user is missing")}
			}
			if ttl <= 0 {
				return usageError{errors.New("token: --ttl must be more than 0")}
			}
			for _, patterns := range [][]string{claims.Channels, claims.Publish} {
				if _, err := web.ParsePatterns(patterns); err != nil {
					return usageError{fmt.Errorf("token: %w", err)}
				}
			}
			secret, err := cfg.Auth.JWT.Secret.Bytes()
			if err != nil {
				return fmt.Errorf("token: auth.jwt.secret: %w", err)
			}
			if cfg.Auth.JWT.Algorithm != "HS256" || len(secret) == 0 {
				return errors.New("token: needs auth.mode jwt, auth.jwt.algorithm HS256 and auth.jwt.secret in the configuration")
			}
			now := time.Now()
			claims.Issuer = cfg.Auth.JWT.Issuer
			if cfg.Auth.JWT.Audience != "" {
				claims.Audience = jwt.Audience{cfg.Auth.JWT.Audience}
			}
			claims.IssuedAt, claims.Expiry = jwt.NewNumericDate(now), jwt.NewNumericDate(now.Add(ttl))
			text, err := claims.Sign(secret)
			if err != nil {
				return fmt.Errorf("token: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&claims.Subject, "user", "", "user `id` that the token is for")
	flags.StringArrayVar(&claims.Channels, "channel", nil, "`pattern` of channels that may be read; may be repeated")
	flags.StringArrayVar(&claims.Publish, "publish", nil, "`pattern` of channels that may be published to; may be repeated")
	flags.BoolVar(&claims.Admin, "admin", false, "may do everything")
	flags.DurationVar(&ttl, "ttl", time.Hour, "how long the token is good for")
	flags.BoolVar(&key, "key", false, "make an API key instead")
	return cmd
}
