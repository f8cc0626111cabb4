package pushpin

import (
	"strconv"
	"testing"
	"time"

	"github.com/griphub/griphub/grip"
)

func crowdPace() pace {
	return newPace(Options{WritesPerSecond: 1000, Viewers: func(channel string) Viewers {
		switch channel {
		case "streams":
			return Viewers{Streams: 100}
		case "sockets":
			return Viewers{Sockets: 20}
		case "crowd":
			return Viewers{Streams: 1_000_000}
		case "nobody":
			return Viewers{Sure: true}
		}
		return Viewers{}
	}})
}

func TestAPaceCountsWhatAProxyWrites(t *testing.T) {
	item := func(channel string) message {
		return message{item: grip.Item{Channel: channel, HTTPStream: &grip.HTTPStream{}, WSMessage: &grip.WSMessage{}}}
	}
	// Several in one message.
	batched := func(id int, bytes int) message {
		return message{item: grip.Item{
			Channel: "sockets", ID: strconv.Itoa(id), PrevID: strconv.Itoa(id - 1), WSMessage: &grip.WSMessage{Content: make([]byte, bytes)},
		}}
	}
	large := item("streams")
	large.item.HTTPStream.Content = make([]byte, (smallWrite+largeWrite)/2)
	for name, scene := range map[string]struct {
		batch []message
		want  time.Duration
	}{
		"nothing":                         {nil, 0},
		"nobody":                          {[]message{item("x"), item("y")}, 0},
		"streams at once":                 {[]message{item("streams"), item("streams")}, 100 * time.Millisecond},
		"as long again for a large write": {[]message{large, large}, 200 * time.Millisecond},
		"WebSockets by the message":       {[]message{item("sockets"), item("sockets")}, 40 * time.Millisecond},
		"both":                            {[]message{item("streams"), item("sockets")}, 120 * time.Millisecond},
		"several events in one":           {[]message{batched(1, 200), batched(2, 200), batched(3, 200)}, 40 * time.Millisecond},
		"as many as are much":             {[]message{batched(1, 4000), batched(2, 3000)}, 100 * time.Millisecond},
		"never longer than a second":      {[]message{item("crowd")}, time.Second},
	} {
		p := crowdPace()
		if p.begin(runs(scene.batch, true)); p.last != scene.want {
			t.Errorf("%s: %v, want %v", name, p.last, scene.want)
		}
		if wait := p.wait(); wait > scene.want || wait < scene.want-50*time.Millisecond {
			t.Errorf("%s: waits for %v, want %v", name, wait, scene.want)
		}
	}
}

func TestAProxyThatIsSlowIsGivenMoreTime(t *testing.T) {
	p := crowdPace()
	batch := []message{{item: grip.Item{Channel: "streams", HTTPStream: &grip.HTTPStream{}}}}
	spacing := func(answer time.Duration, times int) time.Duration {
		for range times {
			p.begin(runs(batch, true))
			p.answered(answer)
		}
		p.begin(runs(batch, true))
		return p.last
	}
	const said = 100 * time.Millisecond
	if got := spacing(time.Millisecond, 10); got != said {
		t.Errorf("a quick one has %v", got)
	}
	if got := spacing(said, 1); got <= said {
		t.Errorf("a slow one has %v", got)
	}
	if got := spacing(10*said, 20); got != maxSlowdown*said {
		t.Errorf("a very slow one has %v", got)
	}
	if got := spacing(time.Millisecond, 10); got < maxSlowdown*said*98/100 {
		t.Errorf("soon after it was slow it has %v", got)
	}
	if got := spacing(time.Millisecond, 200); got != said {
		t.Errorf("one that is quick again has %v", got)
	}
}

func TestAProxyThatWasSlowIsLeftAloneForAsLongAgain(t *testing.T) {
	p := crowdPace()
	p.begin(runs([]message{{item: grip.Item{Channel: "streams", HTTPStream: &grip.HTTPStream{}}}}, true))
	p.next = time.Now() // the answer took all of the time
	p.answered(p.last)
	if wait := p.wait(); wait < p.last/2 || wait > p.last {
		t.Errorf("%v, want about %v", wait, p.last)
	}
}

func TestAPaceStaysNearWhatAProxyCanDo(t *testing.T) {
	p := crowdPace()
	batch := []message{{item: grip.Item{Channel: "streams", HTTPStream: &grip.HTTPStream{}}}}
	const needs = 160 * time.Millisecond // of the 100 that are said
	late, most := 0, time.Duration(0)
	for i := range 1000 {
		p.begin(runs(batch, true))
		took := time.Millisecond
		if p.last < needs {
			took = p.last
			if i >= 100 {
				late++
			}
		} else if i >= 100 {
			most = max(most, p.last)
		}
		p.answered(took)
	}
	if late > 20 || most > needs*13/10 {
		t.Errorf("of 900 requests %d were too early, and the others up to %v apart", late, most)
	}
}
