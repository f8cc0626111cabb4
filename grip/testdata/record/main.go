// Record writes down what a real Pushpin sends to a backend, and what it makes
// of the bytes that package grip writes. The tests of grip read the results, so
// that they need no Pushpin.
//
//	go run ./grip/testdata/record grip/testdata/pushpin-1.36
//
// It needs pushpin and zurl in the PATH and runs its own on free ports.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: record DIR")
		os.Exit(2)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

// exchange is one thing that was written by package grip, and its effect.
type exchange struct {
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Sent   string `json:"sent"`
	Status int    `json:"status,omitempty"` // of the control port
	Got    string `json:"got"`              // what the client or backend saw; "base64:" where not text
}

type recorder struct {
	ctx       context.Context
	backend   *backend
	proxy     *proxy
	exchanges []exchange
	scenes    int
}

func run(ctx context.Context, dir string) error {
	b, err := startBackend()
	if err != nil {
		return err
	}
	defer b.server.Close()
	b.on("/ready", func(http.ResponseWriter, *http.Request) {})
	p, err := startProxy(ctx, b.addr)
	if err != nil {
		return err
	}
	defer p.stop()

	r := &recorder{ctx: ctx, backend: b, proxy: p}
	for _, scene := range []func() error{
		r.recordRequests, r.recordWebSocket, r.recordItems, r.recordRefusals,
		r.recordKeepAlives, r.recordMeta, r.recordChannels, r.recordLinks,
		r.recordBuildID, r.recordPages, r.recordInstructs, r.recordControls,
	} {
		if err := scene(); err != nil {
			return err
		}
	}
	return r.write(dir)
}

func (r *recorder) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, path := range map[string]string{
		"stream": "/stream", "next-link": "/next", "poll": "/poll", "poll-retry": "/poll", "websocket": "/ws",
	} {
		dumps := r.backend.seen(path)
		if len(dumps) == 0 {
			return fmt.Errorf("no request for %s", path)
		}
		if name == "poll-retry" {
			dumps = dumps[1:]
		}
		if name != "websocket" {
			dumps = dumps[:1]
		}
		for i, dump := range dumps {
			file := fmt.Sprintf("%s.http", name)
			if name == "websocket" {
				file = fmt.Sprintf("%s-%02d.http", name, i)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(dump), 0o644); err != nil {
				return err
			}
		}
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, e := range r.exchanges {
		if err := encoder.Encode(e); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "exchanges.jsonl"), lines.Bytes(), 0o644); err != nil {
		return err
	}
	when := time.Now().UTC().Format(time.RFC3339) + "\n"
	return os.WriteFile(filepath.Join(dir, "recorded-at"), []byte(when), 0o644)
}

func (r *recorder) add(kind, name, sent string, status int, got []byte) {
	r.exchanges = append(r.exchanges, exchange{Kind: kind, Name: name, Sent: sent, Status: status, Got: text(got)})
	fmt.Printf("%-10s %-28s %d %.80q\n", kind, name, status, got)
}

// scenePath is a path that no other scene uses.
func (r *recorder) scenePath() string {
	r.scenes++
	return fmt.Sprintf("/scene/%d", r.scenes)
}

func text(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(b)
}
