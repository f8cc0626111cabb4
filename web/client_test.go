package web_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestTheClientIsSmall(t *testing.T) {
	h := openHub(t)
	for _, path := range []string{"/griphub.js", "/griphub.mjs"} {
		var compressed bytes.Buffer
		w := gzip.NewWriter(&compressed)
		if _, err := w.Write(h.get(path).Body.Bytes()); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if compressed.Len() >= 6<<10 {
			t.Errorf("%s has %d bytes compressed", path, compressed.Len())
		}
	}
}

func TestTheClientHasTheFormThatIsAskedFor(t *testing.T) {
	h := openHub(t)
	module := h.get("/griphub.mjs").Body.String()
	if !strings.Contains(module, "\nexport { connect, DjangoRealtime };") || strings.Contains(module, "import(") || regexp.MustCompile(`(?m)^import `).MatchString(module) {
		t.Error("the module does not export, or imports")
	}
	for _, c := range []struct {
		mode, dest string
		module     bool
	}{{"", "", false}, {"no-cors", "script", false}, {"cors", "script", true}, {"same-origin", "sharedworker", false}, {"cors", "empty", false}} {
		w := h.get("/griphub.js", "Sec-Fetch-Mode", c.mode, "Sec-Fetch-Dest", c.dest)
		if (w.Body.String() == module) != c.module || strings.Contains(w.Body.String(), "export ") != c.module {
			t.Errorf("for %q, %q the module is sent: %v", c.mode, c.dest, !c.module)
		}
		wantHeader(t, w, "Content-Type", "text/javascript; charset=utf-8")
		wantHeader(t, w, "Access-Control-Allow-Origin", "*")
		if vary := w.Header().Values("Vary"); !strings.Contains(strings.Join(vary, ","), "Sec-Fetch-Mode") {
			t.Errorf("a cache may give one form for the other: Vary is %q", vary)
		}
		if again := h.get("/griphub.js", "Sec-Fetch-Mode", c.mode, "Sec-Fetch-Dest", c.dest, "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified {
			t.Errorf("what has not changed is sent again: %d", again.Code)
		}
	}
}
