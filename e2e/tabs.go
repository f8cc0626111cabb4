package e2e

import (
	"testing"

	"github.com/chromedp/cdproto/page"
)

// Show brings the tab to the front: the one that was there is hidden.
func (tab *Tab) Show(t testing.TB) {
	t.Helper()
	tab.run(t, page.BringToFront())
}
