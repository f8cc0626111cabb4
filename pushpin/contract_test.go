package pushpin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/grip"
)

// The tests of this file hold Pushpin to what griphub relies on, and remember what is surprising.

func TestAHintRepeatsALongPoll(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		hint     grip.Item
		wantLast string
	}{
		{"that fits the sequence tells its own id, which the viewer has not seen", hint("c", "6", "5"), "c; last-id=6"},
		{"without an id tells where the viewer stands", hint("c", "", ""), "c; last-id=5"},
		{"after a gap tells where the viewer stands", hint("c", "9", "8"), "c; last-id=5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if last := afterHint(t, "c; prev-id=5", c.hint); last != c.wantLast {
				t.Errorf("Grip-Last %q, want %q", last, c.wantLast)
			}
		})
	}
}

func TestAnEventBetweenReadAndHoldIsNoticed(t *testing.T) {
	t.Parallel()
	for _, subscribed := range []bool{true, false} {
		t.Run(fmt.Sprintf("with another subscriber %v", subscribed), func(t *testing.T) {
			t.Parallel()
			hold := make(chan struct{})
			o := startOrigin(t, func(w http.ResponseWriter, a ask) {
				switch a.path {
				case "/other":
					set(w, "Grip-Hold", "stream", "Grip-Channel", "c")
				case "/s":
					<-hold
					set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5", "Grip-Link", "</next>; rel=next")
				case "/next":
					set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=6", "Grip-Link", "</next>; rel=next")
				}
				fmt.Fprintln(w, "open")
			})
			if subscribed {
				view(t, o.URL()+"/other")
			}
			go func() {
				o.wantAsk("/s", 1)
				o.post(line("6", "5", "six"))
				close(hold)
			}()
			v := view(t, o.URL()+"/s")
			v.want("open")
			if last := o.wantAsk("/next", 1).last; last != "c; last-id=5" {
				t.Errorf("Grip-Last %q", last)
			}
		})
	}
}

// A conflict makes Pushpin 1.36 forget the channel's last id, so that it does not notice a second viewer who stands before the
// same event. The link's timeout bounds how long that viewer goes without.
func TestASecondViewerInTheSameGapIsRepairedByTheRecheck(t *testing.T) {
	t.Parallel()
	const recheck = 5 * time.Second // the shortest that there is
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		switch {
		case strings.Contains(a.path, "current"):
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5", "Grip-Link", "</next-current>; rel=next; timeout=600")
			fmt.Fprintln(w, "open")
		case strings.HasPrefix(a.path, "/stale"):
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5", "Grip-Link", fmt.Sprintf("</next%s>; rel=next; timeout=%.0f", a.path, recheck.Seconds()))
			fmt.Fprintln(w, "open")
		default:
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=6", "Grip-Link", "<"+a.path+">; rel=next; timeout=600")
			fmt.Fprintln(w, "six, from the log")
		}
	})
	current := view(t, o.URL()+"/current")
	o.settle("/current")
	current.want("open")
	o.post(line("6", "5", "six"))
	current.want("six")
	// Both have read the log before it had six.
	first := view(t, o.URL()+"/stale/1")
	first.want("six, from the log")
	begin := time.Now()
	second := view(t, o.URL()+"/stale/2")
	second.want("six, from the log")
	t.Logf("the second one went without for %v", time.Since(begin))
	o.post(line("7", "6", "seven"))
	for _, v := range []*viewer{current, first, second} {
		v.want("seven")
	}
}

// Links that are equal are followed a hundred at a time, and each with its own position: streams of many channels, opened together,
// have been asked about within seconds, and none is given another's answer.
func TestStreamsOfManyChannelsMayHaveOneLink(t *testing.T) {
	t.Parallel()
	const count = 60 // with a link each, the last would wait for 6 s
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		channel, place := strings.TrimPrefix(a.path, "/"), "0"
		if a.path == "/next" {
			channel, place, _ = strings.Cut(a.last, "; last-id=")
		}
		set(w, "Grip-Hold", "stream", "Grip-Channel", channel+"; prev-id="+place, "Grip-Link", "</next>; rel=next; timeout=600")
		if a.path != "/next" {
			fmt.Fprintln(w, "open")
		}
	})
	viewers := make([]*viewer, count)
	for i := range viewers {
		viewers[i] = view(t, fmt.Sprintf("%s/c%d", o.URL(), i))
	}
	opened := time.Now()
	waitFor(t, "the requests of the first subscribers", func() bool { return len(o.asksFor("/next")) >= count })
	if took := time.Since(opened); took > 4*time.Second {
		t.Errorf("the last one was asked about after %v", took)
	}
	for i, v := range viewers {
		o.post(grip.Item{Channel: fmt.Sprintf("c%d", i), ID: "1", PrevID: "0", HTTPStream: &grip.HTTPStream{Content: fmt.Appendf(nil, "for %d\n", i)}})
		v.want(fmt.Sprintf("for %d", i))
	}
}

func TestBodiesOfHoldsWithBuildIDAreTemplates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"percent signs are doubled", "open\n100%%\n", "100%"},
		{"ids are explicit", "open\nid: %(c:5)I\n", "id: c:5"},
		{"100,000 bytes fit", "open\n" + strings.Repeat("%%", 49_997) + "\n", strings.Repeat("%", 49_997)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := startOrigin(t, func(w http.ResponseWriter, a ask) {
				set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5; filter=build-id",
					"Grip-Set-Meta", `id_format="c:%(c)s"`, "Grip-Link", "</next>; rel=next")
				body := c.body
				if a.path == "/next" {
					body = strings.TrimPrefix(body, "open\n")
				}
				fmt.Fprint(w, body)
			})
			v := view(t, o.URL()+"/s")
			v.want(c.want)
			v.want(c.want) // of the next link
			o.post(rendered("6", "5", "100%% %I"))
			v.want("100% c:6")
		})
	}
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"a single percent sign ends the stream", "100% sure\n", http.StatusOK},
		{"an id of its own has Pushpin none yet", "id: %I\n", http.StatusOK},
		{"100,001 bytes are too many, before rendering", strings.Repeat("%%", 50_000) + "\n", http.StatusBadGateway},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := startOrigin(t, func(w http.ResponseWriter, _ ask) {
				set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5; filter=build-id",
					"Grip-Set-Meta", `id_format="c:%(c)s"`, "Grip-Link", "</next>; rel=next")
				fmt.Fprint(w, c.body)
			})
			resp, err := http.Get(o.URL() + "/s")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != c.status || resp.StatusCode == http.StatusOK && len(body) > 0 {
				t.Errorf("%s %q, %v", resp.Status, body, err)
			}
		})
	}
}

func TestANextLinkReplyReplacesTheHold(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		if a.path == "/s" {
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5; filter=build-id", "Grip-Set-Meta", `id_format="old:%(c)s"`,
				"Grip-Link", "</next>; rel=next", "Grip-Keep-Alive", `old\n; format=cstring; timeout=600`)
			fmt.Fprintln(w, "open")
			return
		}
		set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=8; filter=build-id, d", "Grip-Set-Meta", `id_format="new:%(c)s"`,
			"Grip-Link", "</later>; rel=next", "Grip-Keep-Alive", `alive\n; format=cstring; timeout=4`)
		fmt.Fprintln(w, a.path)
	})
	v := view(t, o.URL()+"/s")
	v.want("/next")
	o.post(rendered("9", "8", "%I"))
	v.want("new:9")
	v.want("/later") // for channel d has its first subscriber
	v.want("alive")
}

func TestANextLinkReplyWithoutHoldEndsTheStream(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		if a.path == "/s" {
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5", "Grip-Link", "</next>; rel=next")
			fmt.Fprintln(w, "open")
			return
		}
		fmt.Fprintln(w, "bye")
	})
	v := view(t, o.URL()+"/s")
	v.want("bye")
	v.wantEnd()
}

func TestRecoverMakesHoldersAskAgain(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		mode := "stream"
		if a.path == "/poll" {
			mode = "response"
		}
		set(w, "Grip-Hold", mode, "Grip-Channel", "c; prev-id=5", "Grip-Link", "</next>; rel=next")
		fmt.Fprintln(w, "open")
	})
	go poll(t, o.URL()+"/poll")
	view(t, o.URL()+"/s")
	o.wantAsk("/poll", 2)
	o.wantAsk("/next", 1)
	// A hold that is just being made does not hear of it.
	waitFor(t, "the long-poll to ask again", func() bool {
		o.postTo("/recover", "")
		time.Sleep(300 * time.Millisecond)
		return len(o.asksFor("/poll")) > 2
	})
	if last := o.wantAsk("/next", 2).last; last != "c; last-id=5" {
		t.Errorf("Grip-Last %q", last)
	}
	o.Stop() // and with it the long-poll
}

func TestACloseItemClosesAfterWhatCameBefore(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5, user-7", "Grip-Link", "</next>; rel=next")
		fmt.Fprintln(w, "open")
	})
	v := view(t, o.URL()+"/s")
	o.settle("/s")
	v.want("open")
	closing := grip.Item{HTTPStream: &grip.HTTPStream{Action: grip.ActionClose}}

	// On a channel with a sequence, a close item that does not fit is a gap, and no more.
	closing.Channel = "c"
	o.post(closing)
	v.want("open")

	closing.Channel = "user-7"
	bye := line("", "", "bye")
	bye.Channel = "user-7"
	o.post(bye, closing)
	v.want("bye")
	v.wantEnd()
}

func TestOneItemServesEveryKindOfSubscriber(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		switch a.path {
		case "/ws":
			set(w, "Content-Type", "application/websocket-events", "Sec-WebSocket-Extensions", "grip")
			if strings.HasPrefix(a.body, "OPEN") {
				const subscribe = `c:{"type":"subscribe","channel":"c"}`
				fmt.Fprintf(w, "OPEN\r\nTEXT %x\r\n%s\r\nTEXT 6\r\nm:open\r\n", len(subscribe), subscribe)
			}
		case "/poll":
			set(w, "Grip-Hold", "response", "Grip-Channel", "c; prev-id=5")
		default:
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5; filter=build-id", "Grip-Set-Meta", `id_format="c:%(c)s"`,
				"Grip-Link", "</next>; rel=next")
			fmt.Fprintln(w, "open")
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, o.URL()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	wantMessage(ctx, t, ws, "open")
	go poll(t, o.URL()+"/poll")
	v := view(t, o.URL()+"/s")
	o.wantAsk("/poll", 2)
	v.want("open")

	item := rendered("6", "5", "%I 100%%")
	item.WSMessage = &grip.WSMessage{Content: []byte("100%")}
	item.HTTPResponse = &grip.HTTPResponse{Action: grip.ActionHint}
	o.post(item)
	v.want("c:6 100%")
	wantMessage(ctx, t, ws, "100%")
	o.wantAsk("/poll", 3)
	o.Stop()
}

func wantMessage(ctx context.Context, t *testing.T, ws *websocket.Conn, want string) {
	t.Helper()
	if _, got, err := ws.Read(ctx); err != nil || string(got) != want {
		t.Fatalf("message %q, %v; want %q", got, err, want)
	}
}

// Whatever tells viewers apart must stand in a link's path: where only the query differs, one viewer is
// given what was answered to another.
func TestLinksThatDifferInTheQueryAreTakenForOne(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, link string
		shared     bool
	}{
		{"query", "/next?viewer=", true},
		{"path", "/next/", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			o := startOrigin(t, func(w http.ResponseWriter, a ask) {
				viewer := a.path[len(a.path)-1:]
				// Without prev-id, so that nobody asks before the hint but for the first subscriber's sake.
				set(w, "Grip-Hold", "stream", "Grip-Channel", "recheck", "Grip-Link", "<"+c.link+viewer+">; rel=next")
				if !strings.HasPrefix(a.path, "/next") {
					fmt.Fprintln(w, "open")
					return
				}
				time.Sleep(200 * time.Millisecond) // so that requests overlap that are made at the same time
				fmt.Fprintln(w, "for "+viewer)
			})
			a, b := view(t, o.URL()+"/s/A"), view(t, o.URL()+"/s/B")
			// After these, both wait for the hint.
			a.next()
			b.next()
			time.Sleep(200 * time.Millisecond) // for nothing tells when the reply has ended
			o.post(hint("recheck", "", ""))
			forA, forB := a.next(), b.next()
			if shared := forA == forB; shared != c.shared {
				t.Errorf("A got %q and B got %q", forA, forB)
			}
		})
	}
}

// Pushpin follows ten links a second, and a viewer who waits for its turn is sent nothing. Only a hint on
// a channel that is held without prev-id is not rationed.
func TestAHintOnAChannelWithoutSequenceIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	const viewers = 40
	const rationed = viewers / 10 * time.Second
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		viewer := strings.TrimPrefix(strings.TrimPrefix(a.path, "/s"), "/next")
		set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=5, recheck", "Grip-Link", "</next"+viewer+">; rel=next")
		fmt.Fprintln(w, "open")
	})
	for i := range viewers {
		view(t, fmt.Sprintf("%s/s/%d", o.URL(), i))
	}
	// asked tells how long it takes until the links have been followed, once those of before are done.
	asked := func(act func()) time.Duration {
		waitFor(t, "the requests of before to end", func() bool {
			asks := o.asks()
			return time.Since(asks[len(asks)-1].at) > 1500*time.Millisecond
		})
		before := len(o.asks())
		start := time.Now()
		act()
		// Of holds in quick succession, Pushpin cuts off a few.
		waitFor(t, "the viewers' requests", func() bool { return len(o.asks()) >= before+viewers*8/10 })
		return o.asks()[before+viewers*8/10-1].at.Sub(start)
	}
	if took := asked(func() { o.post(hint("recheck", "", "")) }); took > rationed/2 {
		t.Errorf("after a hint the links were followed within %v", took)
	}
	if last := o.asks()[len(o.asks())-1].last; last != "c; last-id=5" {
		t.Errorf("Grip-Last %q", last)
	}
	if took := asked(func() { o.postTo("/recover", "") }); took < rationed/2 {
		t.Errorf("after recover the links were followed within %v: no longer rationed?", took)
	}
}
