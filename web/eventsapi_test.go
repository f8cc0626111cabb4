package web_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

func publicID(e channels.Event) string { return e.PublicID() }

func (h *hub) replay(id string, fields ...string) (status int, body string) {
	h.Helper()
	w := h.post("/api/events/"+id+"/replay", "", append([]string{grip.HeaderSig, ""}, fields...)...)
	return w.Code, w.Body.String()
}

func TestAReplayedEventComesAgainUnderItsID(t *testing.T) {
	h := openHub(t)
	first := h.publish(`{"n":1}`, "foo")
	h.publish(`{"n":2}`, "foo")
	status, body := h.replay(first.PublicID(), "Authorization", keyed)
	if status != http.StatusOK || strings.TrimSpace(body) != `{"cursor":"foo:3","id":"1","replay":1}` {
		t.Errorf("got %d %s", status, body)
	}
	stream := h.get("/events/foo/", "Last-Event-ID", "foo:2").Body.String()
	want := "event: stream-replay\ndata: {\"event_id\":\"1\",\"replay\":1}\n\nevent: message\nid: foo:3\ndata: {\"n\":1}\n\n"
	if !strings.HasSuffix(stream, want) {
		t.Errorf("a resumed stream brings %q, want %q at its end", stream, want)
	}
	history := h.get("/api/channels/foo/events?after=2").Body.String()
	if !strings.Contains(history, `"event_id":"1","replay":1,"id":"foo:3","prev":"foo:2"`) {
		t.Errorf("the history is %s", history)
	}
}

func TestWhoMayPublishToItsChannelsMayReplayAnEvent(t *testing.T) {
	h := openHub(t)
	foo, bar := publicID(h.publish(`1`, "foo")), publicID(h.publish(`1`, "foo", "bar"))
	own, err := channels.User("7")
	if err != nil {
		t.Fatal(err)
	}
	mine := publicID(h.publishDraft(channels.Draft{Channels: []channels.Channel{own}, Scope: channels.ScopeUser, User: "7", Data: []byte(`{}`)}))
	for _, c := range []struct {
		user, id string
		want     int
	}{
		{"", foo, http.StatusUnauthorized},
		{"7", foo, http.StatusForbidden},
		{"7 reads=**", foo, http.StatusForbidden},
		{"7 writes=bar", foo, http.StatusForbidden},
		{"7 writes=foo", foo, http.StatusOK},
		{"7 writes=foo", bar, http.StatusForbidden},
		{"7 writes=**", mine, http.StatusForbidden},
		{"ops admin", mine, http.StatusOK},
		{"ops admin", "99", http.StatusNotFound},
		{"ops admin", "0", http.StatusBadRequest},
		{"ops admin", "-1", http.StatusBadRequest},
		{"ops admin", "x", http.StatusBadRequest},
	} {
		if got, body := h.replay(c.id, "X-User", c.user); got != c.want {
			t.Errorf("%q replays %s: got %d %s, want %d", c.user, c.id, got, body, c.want)
		}
	}
}

func TestATrimmedEventCannotBeReplayed(t *testing.T) {
	h := openHub(t)
	id := publicID(h.publish(`1`, "foo"))
	h.publish(`2`, "foo")
	h.trim()
	w := h.post("/api/events/"+id+"/replay", "", "X-User", "ops admin")
	if p := wantProblem(t, w, http.StatusNotFound); !strings.Contains(p.Detail, "trimmed") {
		t.Errorf("the answer is %q", p.Detail)
	}
}

func TestAnotherSitesPageReplaysNothing(t *testing.T) {
	h := openHub(t)
	id := publicID(h.publish(`1`, "foo"))
	if status, _ := h.replay(id, "X-User", "ops admin", "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
		t.Errorf("got %d", status)
	}
}

func TestAdministratorsSeeAnEventWithItsPrivateDataAndActivities(t *testing.T) {
	h := openHub(t)
	id := publicID(h.publishDraft(channels.Draft{
		Channels: []channels.Channel{"foo", "bar"}, Type: "note", Data: []byte(`{"n":1}`), Private: json.RawMessage(`{"who":"me"}`),
		SkipUsers: []string{"7"},
	}))
	h.replay(id, "X-User", "ops admin")
	h.replay(id, "Authorization", keyed)
	for _, user := range []string{"", "7", "7 reads=** writes=**"} {
		if w := h.get("/api/events/"+id, "X-User", user); w.Code < 400 || strings.Contains(w.Body.String(), "who") {
			t.Errorf("%q: %d %s", user, w.Code, w.Body)
		}
	}
	var got struct {
		channels.BackendEvent
		Activities []channels.Activity
	}
	w := h.get("/api/events/"+id, "X-User", "ops admin")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if got.ID != id || got.Cursor.String() != "foo:1,bar:1" || got.Event != "note" || string(got.Data) != `{"n":1}` || string(got.Private) != `{"who":"me"}` || got.SkipUsers[0] != "7" {
		t.Errorf("got %s", w.Body)
	}
	if len(got.Activities) != 2 || got.Activities[0].Who != "ops" || got.Activities[1].Who != "API key standard" || got.Activities[1].Kind != channels.ActivityReplayed {
		t.Errorf("the activities are %+v", got.Activities)
	}
	wantProblem(t, h.get("/api/events/99", "X-User", "ops admin"), http.StatusNotFound)
}

func TestWhatIsShownToNobodyIsOnNoRoute(t *testing.T) {
	h := openHub(t)
	h.publish(`"before"`, "iot_pump")
	h.publishDraft(channels.Draft{Channels: []channels.Channel{"iot_pump"}, Type: "x", Data: []byte(`"secret"`), Shown: &channels.Shown{Nobody: true}})
	h.publish(`"after"`, "iot_pump")
	for _, path := range []string{"/iot/stream/pump/?lastEventId=iot_pump:0", "/iot/poll/pump/", "/api/channels/iot_pump/events"} {
		body := h.get(path, "X-User", "7").Body.String()
		if strings.Contains(body, "secret") || !strings.Contains(body, "before") || !strings.Contains(body, "after") || !strings.Contains(body, "iot_pump:3") {
			t.Errorf("%s: %s", path, body)
		}
	}
}
