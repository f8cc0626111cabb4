package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/web"
)

func TestTheProxyIsToldHowToHoldAStream(t *testing.T) {
	h := openHub(t)
	h.publish(`1`, "a b")
	v := h.view("/events/?channel=a%20b&channel=foo", "X-User", `7 "\ü`)
	if v.in.hold != "stream" || v.in.timeout != "" {
		t.Errorf("held as %q for %q", v.in.hold, v.in.timeout)
	}
	if want := []string{"composite-a%20b", "composite-foo", "kicks"}; !slices.Equal(v.in.names, want) {
		t.Errorf("held on %q, want %q", v.in.names, want)
	}
	filters := []string{grip.FilterBuildID, grip.FilterSkipUsers}
	if sub := v.in.subscriptions["composite-a%20b"]; sub.prevID != "1" || !slices.Equal(sub.filters, filters) {
		t.Errorf("the first channel is held with %+v", sub)
	}
	if sub := v.in.subscriptions["composite-foo"]; sub.prevID != "0" || !slices.Equal(sub.filters, filters) {
		t.Errorf("the second channel is held with %+v", sub)
	}
	if sub := v.in.subscriptions["kicks"]; sub.prevID != "" || !slices.Equal(sub.filters, []string{grip.FilterRequireSub}) {
		t.Errorf("of kicks it hears by %+v", sub)
	}
	if want := `a%%20b:%(composite-a%20b)s,foo:%(composite-foo)s`; v.in.meta[grip.MetaIDFormat] != want {
		t.Errorf("the id format is %q, want %q", v.in.meta[grip.MetaIDFormat], want)
	}
	if v.in.meta[grip.MetaUser] != "7" || len(v.in.meta) != 2 {
		t.Errorf("the meta is %q", v.in.meta)
	}
	if v.in.keepAlive != "event: keep-alive\ndata:\n\n" || v.in.keepAliveOpts["timeout"] != "20" || v.in.keepAliveOpts["mode"] != "idle" {
		t.Errorf("the keep-alive is %q, %v", v.in.keepAlive, v.in.keepAliveOpts)
	}
	if v.in.next == "" || v.in.nextTimeout != "60" {
		t.Errorf("the next link is %q, after %q", v.in.next, v.in.nextTimeout)
	}
}

func TestAnonymousViewersHaveNoUserAtTheProxy(t *testing.T) {
	in := openHub(t).view("/events/foo/").in
	if sub := in.subscriptions["events-foo"]; len(in.meta) != 0 || len(sub.filters) != 0 {
		t.Errorf("the meta is %q, the filters are %q", in.meta, sub.filters)
	}
}

// A number makes the id of a stream of one channel, which griphub knows; an id of several is the proxy's to make.
func TestAStreamOfOneChannelHasItsIDsFromTheHub(t *testing.T) {
	h := openHub(t)
	h.publish(`"50%"`, "100%")
	v := h.view("/events/?channel=100%25", "X-User", "7", "Last-Event-ID", "100%25:0")
	if sub := v.in.subscriptions["events-100%25"]; sub.prevID != "1" || !slices.Equal(sub.filters, []string{grip.FilterSkipUsers}) || v.in.meta[grip.MetaIDFormat] != "" {
		t.Errorf("it is held with %+v, %q", sub, v.in.meta)
	}
	v.deliver(h.publish(`"%I"`, "100%"))
	if got, want := summary(v.events()[1:]), "message \"100%25:1\" \"50%\"\nmessage \"100%25:2\" \"%I\"\n"; got != want {
		t.Errorf("the stream shows %q, want %q", got, want)
	}
}

func TestUnstoredChannelsAreHeldWithoutAPosition(t *testing.T) {
	h := openHub(t)
	v := h.view("/events/?channel=gauge&channel=foo")
	if sub := v.in.subscriptions["events-gauge"]; sub.prevID != "" || len(sub.filters) != 0 {
		t.Errorf("the unstored channel is held with %+v", sub)
	}
	if v.in.meta[grip.MetaIDFormat] != "" {
		t.Errorf("the id format is %q", v.in.meta[grip.MetaIDFormat])
	}
	v.deliver(h.publish(`"100%"`, "gauge"))
	v.deliver(h.publish(`"50%"`, "foo"))
	if got, want := summary(v.events()[1:]), "message \"foo:0\" \"100%\"\nmessage \"foo:1\" \"50%\"\n"; got != want {
		t.Errorf("the stream shows %q, want %q", got, want)
	}
	alone := h.view("/events/gauge_100%25/?lastEventId=gauge_100%2525:7")
	if events := alone.events(); len(events) != 1 || events[0].ID != "" || len(alone.in.meta) != 0 {
		t.Errorf("an unstored channel alone: %+v, %q", events, alone.in.meta)
	}
	alone.follow()
	alone.deliver(h.publish(`"1%"`, "gauge_100%"))
	if events := alone.events(); len(events) != 2 || events[1].Data != `"1%"` {
		t.Errorf("an unstored channel alone: %+v", events)
	}
}

// The proxy brings what it has not been given yet to all viewers in order, and to those who come meanwhile.
func TestAStreamBeginsWhereTheProxyIs(t *testing.T) {
	h := openHub(t, func(o *web.Options) {
		o.Horizon = func(c channels.Channel) (channels.Seq, bool) { return 2, c == "foo" }
	})
	for range 5 {
		h.publish("1", "foo")
	}
	for resume, shown := range map[string]string{"": "", "foo:1": "message \"foo:2\" 1\n", "foo:2": ""} {
		v := h.view("/events/foo/", "Last-Event-ID", resume)
		if sub := v.in.subscriptions["events-foo"]; sub.prevID != "2" {
			t.Errorf("from %q it is held behind %s", resume, sub.prevID)
		}
		if got := summary(v.events()[1:]); got != shown {
			t.Errorf("from %q it shows %q, want %q", resume, got, shown)
		}
	}
	if sub := h.view("/events/foo/", "Last-Event-ID", "foo:4").in.subscriptions["events-foo"]; sub.prevID != "4" {
		t.Errorf("who has seen more is held behind %s", sub.prevID)
	}
}

func TestTheDeploymentsPrefixStandsBeforeEveryChannel(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Prefix = "v1-" })
	for range 3 {
		h.publish("1", "foo")
	}
	v := h.view("/events/foo/?lastEventId=foo:1")
	if sub, ok := v.in.subscriptions["v1-events-foo"]; !ok || sub.prevID != "3" {
		t.Errorf("held on %v", v.in.subscriptions)
	}
	if several := h.view("/events/?channel=foo&channel=bar").in; several.meta[grip.MetaIDFormat] != "foo:%(v1-composite-foo)s,bar:%(v1-composite-bar)s" {
		t.Errorf("several channels are held on %v with %q", several.subscriptions, several.meta)
	}
	h.publish("4", "foo")
	v.follow()
	if events := v.events(); events[len(events)-1].Data != "4" || len(events) != 4 {
		t.Errorf("after the next link: %s", summary(events))
	}
	poll := h.get("/iot/poll/pump/?wait=10", "X-User", "7")
	if names := understand(t, poll.Header()).names; !slices.Equal(names, []string{"v1-events-iot_pump", "v1-kicks-iot_pump"}) {
		t.Errorf("a poll is held on %q", names)
	}
}

func TestEveryEventOfAReplayHasTheWholeCursor(t *testing.T) {
	h := openHub(t)
	h.publish(`1`, "a")
	h.publish(`"100% <b>"`, "b c")
	h.publish(`3`, "a")
	v := h.view("/events/?channel=a&channel=b%20c&channel=d", "Last-Event-ID", "a:0,b%20c:0")
	want := `stream-open "a:0,b%20c:0,d:0" ` + `
message "a:1,b%20c:0,d:0" 1
message "a:1,b%20c:1,d:0" "100% <b>"
message "a:2,b%20c:1,d:0" 3
`
	if got := summary(v.events()); got != want {
		t.Errorf("the stream shows\n%swant\n%s", got, want)
	}
}

func TestWhatIsPublishedLaterFollowsTheReplay(t *testing.T) {
	h := openHub(t)
	h.publish(`1`, "50%")
	v := h.view("/events/50%25/", "Last-Event-ID", "50%25:0")
	v.deliver(h.publish(`2`, "50%"))
	h.publish(`3`, "50%") // lost on its way to the proxy
	v.deliver(h.publish(`4`, "50%"))
	v.deliver(h.publish(`5`, "50%"))
	want := "stream-open \"50%25:0\" \nmessage \"50%25:1\" 1\nmessage \"50%25:2\" 2\nmessage \"50%25:3\" 3\nmessage \"50%25:4\" 4\nmessage \"50%25:5\" 5\n"
	if got := summary(v.events()); got != want {
		t.Errorf("the stream shows\n%swant\n%s", got, want)
	}
}

func TestLostHistoryIsToldAndTheStreamGoesOn(t *testing.T) {
	h := openHub(t)
	for n := range 5 {
		h.publish(fmt.Sprint(n+1), "100%")
	}
	h.publish(`"b"`, "b")
	h.trim()
	for what, last := range map[string]string{"trimmed away": "100%25:2,b:0", "ahead of the log": "100%25:6,b:0"} {
		v := h.view("/events/?channel=100%25&channel=b", "Last-Event-ID", last)
		// The opening leaves the viewer where it was, so that it is told again if it is cut off before the reset.
		want := `stream-open "` + last + `" ` + `
stream-reset "100%25:5,b:0" {"channels":["100%"]}
message "100%25:5,b:1" "b"
`
		if got := summary(v.events()); got != want {
			t.Errorf("%s:\n%swant\n%s", what, got, want)
		}
	}
}

// page by page, as the proxy reads a backlog.
func TestALongBacklogComesInPages(t *testing.T) {
	h := openHub(t)
	var want []string
	for n := range 250 {
		h.publish(fmt.Sprint(n+1), "foo")
		want = append(want, fmt.Sprint(n+1))
	}
	v := h.view("/events/foo/", "Last-Event-ID", "foo:0")
	var got []string
	for _, e := range v.events()[1:] {
		got = append(got, e.Data)
	}
	if !slices.Equal(got, want) || v.pages != 3 {
		t.Errorf("%d pages brought %d events", v.pages, len(got))
	}
	first := understand(t, v.response.Header())
	if first.hold != "" || first.keepAlive != "" || first.next == "" || len(first.names) != 1 {
		t.Errorf("the first page says %+v", first)
	}
	if n := strings.Count(v.text, "stream-open"); n != 1 {
		t.Errorf("the stream opens %d times", n)
	}
}

func TestPagesStayWithinWhatTheProxyBuffers(t *testing.T) {
	for what, data := range map[string]string{
		"plain":         strings.Repeat("a", 30_000),
		"percents":      strings.Repeat("%", 30_000),
		"lines":         strings.Repeat("\n", 9_000),
		"largest":       strings.Repeat("a", channels.MaxDataBytes),
		"most percents": strings.Repeat("%", channels.MaxDataBytes/2),
	} {
		t.Run(what, func(t *testing.T) {
			h := openHub(t)
			for range 7 {
				h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "%", Data: []byte(data), Raw: true})
			}
			v := h.view("/events/foo/", "Last-Event-ID", "foo:0") // view fails where the first page is too long
			events := v.events()[1:]
			if len(events) != 7 || v.pages < 2 {
				t.Fatalf("%d pages brought %d events", v.pages, len(events))
			}
			for i, e := range events {
				if e.Data != data || e.Type != "%" || e.ID != fmt.Sprint("foo:", i+1) {
					t.Errorf("event %d is %q %q with %d bytes", i, e.Type, e.ID, len(e.Data))
				}
			}
		})
	}
}

// Ten of the longest names make the longest cursors, which stand in every event.
func TestTheLongestNamesFitTheFirstReply(t *testing.T) {
	for _, filler := range []string{"%", "<", "ü", "a"} {
		h := openHub(t)
		target, last := "/events/?lastEventId=", ""
		var names []channels.Channel
		for n := range 10 {
			c := channels.Channel(fmt.Sprint(n) + strings.Repeat(filler, (channels.MaxNameBytes-1)/len(filler)))
			names = append(names, c)
			h.publish("1", c)
			if n == 0 {
				h.publishDraft(channels.Draft{Channels: []channels.Channel{c}, Type: "t", Raw: true, Data: []byte(strings.Repeat("d", channels.MaxDataBytes))})
				last = c.Escape() + ":1"
			} else {
				last += "," + c.Escape() + ":77" // no place: told by a reset
			}
		}
		target += query("x", last)[len("?x="):]
		for _, c := range names {
			target += "&" + query("channel", string(c))[1:]
		}
		v := h.view(target)
		events := v.events()
		if len(events) != 3 || events[1].Type != "stream-reset" || len(events[2].Data) != channels.MaxDataBytes || v.in.hold != "stream" {
			t.Errorf("%q: %d events", filler, len(events))
		}
		v.follow()
		if v.ended || v.in.hold != "stream" {
			t.Errorf("%q: the next link has ended the stream", filler)
		}
	}
}

func TestViewersAreShownNothingThatSkipsThem(t *testing.T) {
	h := openHub(t)
	skipping := func(n int, users ...string) channels.Event {
		return h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: fmt.Append(nil, n), SkipUsers: users})
	}
	skipping(1)
	skipping(2, "7")
	skipping(3, "8")
	skipping(4, "7", "8")
	for user, want := range map[string]string{"": "1 2 3 4", "7": "1 3", "8": "1 2", "9": "1 2 3 4"} {
		v := h.view("/events/foo/", "X-User", user, "Last-Event-ID", "foo:0")
		if v.last["events-foo"] != "4" {
			t.Errorf("user %q is held at %q", user, v.last["events-foo"])
		}
		var got []string
		for _, e := range v.events()[1:] {
			got = append(got, e.Data)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("user %q sees %q, want %q", user, got, want)
		}
	}
}

func TestABacklogOfSkippedEventsIsPassedOver(t *testing.T) {
	h := openHub(t)
	for n := range 150 {
		h.publishDraft(channels.Draft{Channels: []channels.Channel{"foo"}, Type: "t", Data: fmt.Append(nil, n), SkipUsers: []string{"7"}})
	}
	h.publish(`"end"`, "foo")
	v := h.view("/events/foo/", "X-User", "7", "Last-Event-ID", "foo:0")
	if events := v.events(); len(events) != 2 || events[1].ID != "foo:151" || v.in.hold != "stream" || v.last["events-foo"] != "151" {
		t.Errorf("the stream shows %s", summary(events))
	}
}

// However events are published, lost, delivered and resumed, a viewer sees each of them once, in order.
func TestAViewerSeesEveryEventOnce(t *testing.T) {
	h := openHub(t)
	scene := 0
	rapid.Check(t, func(t *rapid.T) {
		scene++
		a, b := channels.Channel(fmt.Sprintf("a%d %%", scene)), channels.Channel(fmt.Sprintf("b%d", scene))
		target := "/events/" + query("channel", string(a), "channel", string(b))
		v := h.view(target)
		wanted := map[channels.Channel][]string{}
		n := 0
		var reconnect func(string)
		seenBefore := []seen{}
		reconnect = func(last string) {
			seenBefore = append(seenBefore, v.events()[1:]...)
			v = h.view(target, "Last-Event-ID", last)
		}
		for range rapid.IntRange(0, 30).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"deliver", "deliver", "lose", "recheck", "reconnect", "burst"}).Draw(t, "step") {
			case "deliver", "lose":
				n++
				on := rapid.SampledFrom([]channels.Channel{a, b}).Draw(t, "channel")
				wanted[on] = append(wanted[on], fmt.Sprint(n))
				if e := h.publish(fmt.Sprint(n), on); rapid.Bool().Draw(t, "arrives") {
					v.deliver(e)
				}
			case "burst":
				var drafts []channels.Draft
				for range 120 {
					n++
					wanted[a] = append(wanted[a], fmt.Sprint(n))
					drafts = append(drafts, channels.Draft{Channels: []channels.Channel{a}, Type: "message", Data: fmt.Append(nil, n)})
				}
				if _, err := h.publisher.Publish(context.Background(), channels.Batch{Drafts: drafts}); err != nil {
					t.Fatal(err)
				}
			case "recheck":
				v.follow()
			case "reconnect":
				events := v.events()
				reconnect(events[len(events)-1].ID)
			}
		}
		v.follow()
		got := map[channels.Channel][]string{}
		last := channels.Cursor{{Channel: a}, {Channel: b}}
		for _, e := range append(seenBefore, v.events()[1:]...) {
			cursor, err := channels.ParseCursor(e.ID)
			if err != nil || len(cursor) != 2 {
				t.Fatalf("the id is %q, %v", e.ID, err)
			}
			moved := 0
			for i, p := range cursor {
				if p.Channel != last[i].Channel || p.Seq < last[i].Seq || p.Seq > last[i].Seq+1 {
					t.Fatalf("%q comes after %q", e.ID, last)
				}
				if p.Seq > last[i].Seq {
					moved++
					got[p.Channel] = append(got[p.Channel], e.Data)
				}
			}
			if moved != 1 {
				t.Fatalf("%q comes after %q", e.ID, last)
			}
			last = cursor
		}
		for c, want := range wanted {
			if !slices.Equal(got[c], want) {
				t.Fatalf("%s shows %q, want %q", c, got[c], want)
			}
		}
	})
}

type brokenAuthorizer struct{ err error }

func (b brokenAuthorizer) MayRead(context.Context, channels.Principal, channels.Channel) (bool, error) {
	return false, b.err
}

func TestAFailureIsNoRefusal(t *testing.T) {
	h := openHub(t, func(o *web.Options) { o.Authorizer = brokenAuthorizer{errors.New("SECRET of the directory")} })
	for _, target := range []string{"/events/foo/", "/iot/stream/pump/", "/iot/poll/pump/", "/api/channels/foo/events", "/realtime/sse/"} {
		w := h.get(target)
		if strings.Contains(w.Header().Get("Content-Type"), "event-stream") {
			wantPostponed(t, w)
		} else if p := wantProblem(t, w, http.StatusInternalServerError); p.Error.Code != "internal-error" || strings.Contains(w.Body.String(), "SECRET") {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
	if !strings.Contains(h.logged.String(), "SECRET of the directory") {
		t.Error("the log does not say why")
	}
}

func TestAnAnswerTakesNoLongerThanItsRequest(t *testing.T) {
	h := openHub(t)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if w := h.do(h.request(http.MethodGet, "/events/foo/", nil).WithContext(ctx)); w.Code == http.StatusOK {
		t.Errorf("a request that has ended is answered by %d %q", w.Code, w.Body)
	}
}
