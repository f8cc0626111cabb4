package main

import (
	"fmt"
	"strings"
	"testing"
)

const metricsHead = `# Metrics

` + "`/metrics` on `ops_listen`" + ` shows these to Prometheus, beside those of Go and of the process (` + "`go_…`, `process_…`" + `).
[Watching it work](../observing.md) says which of them tell most.

| metric | type | labels | tells |
|---|---|---|---|
`

// writeMetrics writes what a hub with all its parts registers.
func writeMetrics(t *testing.T, b *strings.Builder, h *hub) {
	t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	b.WriteString(metricsHead)
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "griphub_") {
			continue
		}
		var labels []string
		for _, label := range f.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(labels, ", "), cell(f.GetHelp()))
	}
}
