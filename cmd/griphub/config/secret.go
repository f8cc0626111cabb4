package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// mask stands for a secret wherever somebody could read it.
const mask = "***"

// Secret is text that must not be seen. Formatting, logging and encoding it give "***"; convert it to string to use it.
type Secret string

// Bytes returns the key that the secret stands for: what follows "base64:" decoded (standard or URL alphabet, padded or
// not), otherwise the text itself.
func (s Secret) Bytes() ([]byte, error) {
	encoded, ok := strings.CutPrefix(string(s), "base64:")
	if !ok {
		return []byte(s), nil
	}
	standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(encoded, "="))
	key, err := base64.RawStdEncoding.DecodeString(standard)
	if err != nil {
		return nil, errors.New("what follows base64: is not base64")
	}
	return key, nil
}

// SHA256 returns the digest that stands after "sha256:" in hexadecimal, otherwise the digest of the text itself: who has
// only the first form of a secret can recognise it and not use it.
func (s Secret) SHA256() (digest [sha256.Size]byte, err error) {
	encoded, ok := strings.CutPrefix(string(s), "sha256:")
	if !ok {
		return sha256.Sum256([]byte(s)), nil
	}
	if n, err := hex.Decode(digest[:], []byte(encoded[:min(len(encoded), 2*sha256.Size+1)])); err != nil || n != sha256.Size {
		return digest, errors.New("what follows sha256: is not a SHA-256 in hexadecimal")
	}
	return digest, nil
}

// String returns "***", or nothing if there is no secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return mask
}

// Format is String, for every verb: a Stringer alone would still show itself to %d.
func (s Secret) Format(state fmt.State, verb rune) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), s.String())
}

// LogValue is String, for log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and whatever else encodes text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// SecretURL is a URL that may carry a password or a key. Formatting, logging and encoding it give the URL with those
// masked; convert it to string to use it.
type SecretURL string

// String returns the URL with its password and the values of its query masked. Of text that is not a URL only the scheme
// remains, since a mistyped URL has secrets as well.
func (u SecretURL) String() string {
	if strings.HasPrefix(string(u), "sqlite:") || u == "" {
		return string(u)
	}
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Host == "" {
		scheme, _, found := strings.Cut(string(u), "://")
		if !found {
			return mask
		}
		return scheme + "://" + mask
	}
	userinfo := ""
	if parsed.User != nil {
		userinfo = mask + "@"
		if _, hasPassword := parsed.User.Password(); hasPassword {
			userinfo = url.PathEscape(parsed.User.Username()) + ":" + mask + "@"
		}
	}
	query := ""
	if parsed.RawQuery != "" {
		query = maskQuery(parsed.RawQuery)
	}
	return parsed.Scheme + "://" + userinfo + parsed.Host + parsed.EscapedPath() + query
}

// publicParameter tells which query parameters help to tell two URLs apart and open nothing.
func publicParameter(name string) bool {
	switch name {
	case "iss", "verify-iss", "sslmode":
		return true
	}
	return false
}

func maskQuery(query string) string {
	parameters := strings.Split(query, "&")
	for i, parameter := range parameters {
		name, _, hasValue := strings.Cut(parameter, "=")
		switch {
		case publicParameter(name):
		case hasValue:
			parameters[i] = name + "=" + mask
		default:
			parameters[i] = mask
		}
	}
	return "?" + strings.Join(parameters, "&")
}

// Format is String, for every verb.
func (u SecretURL) Format(state fmt.State, verb rune) {
	_, _ = fmt.Fprintf(state, fmt.FormatString(state, verb), u.String())
}

// LogValue is String, for log/slog.
func (u SecretURL) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalText is String, for JSON and whatever else encodes text.
func (u SecretURL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }
