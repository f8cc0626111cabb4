package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
)

// readyPatience bounds each check of readyz.
const readyPatience = 3 * time.Second

// A check is something that has to work for the hub to do its work.
type check struct {
	name string
	// test returns why it does not work now, nil where it does.
	test func(ctx context.Context) error
}

// checks are those of the hub's parts that depend on somebody else.
func (h *hub) checks() []check {
	list := []check{{"database", func(ctx context.Context) error {
		_, err := h.db.Heads(ctx, []channels.Channel{channels.Public})
		return err
	}}}
	if h.source != nil {
		list = append(list, check{"mqtt", func(context.Context) error { return h.source.Err() }})
	}
	if len(h.proxies) > 0 {
		list = append(list, check{"proxies", h.client.Ready})
	}
	if h.alsoReady != nil {
		list = append(list, check{"pushpin", h.alsoReady})
	}
	return list
}

// A finding is what became of a check.
type finding struct {
	Name  string `json:"name"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	err   error
}

// findings makes all checks at the same time, so that one that gets no answer does not hide the others.
func (h *hub) findings(ctx context.Context) []finding {
	ctx, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	list := h.checks()
	found := make([]finding, len(list))
	var g errgroup.Group
	for i, c := range list {
		g.Go(func() error {
			found[i] = finding{Name: c.name, OK: true}
			if err := c.test(ctx); err != nil {
				found[i] = finding{Name: c.name, Error: err.Error(), err: fmt.Errorf("%s: %w", c.name, err)}
			}
			return nil
		})
	}
	_ = g.Wait() // no check fails but in its finding
	return found
}

// problems joins what was found wrong, nil for nothing.
func problems(found []finding) error {
	var list []error
	for _, f := range found {
		list = append(list, f.err)
	}
	return errors.Join(list...)
}

// readiness tells why the hub cannot do its work now, nil if it can.
func (h *hub) readiness(ctx context.Context) error { return problems(h.findings(ctx)) }

// readyz answers 200 where the hub can do its work, else 503 and a line for each reason. With ?verbose it answers every check in JSON.
func (h *hub) readyz(w http.ResponseWriter, r *http.Request) {
	found := h.findings(r.Context())
	err := problems(found)
	status, text := http.StatusOK, "ready"
	if err != nil {
		status, text = http.StatusServiceUnavailable, err.Error()
	}
	w.Header().Set("Cache-Control", "no-store")
	if !r.URL.Query().Has("verbose") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintln(w, text)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // whoever asked may be gone
		Ready  bool      `json:"ready"`
		Checks []finding `json:"checks"`
	}{err == nil, found})
}
