package web

import (
	"crypto/ed25519"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/griphub/griphub/channels"
)

func TestAnswersAreRememberedUpToABound(t *testing.T) {
	now := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	f := &Forward{ttl: time.Hour, now: func() time.Time { return now }, answers: map[string]answer{}}
	fill := func(prefix string, n int) {
		for i := range n {
			f.remember(prefix+strconv.Itoa(i), answer{until: now.Add(time.Minute)})
		}
	}
	fill("a", maxAnswers+1)
	if n := len(f.answers); n > maxAnswers || n < maxAnswers/2 {
		t.Errorf("%d answers are remembered", n)
	}
	fill("a", maxAnswers)
	if n := len(f.answers); n > maxAnswers {
		t.Errorf("%d answers are remembered", n)
	}
	now = now.Add(time.Minute)
	f.answers["b"] = answer{until: now.Add(time.Minute)}
	f.forget()
	if _, kept := f.answers["b"]; len(f.answers) != 1 || !kept {
		t.Errorf("of what is over %d answers stay", len(f.answers))
	}
}

// FuzzParseJWKS holds that what an issuer sends gives only keys for the one algorithm.
func FuzzParseJWKS(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a","use":"sig"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AAAA"},null,7,{}]}`))
	f.Add([]byte(`{"keys":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseJWKS(text, jose.EdDSA)
		if (keys == nil) != (err != nil) {
			t.Fatalf("%v, %v", keys, err)
		}
		for _, k := range keys {
			if _, ok := k.Key.(ed25519.PublicKey); !ok || !k.Valid() {
				t.Fatalf("%T", k.Key)
			}
		}
	})
}

// FuzzAnsweredPrincipal holds that an answer names a real user, or nobody at all.
func FuzzAnsweredPrincipal(f *testing.F) {
	f.Add("7", "iot_*, room/**", "a")
	f.Add("", "", "")
	f.Add("@somebody", ",", " ")
	f.Fuzz(func(t *testing.T, user, read, publish string) {
		p, err := answeredPrincipal(http.Header{"X-User-Id": {user}, "X-Channels": {read}, "X-Publish": {publish}})
		_, invalid := channels.User(p.User)
		if (err == nil) != (invalid == nil) || p.Admin || p.User == channels.Somebody || err != nil && len(p.Channels)+len(p.Publish) > 0 {
			t.Fatalf("%+v, %v", p, err)
		}
	})
}
