package pushpin_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// merge writes what items have for streams, or for WebSockets alone, one after the other.
func merge(items []grip.Item) []byte {
	var content []byte
	for _, i := range items {
		if i.HTTPStream == nil {
			content = append(content, i.WSMessage.Content...)
			continue
		}
		content = append(content, i.HTTPStream.Content...)
	}
	return content
}

// toAll renders an event for streams, WebSockets and long polls.
func toAll(dst []grip.Item, e *channels.Event) []grip.Item {
	dst = render(dst, e)
	item := &dst[len(dst)-1]
	item.WSMessage = &grip.WSMessage{Content: bytes.Clone(e.Data)}
	item.HTTPResponse = &grip.HTTPResponse{Action: grip.ActionHint}
	return dst
}

// shown lists items as "channel prev>id content", with "ws" before the content for WebSockets.
func (p posted) shown() []string {
	var list []string
	for _, i := range p.items {
		text := i.Channel + " " + i.PrevID + ">" + i.ID
		if stream, ok := i.Formats["http-stream"]; ok {
			text += " " + stream.Action + strings.ReplaceAll(stream.Content, "\n", "|")
		}
		if message, ok := i.Formats["ws-message"]; ok {
			text += " ws " + message.Content
			if i.NoSeq {
				text += " beside"
			}
		}
		list = append(list, text)
	}
	return list
}

// hung answers the first request when it is told to.
func hung(t *testing.T) (port *controlPort, answer func()) {
	release := make(chan struct{})
	port = newControlPort(t, func(_ http.ResponseWriter, p posted) {
		if p.n == 1 {
			<-release
		}
	})
	return port, func() { close(release) }
}

func TestEventsOfAChannelThatWaitTogetherShareAnItem(t *testing.T) {
	t.Parallel()
	for name, scene := range map[string]struct {
		render func(dst []grip.Item, e *channels.Event) []grip.Item
		items  []grip.Item
		want   []string
	}{
		"one after the other": {
			items: []grip.Item{line("2", "1", "two"), line("3", "2", "three"), line("4", "3", "four")},
			want:  []string{"c 1>4 two|three|four|"},
		},
		"not over a gap": {
			items: []grip.Item{line("2", "1", "two"), line("4", "3", "four")},
			want:  []string{"c 1>2 two|", "c 3>4 four|"},
		},
		"not where somebody is skipped": {
			items: []grip.Item{line("2", "1", "two"), skipping(line("3", "2", "three")), line("4", "3", "four"), line("5", "4", "five")},
			want:  []string{"c 1>2 two|", "c 2>3 three|", "c 3>5 four|five|"},
		},
		"not over the end of a stream, wherever that is": {
			items: []grip.Item{line("2", "1", "two"), hint("kicks", "", ""), line("3", "2", "three"), line("4", "3", "four")},
			want:  []string{"c 1>2 two|", "kicks > hint", "c 2>4 three|four|"},
		},
		"not under other filters": {
			items: []grip.Item{line("2", "1", "two"), rendered("3", "2", "three")},
			want:  []string{"c 1>2 two|", "c 2>3 three|"},
		},
		"not what has no number": {
			items: []grip.Item{line("", "", "x"), line("", "", "y")},
			want:  []string{"c > x|", "c > y|"},
		},
		"each channel for itself": {
			items: []grip.Item{line("2", "1", "two"), of("d", line("9", "8", "nine")), line("3", "2", "three"), of("d", line("10", "9", "ten"))},
			want:  []string{"c 1>3 two|three|", "d 8>10 nine|ten|"},
		},
		"WebSockets get each by itself": {
			items: append(toAll(nil, ptr(event("c", 2))), toAll(nil, ptr(event("c", 3)))...),
			want:  []string{"c 1>3 c 2|c 3|", "c >ws-2 ws c 2 beside", "c >ws-3 ws c 3 beside"},
		},
		"WebSockets that take several get one": {
			items: []grip.Item{batch("2", "1", "two,"), batch("3", "2", "three,"), batch("4", "3", "four,")},
			want:  []string{"c 1>4 ws two,three,four,"},
		},
		"and not over a gap, or where somebody is skipped": {
			items: []grip.Item{batch("2", "1", "two,"), batch("4", "3", "four,"), skipping(batch("5", "4", "five,")), batch("6", "5", "six,"), batch("7", "6", "seven,")},
			want:  []string{"c 1>2 ws two,", "c 3>4 ws four,", "c 4>5 ws five,", "c 5>7 ws six,seven,"},
		},
		"nor what has no number, or over the end of a WebSocket": {
			items: []grip.Item{batch("", "", "x,"), batch("", "", "y,"), batch("2", "1", "two,"), {Channel: "kick", WSMessage: &grip.WSMessage{Action: grip.ActionClose}}, batch("3", "2", "three,")},
			want:  []string{"c > ws x,", "c > ws y,", "c 1>2 ws two,", "kick > ws ", "c 2>3 ws three,"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port, answer := hung(t)
			c := startClient(t, pushpin.Options{Merge: merge}, port.proxy())
			c.SendItems([]grip.Item{line("1", "0", "one")})
			waitFor(t, "the first request", func() bool { return len(port.requests()) == 1 })
			c.SendItems(scene.items)
			answer()
			if err := flush(t, c); err != nil {
				t.Fatal(err)
			}
			if got := port.requests()[1].shown(); !slices.Equal(got, scene.want) {
				t.Errorf("got  %q\nwant %q", got, scene.want)
			}
		})
	}
}

func ptr[T any](v T) *T { return &v }

func of(channel string, i grip.Item) grip.Item {
	i.Channel = channel
	return i
}

// batch is an item for WebSockets alone.
func batch(id, prev, content string) grip.Item {
	return grip.Item{Channel: "c", ID: id, PrevID: prev, WSMessage: &grip.WSMessage{Content: []byte(content)}}
}

func skipping(i grip.Item) grip.Item {
	i.Meta = map[string]string{grip.MetaSkipUsers: "7"}
	return i
}

func TestMergedItemsKeepTheirBounds(t *testing.T) {
	t.Parallel()
	const limit = 100_000
	port, answer := hung(t)
	c := startClient(t, pushpin.Options{Merge: merge, BodyLimit: limit, Render: toAll}, port.proxy())
	long := strings.Repeat("x", 250)
	c.Send(run("first", 1, 1))
	waitFor(t, "the first request", func() bool { return len(port.requests()) == 1 })
	for i := 1; i <= 200; i++ {
		c.Send([]channels.Event{sizedEvent("c", i, 3000), event(long, i)})
	}
	answer()
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	for _, p := range port.requests() {
		if p.size > limit {
			t.Errorf("a body of %d bytes", p.size)
		}
		for _, i := range p.items {
			if n := len(i.Formats["http-stream"].Content); n > 30_000 {
				t.Errorf("an item of %d bytes", n)
			}
		}
	}
}

// A request whose answer was lost is made again as it was, whatever has come meanwhile: the proxy knows the items by their ids.
func TestARequestThatMayHaveBeenTakenIsRepeatedAsItWas(t *testing.T) {
	t.Parallel()
	answer := make(chan struct{})
	port := newControlPort(t, func(_ http.ResponseWriter, p posted) {
		switch p.n {
		case 1:
			<-answer
		case 2, 3:
			panic(http.ErrAbortHandler)
		}
	})
	port.server.Config.ErrorLog = nil
	c := startClient(t, pushpin.Options{Merge: merge}, port.proxy())
	c.Send(run("c", 1, 1))
	waitFor(t, "the first request", func() bool { return len(port.requests()) == 1 })
	c.Send(run("c", 2, 5))
	close(answer)
	waitFor(t, "the second request", func() bool { return len(port.requests()) >= 2 })
	c.Send(run("c", 6, 9))
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	requests := port.requests()
	for _, p := range requests[1:4] {
		if got, want := p.shown(), []string{"c 1>5 c 2|c 3|c 4|c 5|"}; !slices.Equal(got, want) {
			t.Errorf("request %d is %q, want %q", p.n, got, want)
		}
	}
}

func TestEventsForManyViewersWaitForThoseBefore(t *testing.T) {
	t.Parallel()
	const streams, perSecond = 1000, 10_000 // a tenth of a second
	port := newControlPort(t, nil)
	c := startClient(t, pushpin.Options{
		Merge: merge, WritesPerSecond: perSecond,
		Viewers: func(channel string) pushpin.Viewers {
			if channel == "crowd" {
				return pushpin.Viewers{Streams: streams}
			}
			return pushpin.Viewers{Streams: 1}
		},
	}, port.proxy())
	begin := time.Now()
	c.Send(run("crowd", 1, 1))
	waitFor(t, "the first request", func() bool { return len(port.requests()) == 1 })
	for i := 2; i <= 20; i++ {
		c.Send(run("crowd", i, i))
	}
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < 100*time.Millisecond {
		t.Errorf("the viewers of the first event had %v", took)
	}
	if n := len(port.requests()); n != 2 {
		t.Errorf("%d requests, want one and one with all that waited", n)
	}
	time.Sleep(100 * time.Millisecond) // the crowd has been served
	begin = time.Now()
	for i := 1; i <= 20; i++ {
		c.Send(run("few", i, i))
	}
	if err := flush(t, c); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("events for few viewers took %v", took)
	}
}

// What is merged is whole for every kind of viewer of a real Pushpin, however they stand to it.
func TestMergedItemsServeEveryKindOfViewer(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		switch {
		case a.path == "/ws":
			set(w, "Content-Type", grip.TypeWSEvents, "Sec-WebSocket-Extensions", "grip")
			subscribe, _ := grip.SubscribeEvent("c")
			reply, _ := grip.EncodeWSEvents([]grip.WSEvent{grip.OpenEvent(), subscribe})
			w.Write(reply)
		case a.path == "/poll" && a.n > 0 && len(a.last) > 0 && a.last != "c; last-id=0":
			fmt.Fprint(w, "news")
		case a.path == "/poll":
			set(w, "Grip-Hold", "response", "Grip-Channel", "c; prev-id=0")
		default:
			holdReliably(w, a)
		}
	})
	stream := view(t, o.URL()+"/c")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, o.URL()+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.CloseNow()
	polled := make(chan string, 1)
	go func() { polled <- poll(t, o.URL()+"/poll") }()
	o.wantAsk("/next/c", 1)
	o.wantAsk("/poll", 2)

	const events = 300
	c := startClient(t, pushpin.Options{Merge: merge, Render: toAll, WritesPerSecond: 100,
		Viewers: func(string) pushpin.Viewers { return pushpin.Viewers{Streams: 1} }}, parseProxy(t, o.GripURL()))
	for i := 1; i <= events; i++ {
		c.Send(run("c", i, i))
	}
	for i := 1; i <= events; i++ {
		stream.want("c " + strconv.Itoa(i))
		_, message, err := socket.Read(ctx)
		if err != nil || string(message) != "c "+strconv.Itoa(i) {
			t.Fatalf("the WebSocket gets %q, %v; want event %d", message, err, i)
		}
	}
	if got := <-polled; got != "news" {
		t.Errorf("the poll gets %q", got)
	}
	if n := c.Status()[0].Requests; n > events/4 {
		t.Errorf("%d requests for %d events: little was merged", n, events)
	}
	if n := len(o.asksFor("/next/c")); n > 2 {
		t.Errorf("the stream had to ask %d times", n)
	}
	// What the client sends again in other company is known, too, or repaired.
	o.post(grip.Item{Channel: "c", ID: "ws-" + strconv.Itoa(events), NoSeq: true, WSMessage: &grip.WSMessage{Content: []byte("again")}})
	c.Send(run("c", events+1, events+1))
	stream.want("c " + strconv.Itoa(events+1))
	if _, message, err := socket.Read(ctx); err != nil || string(message) != "c "+strconv.Itoa(events+1) {
		t.Errorf("the WebSocket gets %q, %v", message, err)
	}
}

// A viewer who stands in the middle of an item, because it has read the log since, is brought up to date by its next link, and is
// shown nothing of the item.
func TestAViewerInTheMiddleOfAnItemIsRepaired(t *testing.T) {
	t.Parallel()
	o := startOrigin(t, func(w http.ResponseWriter, a ask) {
		switch {
		case strings.HasPrefix(a.path, "/next"):
			stands, missed := strings.TrimPrefix(a.last, "c; last-id="), ""
			if stands == "2" {
				stands, missed = "4", "3 and 4, from the log\n"
			}
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id="+stands, "Grip-Link", "<"+a.path+">; rel=next; timeout=600")
			fmt.Fprint(w, missed)
		case a.path == "/middle":
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=2", "Grip-Link", "</next/middle>; rel=next; timeout=600")
			fmt.Fprintln(w, "open")
		default:
			set(w, "Grip-Hold", "stream", "Grip-Channel", "c; prev-id=0", "Grip-Link", "</next/c>; rel=next; timeout=600")
			fmt.Fprintln(w, "open")
		}
	})
	behind := view(t, o.URL()+"/c")
	o.wantAsk("/next/c", 1)
	middle := view(t, o.URL()+"/middle")
	o.post(line("4", "0", "1\n2\n3\n4"))
	for _, text := range []string{"1", "2", "3", "4"} {
		behind.want(text)
	}
	middle.want("3 and 4, from the log")
	o.post(line("5", "4", "5"))
	behind.want("5")
	middle.want("5")
}
