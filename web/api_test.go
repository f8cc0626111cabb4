package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// direct asks as an application does: not through the proxy.
func (h *hub) direct(target string, fields ...string) *httptest.ResponseRecorder {
	h.Helper()
	return h.get(target, append([]string{grip.HeaderSig, ""}, fields...)...)
}

func TestHistoryIsAPageOfTheLog(t *testing.T) {
	h := openHub(t)
	for n := range 5 {
		h.publish(fmt.Sprint(n+1), "foo")
		h.clock.advance(time.Minute)
	}
	for q, want := range map[string]string{
		"":                                   "1 2 3 4 5",
		"?limit=2":                           "4 5",
		"?after=3":                           "4 5",
		"?after=foo:3":                       "4 5",
		"?after=bar:9,foo:4":                 "5",
		"?after=0&limit=2":                   "1 2",
		"?after=5":                           "",
		"?since=2m":                          "4 5",
		"?since=0s":                          "",
		"?since=24h":                         "1 2 3 4 5",
		"?since=2025-01-15T12:03:00Z":        "4 5",
		"?since=2025-01-15T13:03:00%2B01:00": "4 5",
		"?since=2025-01-15T12:02:30.5Z":      "4 5",
		"?since=2m&limit=1":                  "4",
		"?since=2030-01-01T00:00:00Z":        "",
		"?after=4&since=24h":                 "5",
	} {
		p := readPoll(t, h.direct("/api/channels/foo/events"+q))
		if p.values() != want || p.Reset || !strings.HasPrefix(p.Cursor, "foo:") {
			t.Errorf("%s: %q up to %s, want %q", q, p.values(), p.Cursor, want)
		}
	}
}

func TestHistoryTellsWhatIsLost(t *testing.T) {
	h := openHub(t)
	for n := range 3 {
		h.publish(fmt.Sprint(n+1), "foo")
	}
	h.trim()
	for _, after := range []string{"1", "4"} {
		if p := readPoll(t, h.direct("/api/channels/foo/events?after="+after)); !p.Reset || len(p.Events) != 0 || p.Cursor != "foo:3" {
			t.Errorf("after %s: %+v", after, p)
		}
	}
}

func TestHistoryIsOfTheChannelThatThePathNames(t *testing.T) {
	h := openHub(t)
	for _, c := range []channels.Channel{"a/b", "a+b", "100%", "a%2Fb"} {
		h.publish(`"`+string(c)+`"`, c)
	}
	for path, want := range map[string]string{"a%2Fb": "a/b", "a+b": "a+b", "100%25": "100%", "a%252Fb": "a%2Fb", "a%2Bb": "a+b"} {
		if p := readPoll(t, h.direct("/api/channels/"+path+"/events/")); p.values() != `"`+want+`"` {
			t.Errorf("%s: %q", path, p.values())
		}
	}
}

func TestHistoryRefuses(t *testing.T) {
	h := openHub(t)
	for target, status := range map[string]int{
		"/api/channels/foo/events?after=x":                      http.StatusBadRequest,
		"/api/channels/foo/events?after=bar:1":                  http.StatusBadRequest,
		"/api/channels/foo/events?after=-1":                     http.StatusBadRequest,
		"/api/channels/foo/events?limit=0":                      http.StatusBadRequest,
		"/api/channels/foo/events?limit=1001":                   http.StatusBadRequest,
		"/api/channels/foo/events?since=yesterday":              http.StatusBadRequest,
		"/api/channels/foo/events?since=-1h":                    http.StatusBadRequest,
		"/api/channels/foo/events?since=2025-01-15":             http.StatusBadRequest,
		"/api/channels/foo/events?since=9999999999h":            http.StatusBadRequest,
		"/api/channels/%40system/events":                        http.StatusBadRequest,
		"/api/channels/@user%2F7/events":                        http.StatusBadRequest,
		"/api/channels/a%00b/events":                            http.StatusBadRequest,
		"/api/channels/members_x/events":                        http.StatusUnauthorized,
		"/api/channels/hidden/events":                           http.StatusUnauthorized,
		"/api/channels/" + strings.Repeat("n", 300) + "/events": http.StatusBadRequest,
	} {
		wantProblem(t, h.direct(target), status)
	}
	wantProblem(t, h.direct("/api/channels/hidden/events", "X-User", "7"), http.StatusForbidden)
	wantProblem(t, h.direct("/api/channels/foo/events", "X-User", "forged"), http.StatusUnauthorized)
	// Whether a channel exists is not told either.
	if a, b := h.direct("/api/channels/token_a/events", "X-User", "7"), h.direct("/api/channels/token_b/events", "X-User", "7"); a.Code != b.Code {
		t.Errorf("%d and %d", a.Code, b.Code)
	}
}

func TestHistoryHasWhatItsReaderSees(t *testing.T) {
	h := openHub(t)
	h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: []byte("1"), SkipUsers: []string{"7"}, Private: []byte(`"SECRET"`), Key: "SECRET"})
	h.publish("2", "foo")
	w := h.direct("/api/channels/foo/events", "X-User", "7")
	if strings.Contains(w.Body.String(), "SECRET") {
		t.Errorf("the answer is %s", w.Body)
	}
	if p := readPoll(t, w); p.values() != "2" {
		t.Errorf("user 7 sees %q", p.values())
	}
}

type devicePage struct {
	Devices []struct {
		Type   string                     `json:"device_type"`
		ID     string                     `json:"device_id"`
		Status string                     `json:"status"`
		Values map[string]json.RawMessage `json:"values"`
	} `json:"devices"`
	Next string `json:"next"`
}

func readDevices(t testing.TB, w *httptest.ResponseRecorder) (page devicePage, ids string) {
	t.Helper()
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	wantHeader(t, w, "Cache-Control", "no-store")
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || page.Devices == nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	var all []string
	for _, d := range page.Devices {
		all = append(all, d.Type+"/"+d.ID)
	}
	return page, strings.Join(all, " ")
}

func TestDevicesAreListedPageByPage(t *testing.T) {
	h := openHub(t)
	for _, d := range []string{"pump/p2", "pump/p1", "valve/v1", "a_b/c"} {
		deviceType, id, _ := strings.Cut(d, "/")
		h.device(deviceType, id, `{"t":1}`)
	}
	for q, want := range map[string]string{
		"":                         "a_b/c pump/p1 pump/p2 valve/v1",
		"?type=pump":               "pump/p1 pump/p2",
		"?type=none":               "",
		"?after=pump/p1":           "pump/p2 valve/v1",
		"?type=pump&after=pump/p1": "pump/p2",
		"?limit=2":                 "a_b/c pump/p1",
		"?limit=2&after=pump%2Fp1": "pump/p2 valve/v1",
		"?type=pump&limit=1":       "pump/p1",
	} {
		if _, got := readDevices(t, h.direct("/api/devices"+q, "X-User", "7")); got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
	var all []string
	for after, pages := "", 0; pages < 10; pages++ {
		page, ids := readDevices(t, h.direct("/api/devices?limit=2&after="+after, "X-User", "7"))
		all = append(all, ids)
		if after = page.Next; after == "" {
			break
		}
	}
	if got := strings.TrimSpace(strings.Join(all, " ")); got != "a_b/c pump/p1 pump/p2 valve/v1" {
		t.Errorf("page by page: %s", got)
	}
	for _, q := range []string{"?after=x", "?limit=0", "?limit=1001"} {
		wantProblem(t, h.direct("/api/devices"+q, "X-User", "7"), http.StatusBadRequest)
	}
}

func TestOnlyDevicesThatMayBeReadAreListed(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p1", `{"t":1}`)
	if _, ids := readDevices(t, h.direct("/api/devices")); ids != "" {
		t.Errorf("nobody sees %s", ids)
	}
	wantProblem(t, h.direct("/api/devices", "X-User", "forged"), http.StatusUnauthorized)
	wantProblem(t, h.direct("/api/devices/pump/p1"), http.StatusUnauthorized)
	wantProblem(t, h.direct("/api/devices/pump/none"), http.StatusUnauthorized)
}

func TestADeviceIsShownWithThePlaceOfItsStream(t *testing.T) {
	h := openHub(t)
	h.device("pump", "p1", `{"t":1}`)
	h.device("pump", "p1", `{"t":2}`)
	w := h.direct("/api/devices/pump/p1/", "X-User", "7")
	var device struct {
		Type   string                     `json:"device_type"`
		ID     string                     `json:"device_id"`
		Status string                     `json:"status"`
		Seen   time.Time                  `json:"last_seen"`
		Values map[string]json.RawMessage `json:"values"`
		Cursor string                     `json:"cursor"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &device); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if device.Type != "pump" || device.ID != "p1" || device.Status != "online" || string(device.Values["t"]) != "2" || device.Cursor != "iot_pump_p1:2" || !device.Seen.Equal(h.clock.Now()) {
		t.Errorf("the device is %s", w.Body)
	}
	p := wantProblem(t, h.direct("/api/devices/pump/p2", "X-User", "7"), http.StatusNotFound)
	if p.Error.Code != "not-found" {
		t.Errorf("%+v", p)
	}
	wantProblem(t, h.direct("/api/devices/pu%00mp/p2", "X-User", "7"), http.StatusBadRequest)
}

func TestADevicesNameIsUnescaped(t *testing.T) {
	h := openHub(t)
	h.device("100%", "a b", `{"t":1}`)
	h.device("x~y", "c%2Fd", `{"t":1}`)
	for _, target := range []string{"/api/devices/100%25/a%20b", "/api/devices/x~y/c%252Fd"} {
		if w := h.direct(target, "X-User", "7"); w.Code != http.StatusOK {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}
