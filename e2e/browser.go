package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// A Browser is a headless Chromium with a profile of its own. It ends with the test.
type Browser struct {
	ctx context.Context //nolint:containedctx // chromedp keeps the browser in it
}

// StartBrowser starts a Chromium.
func StartBrowser(t testing.TB) *Browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, // which a test that runs as root in a container cannot have
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WindowSize(1100, 800),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits until it has ended
		cancel()
		stop()
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return &Browser{ctx}
}

// A Tab is one page of a Browser.
type Tab struct {
	ctx    context.Context //nolint:containedctx // chromedp keeps the tab in it
	cancel context.CancelFunc
	// errors are what the page has written to its console as an error, thrown, or tried against its policy.
	errors *errorList
}

// Open opens the address in a new tab, and returns when the page has loaded.
func (b *Browser) Open(t testing.TB, url string) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx)
	tab := &Tab{ctx, cancel, &errorList{}}
	t.Cleanup(cancel)
	chromedp.ListenTarget(ctx, tab.errors.note)
	// The first run must not end: it would take the tab along.
	if err := chromedp.Run(ctx, log.Enable(), runtime.Enable(), network.Enable()); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	tab.Navigate(t, url)
	return tab
}

// run does things one after the other, and fails the test where one cannot be done in time.
func (tab *Tab) run(t testing.TB, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, Patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		t.Fatalf("browser: %v", err)
	}
}

// Do runs actions of chromedp in the tab, in order.
func (tab *Tab) Do(t testing.TB, actions ...chromedp.Action) {
	t.Helper()
	tab.run(t, actions...)
}

// Navigate goes to the address, and returns when the page has loaded.
func (tab *Tab) Navigate(t testing.TB, url string) {
	t.Helper()
	tab.run(t, chromedp.Navigate(url))
}

// Type writes text into the element, and presses Enter where it ends with a line break.
func (tab *Tab) Type(t testing.TB, selector, text string) {
	t.Helper()
	tab.run(t, chromedp.SendKeys(selector, text, chromedp.ByQuery))
}

// Fill writes text into the element as if it was pasted: also what no keyboard has.
func (tab *Tab) Fill(t testing.TB, selector, text string) {
	t.Helper()
	const fill = `((e, text) => { e.value = text; e.dispatchEvent(new Event("input", {bubbles: true})); })`
	tab.Eval(t, fmt.Sprintf("%s(document.querySelector(%s), %s)", fill, Quote(selector), Quote(text)), nil)
}

// Quote writes text as JavaScript does.
func Quote(text string) string {
	quoted, _ := json.Marshal(text) // a string always has a JSON form
	return string(quoted)
}

// Click clicks on the element.
func (tab *Tab) Click(t testing.TB, selector string) {
	t.Helper()
	tab.run(t, chromedp.Click(selector, chromedp.ByQuery))
}

// Eval evaluates the JavaScript expression, waits for it if it is a promise, and reads the result into value, a pointer.
func (tab *Tab) Eval(t testing.TB, expression string, value any) {
	t.Helper()
	tab.run(t, chromedp.Evaluate(expression, value, awaitPromise))
}

func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }

// Await waits until the JavaScript expression is true.
func (tab *Tab) Await(t testing.TB, what, expression string) {
	t.Helper()
	var last error
	for deadline := time.Now().Add(Patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(tab.ctx, Patience)
		var is bool
		last = chromedp.Run(ctx, chromedp.Evaluate("!!("+expression+")", &is, awaitPromise))
		cancel()
		if last == nil && is {
			return
		}
	}
	var page string
	tab.run(t, chromedp.OuterHTML("body", &page, chromedp.ByQuery))
	t.Fatalf("%s: not within %v (%v); the page is %.3000s", what, Patience, last, page)
}

// Screenshot keeps a picture of the tab in the directory that the variable SCREENSHOTS names, if it names one, as make test does.
func (tab *Tab) Screenshot(t testing.TB, name string) {
	t.Helper()
	var picture []byte
	tab.run(t, chromedp.CaptureScreenshot(&picture))
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, name), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Close closes the tab.
func (tab *Tab) Close() { tab.cancel() }

// Errors are what the page has written to its console as an error, thrown, or tried against its policy.
func (tab *Tab) Errors() []string { return tab.errors.all() }

// Offline cuts the tab's network off, or gives it back.
func (tab *Tab) Offline(t testing.TB, offline bool) {
	t.Helper()
	everything := &network.Conditions{Offline: offline, DownloadThroughput: -1, UploadThroughput: -1}
	tab.run(t,
		chromedp.ActionFunc(func(ctx context.Context) error {
			_, err := network.EmulateNetworkConditionsByRule([]*network.Conditions{everything}).Do(ctx)
			return err
		}),
		network.OverrideNetworkState(offline, 0, -1, -1),
	)
}

// errorText is what an event of the browser tells about a mistake of the page; empty for nothing.
func errorText(event any) string {
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		return e.ExceptionDetails.Error()
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.APITypeError {
			return ""
		}
		var words []string
		for _, arg := range e.Args {
			words = append(words, fmt.Sprint(string(arg.Value), arg.Description))
		}
		return strings.Join(words, " ")
	case *log.EventEntryAdded:
		if e.Entry.Level != log.LevelError || e.Entry.Source == log.SourceNetwork {
			return ""
		}
		return e.Entry.Text
	}
	return ""
}
