package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/web"
)

// openToAll lets everybody read what a client can name: it is auth.mode none, where nobody has a name.
type openToAll struct{ channels.Rules }

func (o openToAll) MayRead(_ context.Context, _ channels.Principal, c channels.Channel) (bool, error) {
	return o.For(c).Read == channels.AccessPublic || !c.Internal() && o.For(c).Read != channels.AccessNobody, nil
}

// authentication tells who visitors are, and what they may read.
func authentication(cfg config.Config, rules channels.Rules) (web.Authenticator, channels.Authorizer, error) {
	switch cfg.Auth.Mode {
	case "none":
		return web.Everybody{}, openToAll{rules}, nil
	case "jwt":
		key, err := verifyKey(cfg.Auth.JWT)
		if err != nil {
			return nil, nil, err
		}
		return web.JWT{
			Algorithm: jose.SignatureAlgorithm(cfg.Auth.JWT.Algorithm), Key: key,
			Audience: cfg.Auth.JWT.Audience, Issuer: cfg.Auth.JWT.Issuer, Cookie: cfg.Auth.Cookie, Now: time.Now,
		}, rules, nil
	}
	return nil, nil, fmt.Errorf("auth.mode: %s is not available in this version; use jwt or none", cfg.Auth.Mode)
}

func verifyKey(cfg config.JWT) (any, error) {
	if cfg.Algorithm == "HS256" {
		key, err := cfg.Secret.Bytes()
		if err != nil {
			return nil, fmt.Errorf("auth.jwt.secret: %w", err)
		}
		return key, nil
	}
	if cfg.PublicKeyFile == "" {
		return nil, errors.New("auth.jwt.jwks_url is not available in this version; use public_key_file")
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
