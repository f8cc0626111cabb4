package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

const keyed = "Bearer " + publishKey

// post publishes with an API key, as an application does: not through the proxy.
func (h *hub) postEvents(body string, fields ...string) *httptest.ResponseRecorder {
	h.Helper()
	return h.post("/api/publish", body, append([]string{grip.HeaderSig, "", "Authorization", keyed}, fields...)...)
}

// A published is the answer to a publisher.
type published struct {
	Events []struct{ ID, Cursor string } `json:"events"`
}

func readPublished(t testing.TB, w *httptest.ResponseRecorder) published {
	t.Helper()
	var p published
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%s: %v", w.Body, err)
	}
	return p
}

// stored is all that is in the channel, as type and data.
func (h *hub) stored(channel channels.Channel) string {
	h.Helper()
	page, err := h.store.Latest(h.Context(), channel, 1<<20)
	if err != nil {
		h.Fatal(err)
	}
	var all []string
	for _, e := range page.Events {
		all = append(all, e.Type+" "+string(e.Data))
	}
	return strings.Join(all, "|")
}

func TestOneEventIsPublishedAsItIsWritten(t *testing.T) {
	for body, want := range map[string]string{
		`{"channel":"foo","event":"note","data":{"a":1.0}}`: `note {"a":1.0}`,
		`{"channel":"foo"}`:                                              `message {}`,
		`{"channel":"foo","event":""}`:                                   ` {}`,
		`{"channel":"foo","event":null,"data":null}`:                     `message null`,
		`{"channel":"foo","data":"text"}`:                                `message "text"`,
		`{"channel":"foo","data":12345678901234567890}`:                  `message 12345678901234567890`,
		`{"channel":"foo","raw":true,"data":"<b>\"1\"</b>\n"}`:           "message <b>\"1\"</b>\n",
		`{"channel":"foo","raw":true}`:                                   `message `,
		`{"channels":["foo"],"data":[1, 2]}`:                             `message [1, 2]`,
		" \r\n\t{\"channel\":\"foo\",\"data\":1}\n ":                     `message 1`,
		`{"channel":"foo","data":1,"private_data":null,"skip_users":[]}`: `message 1`,
	} {
		h := openHub(t)
		p := readPublished(t, h.postEvents(body))
		if len(p.Events) != 1 || p.Events[0].ID != "1" || p.Events[0].Cursor != "foo:1" {
			t.Errorf("%s is answered by %+v", body, p)
		}
		if got := h.stored("foo"); got != want {
			t.Errorf("%s is stored as %q, want %q", body, got, want)
		}
		if len(h.sent.events) != 1 {
			t.Errorf("%s: %d events are sent", body, len(h.sent.events))
		}
	}
}

func TestWhereAnEventMayGo(t *testing.T) {
	h := openHub(t)
	for _, c := range []struct{ body, cursor string }{
		{`{"channels":["a","b c"]}`, "a:1,b%20c:1"},
		{`{"user":"7"}`, "%40user/7:1"},
		{`{"user":7}`, "%40user/7:2"},
		{`{"user":"a/b"}`, "%40user/a/b:1"},
		{`{"global":true}`, "%40public:1"},
		{`{"global":true,"data":null}`, "%40public:2"},
		{`{"system":true,"user":7}`, "%40system:1"},
		{`{"system":true,"data":[]}`, "%40system:2"},
		{`{"device":"pump/p1","event":"data","data":{"t":1}}`, "iot_pump:1,iot_pump_p1:1"},
		{`{"channel":"gauge"}`, "gauge:0"},
		{`{"channels":["gauge","a"]}`, "gauge:0,a:2"},
	} {
		if p := readPublished(t, h.postEvents(c.body)); p.Events[0].Cursor != c.cursor {
			t.Errorf("%s is at %q, want %q", c.body, p.Events[0].Cursor, c.cursor)
		}
	}
	// The user of an event for the backend is informational.
	if page, err := h.store.Latest(t.Context(), channels.System, 2); err != nil || page.Events[0].User != "7" || page.Events[1].User != "" {
		t.Errorf("the backend's events are %+v, %v", page.Events, err)
	}
	if got := h.stored("iot_pump_p1"); got != `data {"event":"data","device_type":"pump","device_id":"p1","data":{"t":1},"timestamp":"2025-01-15T12:00:00+00:00"}` {
		t.Errorf("the device's event is %s", got)
	}
}

func TestManyEventsArePublishedTogether(t *testing.T) {
	for what, body := range map[string]string{
		"an array":           `[{"channel":"foo","data":1},{"channel":"bar","data":2}, {"channel":"foo","data":3}]`,
		"JSON lines":         "{\"channel\":\"foo\",\"data\":1}\n{\"channel\":\"bar\",\"data\":2}\r\n\n{\"channel\":\"foo\",\"data\":3}",
		"no separators":      `{"channel":"foo","data":1}{"channel":"bar","data":2}{"channel":"foo","data":3}`,
		"a spread out array": " \n[ {\"channel\":\"foo\",\n\"data\":1}\n,{\"channel\":\"bar\",\"data\":2},{\"channel\":\"foo\",\"data\":3} ]\n",
	} {
		h := openHub(t)
		p := readPublished(t, h.postEvents(body))
		if fmt.Sprint(p.Events) != "[{1 foo:1} {2 bar:1} {3 foo:2}]" || h.stored("foo") != "message 1|message 3" {
			t.Errorf("%s: %+v, stored %s", what, p, h.stored("foo"))
		}
	}
}

func TestMistakesOfPublishersAreToldWithTheirPlace(t *testing.T) {
	h := openHub(t)
	ok := `{"channel":"foo"}`
	long := strings.Repeat("x", 70_000)
	for body, want := range map[string]string{
		``:                                       "400 bad-request ",
		" \n ":                                   "400 bad-request ",
		`[]`:                                     "400 bad-request ",
		`{`:                                      "400 bad-request [0].body",
		`[`:                                      "400 bad-request [0].body",
		`[` + ok:                                 "400 bad-request [1].body",
		`[` + ok + `,]`:                          "400 bad-request [1].body",
		`[` + ok + `] x`:                         "400 bad-request [1].body",
		`[` + ok + `]` + ok:                      "400 bad-request [1].body",
		ok + "\n{":                               "400 bad-request [1].body",
		ok + "\nnonsense":                        "400 bad-request [1].body",
		`5`:                                      "400 bad-request [0].body",
		`"x"`:                                    "400 bad-request [0].body",
		`[[1]]`:                                  "400 bad-request [0].body",
		`[5]`:                                    "400 bad-request [0].body",
		"\xff":                                   "400 bad-request [0].body",
		`null`:                                   "422 invalid [0].channel",
		`{}`:                                     "422 invalid [0].channel",
		`{"channel":""}`:                         "422 invalid [0].channel",
		`{"channels":[]}`:                        "422 invalid [0].channel",
		`{"channel":"a","channels":["b"]}`:       "422 invalid [0].channel",
		`{"channel":"a","global":true}`:          "422 invalid [0].channel",
		`{"user":"7","device":"a/b"}`:            "422 invalid [0].channel",
		`{"channel":"@user/7"}`:                  "422 invalid [0].channel",
		`{"channels":["a","@system"]}`:           "422 invalid [0].channel",
		`{"channels":["a","a"]}`:                 "422 invalid [0].channels",
		`{"channel":"a\u0000"}`:                  "422 invalid [0].channel",
		`{"channel":7}`:                          "422 invalid [0].channel",
		`{"channels":"a"}`:                       "422 invalid [0].channels",
		`{"user":null}`:                          "422 invalid [0].user",
		`{"user":""}`:                            "422 invalid [0].user",
		`{"user":true}`:                          "422 invalid [0].user",
		`{"user":["7"]}`:                         "422 invalid [0].user",
		`{"user":"a\nb"}`:                        "422 invalid [0].user",
		`{"system":true,"user":[]}`:              "422 invalid [0].user",
		`{"user":"7","data":[]}`:                 "422 invalid [0].data",
		`{"global":true,"data":"x"}`:             "422 invalid [0].data",
		`{"device":"pump"}`:                      "422 invalid [0].device",
		`{"device":"pump/"}`:                     "422 invalid [0].device",
		`{"device":"/p1"}`:                       "422 invalid [0].device",
		`{"device":"a/b/c"}`:                     "422 invalid [0].device",
		`{"device":"a/b+"}`:                      "422 invalid [0].device",
		`{"device":"a/` + long[:300] + `"}`:      "422 invalid [0].device",
		`{"device":"a/b","raw":true,"data":"x"}`: "422 invalid [0].device",
		`{"device":"a/b","data":"` + long + `"}`: "422 invalid [0].data",
		`{"channel":"a","data":"` + long + `"}`:  "422 invalid [0].data",
		`{"channel":"a","raw":true,"data":{"a":1}}`:                     "422 invalid [0].data",
		`{"channel":"a","raw":"yes"}`:                                   "422 invalid [0].raw",
		`{"channel":"a","event":"stream-reset"}`:                        "422 invalid [0].event",
		`{"channel":"a","event":"x\ndata: y"}`:                          "422 invalid [0].event",
		`{"channel":"a","event":7}`:                                     "422 invalid [0].event",
		`{"channel":"a","id":"a\u0000b"}`:                               "422 invalid [0].id",
		`{"channel":"a","id":7}`:                                        "422 invalid [0].id",
		`{"channel":"a","skip_users":["a,b"]}`:                          "422 invalid [0].skip_users",
		`{"channel":"a","skip_users":[null]}`:                           "422 invalid [0].skip_users",
		`{"channel":"a","skip_users":"7"}`:                              "422 invalid [0].skip_users",
		`{"channel":"shared_x","skip_users":["7"]}`:                     "422 invalid [0].skip_users",
		`{"channel":"a","chanel":"b"}`:                                  "422 invalid [0].chanel",
		`[` + ok + `,` + ok + `,{"channel":"a","event":"keep-alive"}]`:  "422 invalid [2].event",
		ok + "\n" + ok + "\n{\"channel\":\"\"}":                         "422 invalid [2].channel",
		`[` + ok + `,{"channel":"a","data":"` + long + `"},` + ok + `]`: "422 invalid [1].data",
	} {
		w := h.postEvents(body)
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Errorf("%.80s: %d %s", body, w.Code, w.Body)
			continue
		}
		if got := fmt.Sprint(w.Code, " ", p.Error.Code, " ", p.Error.At); got != want {
			t.Errorf("%.80s: %s (%s), want %s", body, got, p.Detail, want)
		}
		if len(w.Body.String()) > 3000 || p.Detail == "" || strings.HasPrefix(p.Detail, ":") {
			t.Errorf("%.80s: the detail is %.200q", body, p.Detail)
		}
	}
	if heads, err := h.store.Heads(t.Context(), []channels.Channel{"foo", "a", "iot_a"}); err != nil || heads.String() != "foo:0,a:0,iot_a:0" || len(h.sent.events) != 0 {
		t.Errorf("something was stored: %s, %v, %d sent", heads, err, len(h.sent.events))
	}
}

func TestWhoMayPublish(t *testing.T) {
	h := openHub(t)
	for what, c := range map[string]struct {
		fields []string
		body   string
		status int
		at     string
	}{
		"an API key":                  {[]string{"Authorization", keyed}, `{"global":true}`, 200, ""},
		"another API key":             {[]string{"Authorization", "Bearer 0123456789abcdef-another"}, `{"channel":"foo"}`, 200, ""},
		"an administrator":            {[]string{"X-User", "7 admin"}, `{"system":true}`, 200, ""},
		"a writer":                    {[]string{"X-User", "7 writes=room_*"}, `[{"channel":"room_1"},{"channel":"room_2"}]`, 200, ""},
		"a writer elsewhere":          {[]string{"X-User", "7 writes=room_*"}, `[{"channel":"room_1"},{"channel":"foo"}]`, 403, "[1].channel"},
		"a writer, half of it":        {[]string{"X-User", "7 writes=room_*"}, `{"channels":["room_1","foo"]}`, 403, "[0].channel"},
		"a writer to everybody":       {[]string{"X-User", "7 writes=**"}, `{"global":true}`, 403, "[0].channel"},
		"a writer to a user":          {[]string{"X-User", "7 writes=**"}, `{"user":"8"}`, 403, "[0].channel"},
		"a writer to the backend":     {[]string{"X-User", "7 writes=**"}, `{"system":true}`, 403, "[0].channel"},
		"a writer for a device":       {[]string{"X-User", "7 writes=iot_pump"}, `{"device":"pump/p1"}`, 403, "[0].channel"},
		"a writer for devices":        {[]string{"X-User", "7 writes=iot_**"}, `{"device":"pump/p1"}`, 200, ""},
		"a writer whose time is over": {[]string{"X-User", "7 writes=** until=2025-01-15T12:00:00Z"}, `{"channel":"foo"}`, 401, ""},
		"a reader":                    {[]string{"X-User", "7 reads=**"}, `{"channel":"foo"}`, 403, ""},
		"nobody":                      {nil, `{"channel":"foo"}`, 401, ""},
		"a forger":                    {[]string{"X-User", "forged"}, `{"channel":"foo"}`, 401, ""},
		"an empty key":                {[]string{"Authorization", "Bearer "}, `{"channel":"foo"}`, 401, ""},
		"a cut key":                   {[]string{"Authorization", keyed[:len(keyed)-1]}, `{"channel":"foo"}`, 401, ""},
		"a longer key":                {[]string{"Authorization", keyed + "x"}, `{"channel":"foo"}`, 401, ""},
		"two keys":                    {[]string{"Authorization", keyed + "," + publishKey}, `{"channel":"foo"}`, 401, ""},
		"another scheme":              {[]string{"Authorization", "Basic " + publishKey}, `{"channel":"foo"}`, 401, ""},
	} {
		t.Run(what, func(t *testing.T) {
			w := h.post("/api/publish/", c.body, append([]string{grip.HeaderSig, ""}, c.fields...)...)
			if c.status == http.StatusOK {
				readPublished(t, w)
			} else if p := wantProblem(t, w, c.status); p.Error.At != c.at || strings.Contains(w.Body.String(), "SECRET") {
				t.Errorf("the problem is %s", w.Body)
			}
		})
	}
	if got := h.stored("room_1"); got != "message {}" {
		t.Errorf("of refused batches is stored %s", got)
	}
}

func TestWithoutKeysNoKeyPublishes(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.PublishKeys = nil })
	for _, auth := range []string{"Bearer ", "Bearer", keyed, ""} {
		wantProblem(t, h.postEvents(`{"channel":"foo"}`, "Authorization", auth), http.StatusUnauthorized)
	}
}

func TestAnotherSitesPagePublishesNothing(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.CORS = web.CORS{Origins: []string{"https://friend.example"}, Credentials: true}
	})
	for _, c := range []struct {
		fields []string
		status int
	}{
		{[]string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{[]string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{[]string{"Origin", "null", "Content-Type", "text/plain"}, http.StatusForbidden},
		{[]string{"Origin", "https://friend.example"}, http.StatusOK},
		{[]string{"Origin", "http://example.com"}, http.StatusOK},
		{[]string{"Sec-Fetch-Site", "same-origin"}, http.StatusOK},
		{nil, http.StatusOK},
	} {
		if w := h.post("/api/publish", `{"channel":"foo"}`, append([]string{"X-User", "dev admin"}, c.fields...)...); w.Code != c.status {
			t.Errorf("%q: %d %s", c.fields, w.Code, w.Body)
		}
	}
}

func TestARepeatedIDStoresOnce(t *testing.T) {
	h := openHub(t)
	body := `[{"channel":"foo","data":1,"id":"k"},{"channel":"foo","data":2,"id":"k"},{"channel":"bar","data":3}]`
	first, second := readPublished(t, h.postEvents(body)), readPublished(t, h.postEvents(body))
	if fmt.Sprint(first.Events) != "[{1 foo:1} {1 foo:1} {2 bar:1}]" || fmt.Sprint(second.Events) != "[{1 foo:1} {1 foo:1} {3 bar:2}]" {
		t.Errorf("first %+v, then %+v", first, second)
	}
	if h.stored("foo") != "message 1" || len(h.sent.events) != 3 {
		t.Errorf("stored is %s, %d are sent", h.stored("foo"), len(h.sent.events))
	}
	long := `{"channel":"foo","id":"` + strings.Repeat("k", 10_000) + `"}`
	if a, b := readPublished(t, h.postEvents(long)), readPublished(t, h.postEvents(long)); a.Events[0].ID != b.Events[0].ID {
		t.Errorf("a long id is stored as %s and %s", a.Events[0].ID, b.Events[0].ID)
	}
}

// eachDatabase runs the scene on a hub with each.
func eachDatabase(t *testing.T, scene func(*testing.T, *hub)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) { scene(t, openHub(t)) })
	t.Run("PostgreSQL", func(t *testing.T) { scene(t, openHubOn(t, postgres.Database(t))) })
}

func TestABatchIsStoredWhollyOrNotAtAll(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *hub) {
		good := strings.Repeat("{\"channel\":\"foo\"}\n{\"channels\":[\"foo\",\"bar\"]}\n", 100)
		for _, bad := range []string{`{"channel":"@system"}`, `{"channel":"foo","event":"keep-alive"}`, `{"channel":"foo"`, `5`, `{"channel":"foo","x":1}`} {
			if w := h.postEvents(good + bad); w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s: %d", bad, w.Code)
			}
			wantProblem(t, h.post("/api/publish", good+`{"global":true}`, "X-User", "7 writes=**"), http.StatusForbidden)
		}
		heads, err := h.store.Heads(t.Context(), []channels.Channel{"foo", "bar"})
		if err != nil || heads.String() != "foo:0,bar:0" || len(h.sent.events) > 0 {
			t.Errorf("the log stands at %s, %v; %d events were sent", heads, err, len(h.sent.events))
		}
		readPublished(t, h.postEvents(good))
		if heads, err := h.store.Heads(t.Context(), []channels.Channel{"foo", "bar"}); err != nil || heads.String() != "foo:200,bar:100" {
			t.Errorf("the log stands at %s, %v", heads, err)
		}
	})
}

func TestTheSameBatchFromManyIsStoredOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, h *hub) {
		body := `[{"channel":"foo","data":1,"id":"a"},{"channel":"bar","data":2,"id":"b"},{"channel":"foo","data":3,"id":"c"}]`
		answers := make([]*httptest.ResponseRecorder, 8)
		var senders sync.WaitGroup
		for i := range answers {
			r := h.request(http.MethodPost, "/api/publish", strings.NewReader(body), "Authorization", keyed)
			senders.Go(func() { answers[i] = h.do(r) })
		}
		senders.Wait()
		first := readPublished(t, answers[0])
		for _, w := range answers[1:] {
			if p := readPublished(t, w); !slices.Equal(p.Events, first.Events) {
				t.Errorf("one is told %+v, another %+v", first.Events, p.Events)
			}
		}
		if h.stored("foo") != "message 1|message 3" || h.stored("bar") != "message 2" {
			t.Errorf("stored is %s and %s", h.stored("foo"), h.stored("bar"))
		}
	})
}

// Whoever may publish to one channel must not be able to take ids beforehand, nor to ask for others' events by them.
func TestPublishersDoNotShareIDs(t *testing.T) {
	h := openHub(t)
	one := func(id string, fields ...string) string {
		t.Helper()
		w := h.post("/api/publish", `{"channel":"room_1","id":"`+id+`"}`, append([]string{"Authorization", ""}, fields...)...)
		return readPublished(t, w).Events[0].ID
	}
	seen := map[string]string{}
	for what, id := range map[string]string{
		"user 7":         one("k", "X-User", "7 writes=room_*"),
		"user 8":         one("k", "X-User", "8 writes=room_*"),
		"an application": one("k", "Authorization", keyed),
		"a hostile user": one("app/k", "X-User", "7 writes=room_*"),
		"user a":         one("x/app/y", "X-User", "a writes=room_*"),
		"user a/app/x":   one("y", "X-User", "a/app/x writes=room_*"),
		"for a device":   one("mqtt/data/pump/p1/1", "Authorization", keyed),
	} {
		if other, taken := seen[id]; taken {
			t.Errorf("%s and %s have one event %s", what, other, id)
		}
		seen[id] = what
	}
	d := channels.Draft{Channels: []channels.Channel{"iot_pump"}, Data: []byte("1"), Key: "mqtt/data/pump/p1/1"}
	if e := h.publishDraft(d); e.Repeated {
		t.Error("a publisher has taken a device's key")
	}
}

func TestARequestHasBounds(t *testing.T) {
	h := openHub(t)
	tooLong := `{"channel":"foo","raw":true,"data":"` + strings.Repeat("x", 9<<20) + `"}`
	if p := wantProblem(t, h.postEvents(tooLong), http.StatusRequestEntityTooLarge); p.Error.Code != "too-large" {
		t.Errorf("%+v", p)
	}
	wantProblem(t, h.postEvents(strings.Repeat(" ", 9<<20)), http.StatusRequestEntityTooLarge)
	many := strings.Repeat("{\"channel\":\"foo\"}\n", 10_000)
	if p := readPublished(t, h.postEvents(many)); len(p.Events) != 10_000 {
		t.Errorf("%d events", len(p.Events))
	}
	wantProblem(t, h.postEvents(many+`{"channel":"foo"}`), http.StatusRequestEntityTooLarge)
	if heads, err := h.store.Heads(t.Context(), []channels.Channel{"foo"}); err != nil || heads.String() != "foo:10000" {
		t.Errorf("the log stands at %s, %v", heads, err)
	}
}

// A brokenPublisher fails, or waits until nobody waits for it.
type brokenPublisher struct{ err error }

func (b brokenPublisher) Publish(ctx context.Context, _ channels.Batch) ([]channels.Event, error) {
	if b.err == nil {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, b.err
}

func TestWhatIsNotStoredIsNotAnsweredBy200(t *testing.T) {
	for what, c := range map[string]struct {
		err    error
		status int
	}{
		"a failing log":        {errors.New("SECRET disk error"), http.StatusInternalServerError},
		"a stopping publisher": {channels.ErrStopped, http.StatusServiceUnavailable},
	} {
		h := openHub(t, func(o *web.Options) { o.Publisher = brokenPublisher{c.err} })
		if w := h.postEvents(`{"channel":"foo"}`); strings.Contains(w.Body.String(), "SECRET") {
			t.Errorf("%s: %s", what, w.Body)
		} else {
			wantProblem(t, w, c.status)
		}
	}
	h := openHub(t, func(o *web.Options) { o.Publisher = brokenPublisher{} })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := h.request(http.MethodPost, "/api/publish", strings.NewReader(`{"channel":"foo"}`), "Authorization", keyed).WithContext(ctx)
	if w := h.do(r); w.Code < 500 {
		t.Errorf("a request that ended: %d %q", w.Code, w.Body)
	}
}

func TestPublishIsPOSTAlone(t *testing.T) {
	h := openHub(t)
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodHead} {
		if w := h.do(h.request(method, "/api/publish", nil, "Authorization", keyed)); w.Code != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}
