package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
)

// secrets are what the chat room and griphub share.
type secrets struct {
	// TokenSecret signs the visitors' tokens.
	TokenSecret string `json:"token_secret"`
	// APIKey lets the chat room publish. griphub knows only its SHA-256.
	APIKey string `json:"api_key"`
}

// griphubConfig is what griphub has to know: who signs the tokens, who may publish what, and whose pages may listen. The
// messages are kept in the channel "chatroom", which only the chat room itself reads.
const griphubConfig = `# Written by the chat room, for: griphub dev --config %[1]s
auth:
  mode: jwt
  jwt: {secret: %[2]s}
  cookie: ` + cookieName + `
publish:
  keys:
    - {name: chatroom, key: "sha256:%[3]x", channels: ["@public", ` + roomChannel + `], rate: 100}
channels:
  - {match: ` + roomChannel + `, read: token, retention: 720h, keep: 10000}
  - {match: "**", read: public}
cors: {origins: [%[4]q], credentials: true}
`

func configFile(dir string) string { return filepath.Join(dir, "griphub.yaml") }

// setUp reads the secrets in the directory, or makes them, and writes griphub's configuration.
func setUp(dir string, public *url.URL) (secrets, error) {
	file := filepath.Join(dir, "secrets.json")
	text, err := os.ReadFile(file)
	var s secrets
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s = secrets{TokenSecret: rand.Text() + rand.Text(), APIKey: rand.Text() + rand.Text()}
		if text, err = json.Marshal(s); err != nil { //nolint:gosec // for a file that its owner alone can read
			return s, err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return s, err
		}
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return s, err
		}
	case err != nil:
		return s, err
	default:
		if err := json.Unmarshal(text, &s); err != nil {
			return s, fmt.Errorf("%s: %w", file, err)
		}
	}
	config := fmt.Sprintf(griphubConfig, configFile(dir), s.TokenSecret, sha256.Sum256([]byte(s.APIKey)), public.String())
	return s, os.WriteFile(configFile(dir), []byte(config), 0o600)
}
