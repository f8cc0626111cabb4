package web_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

// openKeys is a hub with the keys; each is its own name with "-secret".
func openKeys(t *testing.T, keys ...web.PublishKey) *hub {
	t.Helper()
	for i := range keys {
		keys[i].Digest = sha256.Sum256([]byte(keys[i].Name + "-secret"))
	}
	return openHub(t, func(o *web.Options) { o.PublishKeys = keys })
}

func as(key string) []string {
	return []string{grip.HeaderSig, "", "Authorization", "Bearer " + key + "-secret"}
}

func TestAKeyPublishesWhereItsPatternsSay(t *testing.T) {
	h := openKeys(t, web.PublishKey{Name: "shop", Channels: []channels.Pattern{"orders_*", "@public", "@user/**"}}, web.PublishKey{Name: "all"})
	for body, status := range map[string]int{
		`{"channel":"orders_1"}`:                          200,
		`{"global":true}`:                                 200,
		`{"user":7}`:                                      200,
		`{"channel":"orders_1_2"}`:                        403,
		`{"channel":"foo"}`:                               403,
		`{"system":true}`:                                 403,
		`{"device":"pump/p1"}`:                            403,
		`[{"channel":"orders_1"},{"channel":"foo"}]`:      403,
		`{"channels":["orders_1","orders_2","orders_/"]}`: 403,
	} {
		if w := h.post("/api/publish", body, as("shop")...); w.Code != status {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
		if w := h.post("/api/publish", body, as("all")...); w.Code != 200 {
			t.Errorf("%s with the key for everything: %d %s", body, w.Code, w.Body)
		}
	}
}

func TestKeysShareIDsByTheirNames(t *testing.T) {
	old, recent := web.PublishKey{Name: "shop", Channels: []channels.Pattern{"a*"}}, web.PublishKey{Name: "shop", Channels: []channels.Pattern{"a*"}}
	old.Digest, recent.Digest = sha256.Sum256([]byte("old-secret")), sha256.Sum256([]byte("recent-secret"))
	other := web.PublishKey{Name: "stock", Channels: []channels.Pattern{"a*"}, Digest: sha256.Sum256([]byte("stock-secret"))}
	h := openHub(t, func(o *web.Options) { o.PublishKeys = []web.PublishKey{old, recent, other} })
	id := func(key string) string {
		t.Helper()
		return readPublished(t, h.post("/api/publish", `{"channel":"a","id":"k"}`, as(key)...)).Events[0].ID
	}
	if first := id("old"); id("recent") != first || id("stock") == first {
		t.Error("a new key of an application is another publisher, or another application is the same")
	}
}

func TestAPublisherThatIsTooFastHasToWait(t *testing.T) {
	h := openKeys(t, web.PublishKey{Name: "slow", Rate: web.PublishRate{Events: 2, Burst: 4}}, web.PublishKey{Name: "free"})
	send := func(n int) int {
		t.Helper()
		w := h.post("/api/publish", strings.Repeat(`{"channel":"foo"}`, n), as("slow")...)
		if w.Code != http.StatusOK {
			if p := wantProblem(t, w, http.StatusTooManyRequests); p.Error.Code != "rate-limited" {
				t.Errorf("the problem is %+v", p)
			}
			wait := w.Header().Get("Retry-After")
			return len(wait)*100 + int(wait[0]-'0')
		}
		return 0
	}
	steps := []struct {
		pause time.Duration
		send  int
		wait  int // "10n": Retry-After: n
	}{{0, 3, 0}, {0, 2, 101}, {0, 1, 0}, {0, 1, 101}, {400 * time.Millisecond, 1, 101}, {100 * time.Millisecond, 1, 0}, {0, 4, 101}, {2 * time.Second, 4, 0}, {time.Hour, 4, 0}, {0, 1, 101}}
	stored := 0
	for i, step := range steps {
		h.clock.advance(step.pause)
		if got := send(step.send); got != step.wait {
			t.Errorf("step %d: %d, want %d", i, got, step.wait)
		}
		if step.wait == 0 {
			stored += step.send
		}
	}
	if heads, err := h.store.Heads(t.Context(), []channels.Channel{"foo"}); err != nil || heads.String() != fmt.Sprintf("foo:%d", stored) {
		t.Errorf("stored is %s, want %d, %v", heads, stored, err)
	}
	h.clock.advance(time.Hour)
	wantProblem(t, h.post("/api/publish", strings.Repeat(`{"channel":"foo"}`, 5), as("slow")...), http.StatusRequestEntityTooLarge)
	readPublished(t, h.post("/api/publish", strings.Repeat(`{"channel":"foo"}`, 500), as("free")...))
}

func TestEachUserHasARateAndAdministratorsHaveNone(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.UserPublishRate = web.PublishRate{Events: 1, Burst: 1} })
	send := func(user string) int {
		t.Helper()
		return h.post("/api/publish", `{"channel":"room_1"}`, "X-User", user).Code
	}
	for _, c := range []struct {
		user   string
		status int
	}{{"7 writes=room_*", 200}, {"7 writes=room_*", 429}, {"8 writes=room_*", 200}, {"dev admin", 200}, {"dev admin", 200}} {
		if got := send(c.user); got != c.status {
			t.Errorf("%s: %d, want %d", c.user, got, c.status)
		}
	}
}

func TestPublishersAreCountedByName(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	var logged strings.Builder
	h := openHub(t, func(o *web.Options) {
		o.Registerer = registry
		o.PublishKeys = []web.PublishKey{{Name: "shop", Digest: sha256.Sum256([]byte("shop-secret")), Channels: []channels.Pattern{"a"}}}
	})
	h.post("/api/publish", `[{"channel":"a"},{"channel":"a"}]`, as("shop")...)
	h.post("/api/publish", `{"channel":"b"}`, as("shop")...)
	h.post("/api/publish", `{"channel":"b"}`, as("wrong")...)
	h.post("/api/publish", `{"channel":"b"}`, "X-User", "7 writes=b")
	h.post("/api/publish", `{"channel":"b"}`, "X-User", "8 admin")
	h.post("/api/publish", `{`, "X-User", "8 admin")
	err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP griphub_publish_events_total Events stored by POST /api/publish, by the publisher's name: a key's, users or administrators.
# TYPE griphub_publish_events_total counter
griphub_publish_events_total{publisher="administrators"} 1
griphub_publish_events_total{publisher="shop"} 2
griphub_publish_events_total{publisher="users"} 1
# HELP griphub_publish_refusals_total Requests to POST /api/publish of which nothing was stored, by the publisher's name and the error's code.
# TYPE griphub_publish_refusals_total counter
griphub_publish_refusals_total{code="bad-request",publisher="administrators"} 1
griphub_publish_refusals_total{code="forbidden",publisher="shop"} 1
griphub_publish_refusals_total{code="unauthorized",publisher="nobody"} 1
`), "griphub_publish_events_total", "griphub_publish_refusals_total")
	if err != nil {
		t.Error(err)
	}
	logged.WriteString(h.logged.String())
	if strings.Contains(logged.String(), "-secret") {
		t.Errorf("a key is logged: %s", logged.String())
	}
}

func TestWhatABodySaysItIs(t *testing.T) {
	h := openHub(t)
	for kind, status := range map[string]int{
		"": 200, "application/json": 200, "application/json; charset=UTF-8": 200, "Application/JSON": 200, "application/x-ndjson": 200, "application/jsonl": 200,
		"application/ndjson": 200, "application/x-www-form-urlencoded": 200, "text/plain;charset=UTF-8": 200,
		"application/json; charset=latin1": 415, "text/plain; charset=latin1": 415, "multipart/form-data; boundary=x": 415, "text/html": 415, "application/octet-stream": 415, ";": 415,
	} {
		w := h.postEvents(`{"channel":"foo"}`, "Content-Type", kind)
		if w.Code != status {
			t.Errorf("%q: %d %s", kind, w.Code, w.Body)
		}
	}
	// A form of another site's page can say this, and be sent with the visitor's cookie.
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain"} {
		w := h.post("/api/publish", `{"channel":"foo"}`, "X-User", "7 admin", "Content-Type", kind, "Origin", "https://evil.example")
		wantProblem(t, w, http.StatusForbidden)
	}
	wantProblem(t, h.postEvents(`{"channel":"foo"}`, "Content-Encoding", "gzip"), http.StatusUnsupportedMediaType)
	readPublished(t, h.postEvents(`{"channel":"foo"}`, "Content-Encoding", "identity"))
}
