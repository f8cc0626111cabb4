package web_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/griphub/griphub/web"
)

// assets makes a directory of third-party code: files that hold their own name.
func assets(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAssetsComeFromTheDirectory(t *testing.T) {
	dir := assets(t, "htmx.org@4.0.1/dist/ext/hx-sse.js", "@scope/pkg@1.0.0-beta.2/a.css", "secret.js")
	outside := filepath.Join(t.TempDir(), "outside.js")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "htmx.org@4.0.1", "link.js")); err != nil {
		t.Fatal(err)
	}
	h := openHub(t, func(o *web.Options) { o.AssetsDir = dir })
	for _, name := range []string{"htmx.org@4.0.1/dist/ext/hx-sse.js", "@scope/pkg@1.0.0-beta.2/a.css"} {
		w := h.direct("/assets/" + name)
		if w.Code != http.StatusOK || w.Body.String() != name {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		wantHeader(t, w, "Cache-Control", "public, max-age=31536000, immutable")
		wantHeader(t, w, "Access-Control-Allow-Origin", "*")
		wantHeader(t, w, "X-Content-Type-Options", "nosniff")
	}
	for _, name := range []string{
		"htmx.org@4.0.1/dist/none.js", "htmx.org@4.0.1/../secret.js", "htmx.org@4.0.1/%2e%2e/secret.js", "secret.js", "", "htmx.org/dist/htmx.js",
		"htmx.org@4.0.1", "htmx.org@4.0.1/dist", "htmx.org@4.0.1/dist/ext/hx-sse.js%00", "htmx.org@latest/dist/htmx.js", "//evil.example/a@1/b.js",
		"htmx.org@4.0.1/a.html",
	} {
		if w := h.direct("/assets/" + name); w.Code != http.StatusNotFound {
			t.Errorf("%q: %d %.60s", name, w.Code, w.Body)
		}
	}
	if w := h.direct("/assets/htmx.org@4.0.1/link.js"); w.Code == http.StatusOK {
		t.Errorf("a link leads out of the directory: %s", w.Body)
	}
}

func TestAssetsComeFromACDNWithoutADirectory(t *testing.T) {
	h := openHub(t)
	w := h.direct("/assets/htmx.org@4.0.1/dist/htmx.min.js")
	if w.Code != http.StatusFound {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantHeader(t, w, "Location", "https://cdn.jsdelivr.net/npm/htmx.org@4.0.1/dist/htmx.min.js")
	wantHeader(t, w, "Access-Control-Allow-Origin", "*")
	wantProblem(t, h.direct("/assets/..%2f@1/a.js"), http.StatusNotFound)
}
