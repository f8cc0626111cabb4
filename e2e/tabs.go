package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Show brings the tab to the front: the one that was there is hidden.
func (tab *Tab) Show(t testing.TB) {
	t.Helper()
	tab.run(t, page.BringToFront())
}

// Emulate shows the tab on a screen of that size, in the colour scheme "light" or "dark".
func (tab *Tab) Emulate(t testing.TB, width, height int64, scheme string) {
	t.Helper()
	tab.run(t,
		emulation.SetDeviceMetricsOverride(width, height, 1, width < 600),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}, // nothing is half-way from one colour to the other
		}),
	)
}

// MainThread is the processor time that the page's thread has used since the first call.
func (tab *Tab) MainThread(t testing.TB) time.Duration {
	t.Helper()
	var metrics []*performance.Metric
	tab.run(t,
		performance.Enable().WithTimeDomain(performance.EnableTimeDomainThreadTicks),
		chromedp.ActionFunc(func(ctx context.Context) (err error) {
			metrics, err = performance.GetMetrics().Do(ctx)
			return err
		}),
	)
	for _, m := range metrics {
		if m.Name == "TaskDuration" {
			return time.Duration(m.Value * float64(time.Second))
		}
	}
	t.Fatal("the browser does not tell what its thread has done")
	return 0
}

// WithoutScripts has the tab run none, from the next page on.
func (tab *Tab) WithoutScripts(t testing.TB) {
	t.Helper()
	tab.run(t, emulation.SetScriptExecutionDisabled(true))
}

// Accessibility returns what axe-core finds against WCAG 2.2, levels A and AA, as "rule: element".
func (tab *Tab) Accessibility(t testing.TB) []string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(Assets(t), "axe-core@4.14.1", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	tab.run(t, chromedp.Evaluate(string(source), nil))
	var found []string
	tab.Eval(t, `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
		.then((result) => result.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html.slice(0, 150) + " " + n.failureSummary)))`, &found)
	return found
}

// Press presses a key, as KeyboardEvent.key names it.
func (tab *Tab) Press(t testing.TB, key string) {
	t.Helper()
	if code, ok := map[string]string{"ArrowDown": kb.ArrowDown, "End": kb.End, "Enter": kb.Enter, "Escape": kb.Escape}[key]; ok {
		key = code
	}
	tab.run(t, chromedp.KeyEvent(key))
}

// Text is what the element shows.
func (tab *Tab) Text(t testing.TB, selector string) string {
	t.Helper()
	var text string
	tab.run(t, chromedp.Text(selector, &text, chromedp.ByQuery))
	return text
}
