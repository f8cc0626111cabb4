package chaos

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"
)

// farJump is less than what the log leaves out where it cannot know what it has given out.
const farJump = 100_000

// A takeover is a standby that took the place of a database whose newest commits it did not have: those that were acknowledged
// between two moments. Viewers who saw some of them have to be told.
type takeover struct{ after, before time.Time }

// took tells whether what was acknowledged at the moment may be gone. There need not be a takeover.
func (t *takeover) took(at time.Time) bool {
	return t != nil && at.After(t.after) && at.Before(t.before)
}

// forgettable is how long before a broker was killed a message may have been acknowledged that it has forgotten.
const forgettable = 2500 * time.Millisecond

// readLog reads all that the log has of a channel, through the API of a hub.
func readLog(ctx context.Context, backend, channel string) ([]sighting, error) {
	var log []sighting
	after := "0"
	if channel == trimmedChannel {
		after = "" // the newest ones; what was before them is gone
	}
	for {
		page, err := readPage(ctx, fmt.Sprintf("%s/api/channels/%s/events?limit=1000&after=%s", backend, channel, after))
		if err != nil {
			return nil, fmt.Errorf("read the log of %s: %w", channel, err)
		}
		for _, event := range page.Events {
			var f frame
			if err := json.Unmarshal(event, &f); err != nil && f.ID == "" {
				return nil, fmt.Errorf("read the log of %s: %w in %.200q", channel, err, event)
			}
			_, seq, err := parsePlace(f.ID)
			if err != nil {
				return nil, fmt.Errorf("read the log of %s: %w", channel, err)
			}
			log = append(log, sighting{seq, keyOf(string(event))})
		}
		if len(page.Events) == 0 || channel == trimmedChannel {
			return log, nil
		}
		after = page.Cursor
	}
}

type page struct {
	Events []json.RawMessage
	Cursor string
}

func readPage(ctx context.Context, url string) (p page, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return p, err
	}
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return p, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %.300s", resp.StatusCode, body)
	}
	if err != nil {
		return p, err
	}
	return p, json.Unmarshal(body, &p)
}

// judgeLog holds the log against what was acknowledged.
func (r *report) judgeLog(book *book, logs map[string][]sighting, kills []time.Time) {
	book.mu.Lock()
	defer book.mu.Unlock()
	r.problems = append(r.problems, book.problems...)
	stored := make(map[string]map[string]int) // channel, key: how often
	for _, channel := range slices.Sorted(maps.Keys(logs)) {
		log := logs[channel]
		r.stored += len(log)
		stored[channel] = r.judgeChannel(book, channel, log, kills)
	}
	for _, key := range slices.Sorted(maps.Keys(book.messages)) {
		r.judgeMessage(book.messages[key], stored, kills)
	}
}

// judgeChannel looks at one channel's numbers and order, and returns how often it has each key.
func (r *report) judgeChannel(book *book, channel string, log []sighting, kills []time.Time) map[string]int {
	count := make(map[string]int)
	newest := make(map[string]int)
	for i, e := range log {
		if i > 0 && e.seq != log[i-1].seq+1 && !(r.takeover != nil && e.seq > log[i-1].seq+farJump) {
			r.problemf("the log of %s goes on at %d after %d", channel, e.seq, log[i-1].seq)
		}
		m := book.messages[e.key]
		if m == nil || !slices.Contains(m.channels, channel) {
			r.madeUp++
			r.problemf("the log has %s:%d with the key %q, which nobody has sent there", channel, e.seq, e.key)
			continue
		}
		count[e.key]++
		if m.number < newest[m.source] && (m.named || m.repeats(kills) == 0) {
			r.late++
			r.problemf("the log of %s has %s at %d, after number %d of the same sender", channel, e.key, e.seq, newest[m.source])
		}
		newest[m.source] = max(newest[m.source], m.number)
	}
	return count
}

// judgeMessage holds one message against the log.
func (r *report) judgeMessage(m *message, stored map[string]map[string]int, kills []time.Time) {
	acknowledged := !m.acknowledged.IsZero()
	if acknowledged {
		r.acknowledged++
	} else {
		r.unanswered++
	}
	most, excused := 1, 0
	if !m.named {
		most, excused = m.attempts, m.repeats(kills)
	}
	var lost, twice, forgotten, repeated, gone bool
	for _, channel := range m.channels {
		n := stored[channel][m.key]
		switch {
		case n > most+excused:
			twice = true
			r.problemf("%s, sent %d times, is %d times in %s", m.key, m.attempts, n, channel)
		case n > most:
			repeated = true
		case n > 0 || !acknowledged || channel == trimmedChannel:
		case m.trusting && m.forgettable(kills):
			forgotten = true
		case r.takeover.took(m.acknowledged):
			gone = true
		default:
			lost = true
			r.problemf("%s was acknowledged at %s and is not in %s", m.key, m.acknowledged.Format("15:04:05.000"), channel)
		}
	}
	r.lost += count(lost)
	r.twice += count(twice)
	r.repeated += count(repeated)
	r.forgotten += count(forgotten && !lost)
	r.gone += count(gone && !lost)
}

func count(happened bool) int {
	if happened {
		return 1
	}
	return 0
}

// repeats counts how often the message may have been repeated, since it was first sent, in a way that nobody can tell without
// an id.
func (m *message) repeats(kills []time.Time) (n int) {
	for _, at := range kills {
		n += count(m.attempts > 0 && at.After(m.first))
	}
	return n
}

// forgettable tells that the broker was killed when it may not have saved the message yet.
func (m *message) forgettable(kills []time.Time) bool {
	return slices.ContainsFunc(kills, func(kill time.Time) bool {
		since := kill.Sub(m.acknowledged)
		// What the broker has sent before it was killed may be read after it.
		return since < forgettable && since > -time.Second
	})
}

// judgeView holds what a viewer was shown against the log.
func (r *report) judgeView(v viewer, logs map[string][]sighting) {
	kind, path := v.what()
	result := v.result()
	for _, channel := range v.watches() {
		log := logs[channel]
		if len(log) == 0 {
			continue
		}
		shown := result.shown[channel]
		keys := make(map[int64]string, len(log))
		for _, e := range log {
			keys[e.seq] = e.key
		}
		for _, e := range shown {
			switch key, there := keys[e.seq]; {
			case e.seq < log[0].seq: // trimmed
			case !there && r.takeover != nil: // what follows tells whether the viewer knows
				r.unmade++
			case key != e.key:
				result.problem("%s:%d was shown as %s, which the log does not have there", channel, e.seq, e.key)
			}
		}
		if at := result.at[channel]; !v.left() && at != log[len(log)-1].seq {
			result.lost += int(log[len(log)-1].seq - at)
			result.problem("%s: stands at %d at the end, and the log at %d", channel, at, log[len(log)-1].seq)
		}
	}
	for _, g := range result.gaps {
		if missing := g.missing(logs[g.channel]); missing > 0 {
			result.lost += int(missing)
			result.problem("%s: %s: %d are missing", g.channel, g.how, missing)
		}
	}
	r.view(kind, v.connections(), result)
	for _, problem := range result.problems {
		r.problemf("%s %s: %s", kind, path, problem)
	}
}

// missing counts what the log has in the gap. A gap after a place that the log does not have, as it was trimmed or is of
// another history, hides an unknown number, all that fit.
func (g gap) missing(log []sighting) int64 {
	bySeq := func(e sighting, seq int64) int { return cmp.Compare(e.seq, seq) }
	from, known := slices.BinarySearchFunc(log, g.after, bySeq)
	if !known {
		return g.upTo - g.after
	}
	to, _ := slices.BinarySearchFunc(log, g.upTo+1, bySeq)
	return int64(to - from - 1)
}
