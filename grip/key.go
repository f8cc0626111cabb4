package grip

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Key signs or verifies tokens, with one algorithm that follows from what the
// key is: HS256 for a shared secret, ES256 for EC P-256, RS256 for RSA. The
// zero Key is no key: it signs nothing and verifies nothing.
//
// Printing, logging or marshalling a Key shows none of it.
type Key struct {
	// Behind a pointer, so that no formatting of an enclosing value prints it.
	material *keyMaterial
}

type keyMaterial struct {
	algorithm jose.SignatureAlgorithm
	secret    []byte // HS256: the secret as given
	sign      any    // []byte or a private key; nil for a public key
	verify    any    // []byte or a public key
}

const redactedKey = "REDACTED"

// minHMACKey is what go-jose demands of an HS256 key, in bytes. HMAC itself
// pads short keys with zeros, so padding keeps the signature the same.
const minHMACKey = 32

// NewSecret makes a key of a shared secret, taken as it is.
func NewSecret(secret []byte) (Key, error) {
	if len(secret) == 0 {
		return Key{}, errors.New("key is empty")
	}
	secret = bytes.Clone(secret)
	padded := secret
	if len(padded) < minHMACKey {
		padded = append(make([]byte, 0, minHMACKey), secret...)[:minHMACKey]
	}
	return Key{&keyMaterial{algorithm: jose.HS256, secret: secret, sign: padded, verify: padded}}, nil
}

// ParseKey reads a key as GRIP_URL carries it: a PEM block, a JWK as JSON,
// either of them in base64, "base64:" and a secret in base64, or else the text
// itself as the secret. Base64 in which a query parser has turned "+" into a
// space is repaired. PEM and JWK hold EC P-256 or RSA keys, private or public;
// a JWK may also be a secret. Errors never repeat the text.
func ParseKey(s string) (Key, error) {
	encoded, prefixed := strings.CutPrefix(s, "base64:")
	decoded, err := decodeBase64(encoded)
	switch {
	case prefixed && err != nil:
		return Key{}, errors.New("malformed base64")
	case prefixed, err == nil && looksStructured(decoded):
		return parseKeyBytes(decoded)
	}
	return parseKeyBytes([]byte(s)) // what merely looks like base64 is a secret
}

// decodeBase64 reads both alphabets, padded or not.
func decodeBase64(s string) ([]byte, error) {
	s = strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(s)
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
}

// looksStructured reports whether b was meant as a PEM block or a JWK, right or
// wrong. Taking it for a secret instead would sign with text that may be public.
func looksStructured(b []byte) bool {
	b = bytes.TrimSpace(b)
	return bytes.HasPrefix(b, []byte("-----BEGIN ")) || (bytes.HasPrefix(b, []byte("{")) && json.Valid(b))
}

func parseKeyBytes(b []byte) (Key, error) {
	switch trimmed := bytes.TrimSpace(b); {
	case !looksStructured(b):
		return NewSecret(b)
	case trimmed[0] == '{':
		return parseJWK(trimmed)
	default:
		return parsePEM(trimmed)
	}
}

func parseJWK(b []byte) (Key, error) {
	var jwk jose.JSONWebKey
	if err := jwk.UnmarshalJSON(b); err != nil {
		return Key{}, errors.New("malformed JWK")
	}
	key, err := newKey(jwk.Key)
	if err == nil && jwk.Algorithm != "" && jwk.Algorithm != key.Algorithm() {
		return Key{}, fmt.Errorf("JWK is for another algorithm than %s", key.Algorithm())
	}
	return key, err
}

// parsePEM also tries the block with its spaces turned into "+". That comes
// second, because PEM allows spaces that are just that.
func parsePEM(b []byte) (Key, error) {
	key, err := decodePEM(b)
	if err != nil && bytes.Contains(b, []byte(" ")) {
		if repaired, repairedErr := decodePEM(repairPEM(b)); repairedErr == nil {
			return repaired, nil
		}
	}
	return key, err
}

func decodePEM(b []byte) (Key, error) {
	block, rest := pem.Decode(b)
	if block != nil && block.Type == "EC PARAMETERS" { // openssl ecparam writes it before the key
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return Key{}, errors.New("malformed PEM block")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return Key{}, errors.New("more than one PEM block")
	}
	var (
		key any
		err error
	)
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return Key{}, errors.New("PEM block is not a key")
	}
	if err != nil {
		return Key{}, errors.New("malformed key in PEM block")
	}
	return newKey(key)
}

// repairPEM turns spaces into "+", except in the BEGIN and END lines.
func repairPEM(b []byte) []byte {
	var out []byte
	for line := range bytes.Lines(b) {
		if !bytes.HasPrefix(line, []byte("-----")) {
			line = bytes.ReplaceAll(line, []byte(" "), []byte("+"))
		}
		out = append(out, line...)
	}
	return out
}

func newKey(key any) (Key, error) {
	switch k := key.(type) {
	case []byte:
		return NewSecret(k)
	case *ecdsa.PrivateKey:
		return newECKey(k, &k.PublicKey)
	case *ecdsa.PublicKey:
		return newECKey(nil, k)
	case *rsa.PrivateKey:
		return newRSAKey(k, &k.PublicKey)
	case *rsa.PublicKey:
		return newRSAKey(nil, k)
	}
	return Key{}, fmt.Errorf("keys of type %T are not used by GRIP", key)
}

func newECKey(private *ecdsa.PrivateKey, public *ecdsa.PublicKey) (Key, error) {
	if public.Curve != elliptic.P256() {
		return Key{}, errors.New("EC key is not on curve P-256")
	}
	m := &keyMaterial{algorithm: jose.ES256, verify: public}
	if private != nil {
		m.sign = private
	}
	return Key{m}, nil
}

// minRSABits is what RFC 7518 section 3.3 demands of an RS256 key.
const minRSABits = 2048

func newRSAKey(private *rsa.PrivateKey, public *rsa.PublicKey) (Key, error) {
	if public.N.BitLen() < minRSABits {
		return Key{}, fmt.Errorf("RSA key of %d bits is shorter than %d", public.N.BitLen(), minRSABits)
	}
	m := &keyMaterial{algorithm: jose.RS256, verify: public}
	if private != nil {
		m.sign = private
	}
	return Key{m}, nil
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.material == nil }

// Symmetric reports whether the key is a shared secret.
func (k Key) Symmetric() bool { return k.material != nil && k.material.algorithm == jose.HS256 }

// CanSign reports whether the key is a secret or a private key.
func (k Key) CanSign() bool { return k.material != nil && k.material.sign != nil }

// Algorithm is the JWS name of the key's one algorithm: HS256, ES256 or
// RS256; "" for the zero Key.
func (k Key) Algorithm() string {
	if k.material == nil {
		return ""
	}
	return string(k.material.algorithm)
}

// Sign makes a token with the claims iss, left out where issuer is empty, and
// exp. It is what control ports and backends demand, and all they demand.
func (k Key) Sign(issuer string, expires time.Time) (string, error) {
	if !k.CanSign() {
		return "", errors.New("no key to sign with")
	}
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: k.material.algorithm, Key: k.material.sign},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	claims := jwt.Claims{Issuer: issuer, Expiry: jwt.NewNumericDate(expires)}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// bearer is the key itself as a bearer token (RFC 6750 section 2.1).
func (k Key) bearer() (string, error) {
	if !k.Symmetric() {
		return "", errors.New("only a shared secret can be a bearer token")
	}
	for _, c := range k.material.secret {
		if c <= ' ' || c >= 0x7f {
			return "", errors.New("key has bytes that cannot stand in a header")
		}
	}
	return string(k.material.secret), nil
}

// String says what kind of key it is, and no more.
func (k Key) String() string {
	if k.material == nil {
		return "no key"
	}
	return k.Algorithm() + " key " + redactedKey
}

// GoString is [Key.String], so that %#v shows no secret either.
func (k Key) GoString() string { return k.String() }

// LogValue is [Key.String], for slog.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is [Key.String], for JSON and YAML dumps of configuration.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
