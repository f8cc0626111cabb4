package webhook_test

import (
	"strings"
	"testing"

	"github.com/griphub/griphub/webhook"
)

// FuzzParseSecret holds that a text without the prefix is the secret, and that what is refused does not show in the error.
func FuzzParseSecret(f *testing.F) {
	for _, seed := range []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_!", "a text", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		secret, err := webhook.ParseSecret(text)
		rest, coded := strings.CutPrefix(text, "whsec_")
		switch {
		case !coded && (err != nil || string(secret) != text):
			t.Errorf("%q is read as %q, %v", text, secret, err)
		case err != nil && len(rest) > 8 && strings.Contains(err.Error(), rest):
			t.Errorf("the error shows the secret: %v", err)
		}
	})
}
