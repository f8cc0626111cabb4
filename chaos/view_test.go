package chaos

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/griphub/griphub/e2e"
)

// A sighting is an event as a viewer was shown it.
type sighting struct {
	seq int64
	key string
}

// A view is what one viewer was shown of its channels. Its methods may be called concurrently.
type view struct {
	mu    sync.Mutex
	at    map[string]int64
	shown map[string][]sighting
	// jumps are channels whose place has moved without events; a reset has to follow at once, or there were no events.
	jumps map[string]gap
	// gaps are places that were passed over. What the log has there is lost.
	gaps     []gap
	resets   int
	twice    int
	lost     int
	problems []string
}

// A gap is what lies after one place of a channel, up to another.
type gap struct {
	channel     string
	after, upTo int64
	how         string
}

func newView() *view {
	return &view{at: map[string]int64{}, shown: map[string][]sighting{}, jumps: map[string]gap{}}
}

var keyPattern = regexp.MustCompile(`"key":"([^"]+)"`)

// keyOf finds the key of the message in an event's data.
func keyOf(data string) string {
	if found := keyPattern.FindStringSubmatch(data); found != nil {
		return found[1]
	}
	return ""
}

// open notes where the viewer stands after a stream has opened.
func (v *view) open(cursor map[string]int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for channel, seq := range cursor {
		if at, known := v.at[channel]; known && at != seq {
			v.jumps[channel] = gap{channel, at, seq, fmt.Sprintf("left at %d and opened again at %d, without a reset", at, seq)}
		}
		v.at[channel] = seq
	}
}

// reset notes that the viewer was told to expect nothing of what it missed on the channels.
func (v *view) reset(channels []string, cursor map[string]int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.resets++
	for _, channel := range channels {
		delete(v.jumps, channel)
		if seq, ok := cursor[channel]; ok {
			v.at[channel] = seq
		}
	}
}

// forget lets the viewer begin anew: it knows itself that it has missed something.
func (v *view) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.resets++
	clear(v.at)
}

// show notes an event of the channel.
func (v *view) show(channel string, seq int64, key string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.settle()
	at, known := v.at[channel]
	switch {
	case !known:
		v.problems = append(v.problems, fmt.Sprintf("%s:%d (%s) came before the viewer stood anywhere", channel, seq, key))
	case seq <= at:
		v.twice++
		v.problems = append(v.problems, fmt.Sprintf("%s:%d (%s) was shown after %d", channel, seq, key, at))
		return
	case seq != at+1:
		v.gaps = append(v.gaps, gap{channel, at, seq - 1, fmt.Sprintf("%d (%s) was shown after %d", seq, key, at)})
	}
	v.at[channel] = seq
	v.shown[channel] = append(v.shown[channel], sighting{seq, key})
}

// settle makes jumps that no reset has followed gaps.
func (v *view) settle() {
	for channel, jump := range v.jumps {
		v.gaps = append(v.gaps, jump)
		delete(v.jumps, channel)
	}
}

// place is where the viewer stands on the channel; ok is false where it stands nowhere yet.
func (v *view) place(channel string) (seq int64, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	seq, ok = v.at[channel]
	return seq, ok
}

// cursor is where the viewer stands, as it gives it back.
func (v *view) cursor() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var places []string
	for _, channel := range slices.Sorted(maps.Keys(v.at)) {
		places = append(places, channel+":"+strconv.FormatInt(v.at[channel], 10))
	}
	return strings.Join(places, ",")
}

// total counts the events that were shown.
func (v *view) total() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, list := range v.shown {
		n += len(list)
	}
	return n
}

// viewStream replays what an event stream has shown. Each event moves the place in one channel.
func viewStream(events []e2e.Event) *view {
	v := newView()
	for _, e := range events {
		if e.Type == "keep-alive" {
			continue
		}
		cursor, err := e2e.ParseCursor(e.ID)
		if err != nil {
			v.problems = append(v.problems, fmt.Sprintf("event %q with data %.200q: %v", e.Type, e.Data, err))
			continue
		}
		switch e.Type {
		case "stream-open", "connected":
			v.settle()
			v.open(cursor)
		case "stream-reset":
			var data struct{ Channels []string }
			if err := json.Unmarshal([]byte(e.Data), &data); err != nil || len(data.Channels) == 0 {
				v.problems = append(v.problems, fmt.Sprintf("a stream-reset has the data %.200q", e.Data))
			}
			v.reset(data.Channels, cursor)
		case "stream-error":
			v.problems = append(v.problems, fmt.Sprintf("stream-error: %.300s", e.Data))
		default:
			v.showMoved(cursor, e)
		}
	}
	v.settle()
	return v
}

// showMoved shows the event in the channel that its cursor moves.
func (v *view) showMoved(cursor map[string]int64, e e2e.Event) {
	moved := ""
	for _, channel := range slices.Sorted(maps.Keys(cursor)) {
		if at, ok := v.place(channel); ok && at == cursor[channel] {
			continue
		}
		if moved != "" {
			v.problems = append(v.problems, fmt.Sprintf("event %s (%s) moves %s and %s", e.ID, keyOf(e.Data), moved, channel))
			v.lost++
		}
		moved = channel
	}
	if moved == "" {
		v.twice++
		v.problems = append(v.problems, fmt.Sprintf("event %s (%s) moves no channel", e.ID, keyOf(e.Data)))
		return
	}
	v.show(moved, cursor[moved], keyOf(e.Data))
}

// parsePlace reads the id of a message: a place in one channel.
func parsePlace(text string) (channel string, seq int64, err error) {
	cursor, err := e2e.ParseCursor(text)
	if err != nil || len(cursor) != 1 {
		return "", 0, cmp.Or(err, fmt.Errorf("%q is no place in one channel", text))
	}
	for channel, seq = range cursor {
	}
	return channel, seq, nil
}
