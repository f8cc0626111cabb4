package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/web"
)

// askTimeout bounds a question to the application or the issuer: the visitor waits meanwhile.
const askTimeout = 5 * time.Second

// openToAll lets everybody read what a client can name: it is auth.mode none, where nobody has a name.
type openToAll struct{ channels.Rules }

func (o openToAll) MayRead(_ context.Context, _ channels.Principal, c channels.Channel) (bool, error) {
	return o.For(c).Read == channels.AccessPublic || !c.Internal() && o.For(c).Read != channels.AccessNobody, nil
}

// authentication tells who visitors are, and what they may read.
func authentication(cfg config.Config, rules channels.Rules, reader *channels.Reader, log *slog.Logger) (web.Authenticator, channels.Authorizer, error) {
	switch cfg.Auth.Mode {
	case "none":
		return web.Everybody{}, openToAll{rules}, nil
	case "forward":
		app, err := web.NewForward(web.ForwardOptions{
			URL: string(cfg.Auth.Forward.URL), TTL: cfg.Auth.Forward.TTL, Timeout: askTimeout, Kicks: reader, Logger: log, Now: now,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("auth.forward.url: %w", err)
		}
		return app, rules, nil
	case "jwt":
		tokens, err := tokens(cfg.Auth, log)
		return tokens, rules, err
	}
	return nil, nil, fmt.Errorf("auth.mode: %q is none of jwt, forward and none", cfg.Auth.Mode)
}

// tokens verifies the visitors' tokens.
func tokens(cfg config.Auth, log *slog.Logger) (web.JWT, error) {
	j := web.JWT{
		Algorithm: jose.SignatureAlgorithm(cfg.JWT.Algorithm),
		Audience:  cfg.JWT.Audience, Issuer: cfg.JWT.Issuer, Cookie: cfg.Cookie, Now: now,
	}
	var err error
	if cfg.JWT.JWKSURL == "" {
		j.Key, err = verifyKey(cfg.JWT)
		return j, err
	}
	j.JWKS, err = web.NewJWKS(web.JWKSOptions{
		URL: string(cfg.JWT.JWKSURL), Algorithm: j.Algorithm, Timeout: askTimeout, Logger: log, Now: now,
	})
	if err != nil {
		return j, fmt.Errorf("auth.jwt.jwks_url: %w", err)
	}
	return j, nil
}

func verifyKey(cfg config.JWT) (any, error) {
	if cfg.Algorithm == "HS256" {
		key, err := cfg.Secret.Bytes()
		if err != nil {
			return nil, fmt.Errorf("auth.jwt.secret: %w", err)
		}
		return key, nil
	}
	text, err := os.ReadFile(cfg.PublicKeyFile)
	if err != nil {
		return nil, fmt.Errorf("auth.jwt.public_key_file: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("auth.jwt.public_key_file: %s holds no PEM block", cfg.PublicKeyFile)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("auth.jwt.public_key_file: %s: want a PUBLIC KEY block (PKIX)", cfg.PublicKeyFile)
	}
	return key, nil
}
