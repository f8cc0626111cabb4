package web_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/grip"
)

const (
	featuresOf136 = "status, session, link:next, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, filter:var-subst"
	featuresOf141 = "status, session, link:next, link:gone, filter:skip-self, filter:skip-users, filter:require-sub, filter:build-id, filter:var-subst"
)

// linksOf are the reply's links by their relation.
func linksOf(t *testing.T, w *httptest.ResponseRecorder) map[string]string {
	t.Helper()
	links := map[string]string{}
	for _, value := range w.Header().Values(grip.HeaderLink) {
		for link := range strings.SplitSeq(value, ", ") {
			uri, params, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
			rel, _, _ := strings.Cut(strings.TrimPrefix(params, "; rel="), ";")
			if _, twice := links[rel]; twice {
				t.Errorf("%s twice in %q", rel, w.Header().Values(grip.HeaderLink))
			}
			links[rel] = uri
		}
	}
	return links
}

// lifetimes are how many streams of the family have ended, and how long they lived in all.
func lifetimes(t *testing.T, registry *prometheus.Registry, family string) (n uint64, seconds float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "griphub_stream_lifetime_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			if m.GetLabel()[0].GetValue() == family {
				return m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()
			}
		}
	}
	t.Fatalf("no lifetimes of %s", family)
	return 0, 0
}

func TestProxiesThatCanTellWhenAViewerHasLeft(t *testing.T) {
	h, registry := measuredHub(t)
	for family, target := range map[string]string{"events": "/events/?channel=room", "device": "/iot/stream/pump/", "realtime": "/realtime/sse/"} {
		w := h.get(target, "X-User", "7", grip.HeaderFeature, featuresOf141)
		links := linksOf(t, w)
		if len(links) != 2 || links["next"] == "" || !strings.HasPrefix(links["gone"], "/gone/") {
			t.Errorf("%s: links %v", target, links)
			continue
		}
		h.clock.advance(61 * time.Second)
		gone := h.do(h.request(http.MethodPost, links["gone"], nil))
		if gone.Code != http.StatusOK || gone.Body.Len() > 0 || gone.Header().Get(grip.HeaderHold) != "" {
			t.Errorf("%s: the gone link is answered by %d %q", target, gone.Code, gone.Body)
		}
		if n, seconds := lifetimes(t, registry, family); n != 1 || seconds != 61 {
			t.Errorf("%s: %d streams lived %v s", family, n, seconds)
		}
		// Only the first reply's gone link counts for the proxy.
		if links := linksOf(t, h.get(links["next"], grip.HeaderFeature, featuresOf141, "Grip-Last", "events-room; last-id=0")); links["gone"] != "" {
			t.Errorf("%s: the next link's reply has the links %v", target, links)
		}
	}
}

func TestOlderProxiesAreGivenNoGoneLink(t *testing.T) {
	h := openHub(t)
	for _, features := range []string{"", featuresOf136, "link:gone2", "xlink:gone"} {
		if links := linksOf(t, h.get("/events/?channel=room", grip.HeaderFeature, features)); len(links) != 1 || links["next"] == "" {
			t.Errorf("a proxy of %q is given %v", features, links)
		}
	}
}

func TestAGoneLinkIsNobodysToForge(t *testing.T) {
	h, registry := measuredHub(t)
	links := linksOf(t, h.get("/events/?channel=room", grip.HeaderFeature, featuresOf141))
	next := strings.TrimPrefix(links["next"], "/next/")
	for name, target := range map[string]string{"nonsense": "/gone/x.y", "a next link": "/gone/" + next, "cut": links["gone"][:len(links["gone"])-2]} {
		if w := h.do(h.request(http.MethodPost, target, nil)); w.Body.Len() > 0 {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
	// Without a proxy's signature it is not even read.
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, links["gone"], nil)
	if w := h.do(r); w.Code != http.StatusNotImplemented {
		t.Errorf("without a signature: %d", w.Code)
	}
	h.clock.advance(31 * 24 * time.Hour)
	h.do(h.request(http.MethodPost, links["gone"], nil)) // after its time
	if n, _ := lifetimes(t, registry, "events"); n != 0 {
		t.Errorf("%d streams have ended", n)
	}
}
