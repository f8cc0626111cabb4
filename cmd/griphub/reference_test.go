package main

import (
	"bytes"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/cmd/griphub/config"
)

// `make reference` sets it.
var writeReference = flag.Bool("write-reference", false, "write docs/reference instead of comparing it with the program")

// The reference is made of what the program itself says: the types of the configuration, the commands, the metrics as a hub
// registers them, and the OpenAPI document as it serves it.
func TestTheReferenceIsCurrent(t *testing.T) {
	h := everyPart(t)
	for name, text := range map[string]func(*strings.Builder){
		"configuration.md": func(b *strings.Builder) {
			if err := config.WriteReference(b); err != nil {
				t.Fatal(err)
			}
		},
		"cli.md":     func(b *strings.Builder) { writeCommands(b, newRoot()) },
		"metrics.md": func(b *strings.Builder) { writeMetrics(t, b, h) },
		"http.md":    func(b *strings.Builder) { writeHTTP(t, b, h) },
	} {
		var b strings.Builder
		text(&b)
		file := filepath.Join("../../docs/reference", name)
		if *writeReference {
			if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != b.String() {
			t.Errorf("docs/reference/%s is not what the program says (%v); run: make reference", name, err)
		}
	}
}

// everyPart is a hub with all that may be configured, which does not run.
func everyPart(t *testing.T) *hub {
	t.Helper()
	gin.SetMode(gin.ReleaseMode)
	c := sound(t).but(sceneConfig{
		"mqtt":  "{url: \"mqtt://127.0.0.1:1\"}",
		"grip":  `{urls: ["http://127.0.0.1:1"], stats: ["tcp://127.0.0.1:1"]}`,
		"hooks": `{on_receive: {url: "http://127.0.0.1:1"}, subscribers: [{name: crm, channels: [orders], url: "http://127.0.0.1:1"}]}`,
	})
	cfg, err := config.Load(config.Options{File: c.write(t), Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	h, err := newHub(t.Context(), cfg, nil, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// openAPI is the document that the hub serves.
func openAPI(t *testing.T, h *hub) *openapi3.T {
	t.Helper()
	w := httptest.NewRecorder()
	h.web.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/openapi.json", bytes.NewReader(nil)))
	document, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// cell is text as a cell of a table in Markdown.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
