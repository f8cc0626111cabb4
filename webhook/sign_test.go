package webhook_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/webhook"
)

// The example of Standard Webhooks' own test suites.
func TestSignaturesAreThoseOfStandardWebhooks(t *testing.T) {
	key, err := webhook.ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"test": 2432232314}`)
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	at := time.Unix(1614265330, 0)
	if err := key.Verify(h, body, at); err != nil {
		t.Errorf("the example: %v", err)
	}
	several := h.Clone()
	several.Set("webhook-signature", "v1,AAAA v2,x "+h.Get("webhook-signature"))
	if err := key.Verify(several, body, at); err != nil {
		t.Errorf("one of several: %v", err)
	}
	for what, c := range map[string]struct {
		change func(http.Header)
		body   string
		now    time.Time
		key    webhook.Secret
	}{
		"another body":      {func(http.Header) {}, `{"test": 2432232315}`, at, key},
		"another id":        {func(h http.Header) { h.Set("webhook-id", "msg_other") }, string(body), at, key},
		"another time":      {func(h http.Header) { h.Set("webhook-timestamp", "1614265331") }, string(body), at, key},
		"no time":           {func(h http.Header) { h.Del("webhook-timestamp") }, string(body), at, key},
		"no signature":      {func(h http.Header) { h.Del("webhook-signature") }, string(body), at, key},
		"an old message":    {func(http.Header) {}, string(body), at.Add(webhook.Tolerance + time.Second), key},
		"one of the future": {func(http.Header) {}, string(body), at.Add(-webhook.Tolerance - time.Second), key},
		"another secret":    {func(http.Header) {}, string(body), at, webhook.Secret("x")},
		"no secret":         {func(http.Header) {}, string(body), at, nil},
		"another version's": {func(h http.Header) {
			h.Set("webhook-signature", strings.Replace(h.Get("webhook-signature"), "v1", "v2", 1))
		}, string(body), at, key},
		"a part of it":         {func(h http.Header) { h.Set("webhook-signature", "v1,g0hM9SsE") }, string(body), at, key},
		"the signature's name": {func(h http.Header) { h.Set("webhook-signature", "v1,") }, string(body), at, key},
	} {
		changed := h.Clone()
		c.change(changed)
		if err := c.key.Verify(changed, []byte(c.body), c.now); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}

func TestASecretIsWhatFollowsItsPrefixOrTheTextItself(t *testing.T) {
	raw := []byte("0123456789abcdef01234567")
	if got, err := webhook.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString(raw)); err != nil || string(got) != string(raw) {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := webhook.ParseSecret("any text"); err != nil || string(got) != "any text" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := webhook.ParseSecret("whsec_%%LEAK"); err == nil || strings.Contains(err.Error(), "LEAK") {
		t.Errorf("got %v", err)
	}
}
