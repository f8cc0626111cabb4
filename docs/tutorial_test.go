package docs

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/griphub/griphub/e2e"
)

// The tutorial's page, to the letter but for addresses, in a real browser.
func TestTheTutorialsPageShowsTheDevice(t *testing.T) {
	t.Parallel()
	var page string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }))
	defer site.Close()
	hub := e2e.StartDev(t, e2e.DevOptions{Config: fmt.Sprintf("cors: {origins: [%q], credentials: true}\n", site.URL)})
	page = strings.ReplaceAll(namedFile(t, "tutorial.md", "index.html"), "http://localhost:7999", hub.URL(""))

	say := func(temperature string) {
		e2e.MosquittoPub(t, hub.MQTT, "-t", "things/greenhouse/tomatoes/data", "-m", `{"temperature":`+temperature+`}`)
	}
	say("21.5")
	tab := e2e.StartBrowser(t).Open(t, site.URL)
	shows := func(temperature string) {
		t.Helper()
		tab.Await(t, "the page shows "+temperature, fmt.Sprintf(`document.querySelector("#temperature").textContent === %q`, temperature))
	}
	shows("21.5")
	say("24.1")
	shows("24.1")
	hub.Restart(t)
	say("18.2")
	shows("18.2")
	hub.Publish(t, "--device", "greenhouse/tomatoes", "--event", "data", `{"temperature":19}`)
	shows("19")
}

// namedFile is what a document shows as the content of a file: code behind the file's name.
func namedFile(t *testing.T, document, name string) string {
	t.Helper()
	found := regexp.MustCompile("(?ms)^`" + regexp.QuoteMeta(name) + "`\n\n```\\w+\n(.*?)^```").FindStringSubmatch(documents(t)[document].text)
	if found == nil {
		t.Fatalf("%s shows no file %s", document, name)
	}
	return found[1]
}
