package web

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// maxSealed bounds a sealed text that is opened, in bytes.
const maxSealed = 16 << 10

var (
	errSealForged  = errors.New("the signature is wrong")
	errSealExpired = errors.New("expired")
)

// A Sealer signs what is given to clients and must come back unchanged: next links and cookies. Text that
// an earlier secret signed still opens, so that secrets can be changed while streams are held.
type Sealer struct {
	secrets [][]byte
}

// NewSealer returns a Sealer that signs with the first secret and opens with any. Secrets are 16 bytes
// or more.
func NewSealer(secrets ...string) (*Sealer, error) {
	s := &Sealer{}
	for _, secret := range secrets {
		if len(secret) < 16 {
			return nil, errors.New("secret: shorter than 16 bytes")
		}
		s.secrets = append(s.secrets, []byte(secret))
	}
	if len(s.secrets) == 0 {
		return nil, errors.New("secret: none is given")
	}
	return s, nil
}

type sealed struct {
	Expires int64           `json:"x"`
	Value   json.RawMessage `json:"v"`
}

// Seal returns value as text that is safe in URLs and cookies, valid until expires and only for the
// purpose. Equal values give equal texts.
func (s *Sealer) Seal(purpose string, value any, expires time.Time) (string, error) {
	// Without HTML escapes, which would make some names six times as long.
	raw := &bytes.Buffer{}
	encoder := json.NewEncoder(raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return "", fmt.Errorf("seal %s: %w", purpose, err)
	}
	body := fmt.Appendf(nil, `{"x":%d,"v":%s}`, expires.Unix(), bytes.TrimSpace(raw.Bytes()))
	text := base64.RawURLEncoding.EncodeToString(body)
	if len(text) > maxSealed-64 {
		return "", fmt.Errorf("seal %s: longer than %d bytes", purpose, maxSealed)
	}
	return text + "." + s.mac(s.secrets[0], purpose, text), nil
}

// Open reads what Seal wrote for the same purpose into value.
func (s *Sealer) Open(purpose, text string, value any, now time.Time) error {
	body, mac, ok := strings.Cut(text, ".")
	if !ok || len(text) > maxSealed {
		return fmt.Errorf("open %s: %w", purpose, errSealForged)
	}
	genuine := false
	for _, secret := range s.secrets {
		genuine = genuine || hmac.Equal([]byte(mac), []byte(s.mac(secret, purpose, body)))
	}
	if !genuine {
		return fmt.Errorf("open %s: %w", purpose, errSealForged)
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return fmt.Errorf("open %s: %w", purpose, err)
	}
	var envelope sealed
	if err := json.Unmarshal(raw, &envelope); err != nil {
		return fmt.Errorf("open %s: %w", purpose, err)
	}
	if now.Unix() >= envelope.Expires {
		return fmt.Errorf("open %s: %w", purpose, errSealExpired)
	}
	if err := json.Unmarshal(envelope.Value, value); err != nil {
		return fmt.Errorf("open %s: %w", purpose, err)
	}
	return nil
}

// mac covers the purpose, so that a cookie can never serve as a link.
func (s *Sealer) mac(secret []byte, purpose, text string) string {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
