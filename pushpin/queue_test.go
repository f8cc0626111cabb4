package pushpin

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

func TestQueueKeepsTheNewestWithinItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 5000).Draw(t, "limit")
		q := queue{limit: limit}
		var pushed, gone uint64
		check := func(out []message) {
			for _, m := range out {
				if m.item.ID != fmt.Sprint(gone) {
					t.Fatalf("message %s came out, want %d", m.item.ID, gone)
				}
				gone++
			}
		}
		for range rapid.IntRange(0, 50).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "push") {
				var batch []message
				for range rapid.IntRange(0, 5).Draw(t, "batch") {
					batch = append(batch, message{item: grip.Item{ID: fmt.Sprint(pushed)}, json: make([]byte, rapid.IntRange(1, 60).Draw(t, "size"))})
					pushed++
				}
				check(q.push(batch))
			} else {
				check(q.pop(gone + uint64(rapid.IntRange(0, 3).Draw(t, "pop"))))
			}
			size := 0
			for _, m := range q.messages {
				size += m.size()
			}
			if q.first != gone || q.end() != pushed || q.bytes != size || size > limit && len(q.messages) > 1 {
				t.Fatalf("first %d end %d bytes %d; want %d, %d, %d within %d", q.first, q.end(), q.bytes, gone, pushed, size, limit)
			}
		}
	})
}

func TestBatchesKeepTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 1000
		waiting := rapid.SliceOf(rapid.Custom(func(t *rapid.T) message {
			return message{
				item: grip.Item{Channel: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "channel")},
				json: make([]byte, max(1, rapid.IntRange(1, limit-len(bodyHead)-len(bodyTail)).Draw(t, "size")/rapid.SampledFrom([]int{1, 500}).Draw(t, "part"))),
			}
		})).Draw(t, "waiting")
		most := rapid.IntRange(1, batchItems).Draw(t, "most")
		ofChannel := func(channel string) int {
			if channel == "c" {
				return batchItems
			}
			return batchChannelItems
		}
		fits := func(n int) bool {
			perChannel := make(map[string]int)
			for _, m := range waiting[:n] {
				if perChannel[m.item.Channel]++; perChannel[m.item.Channel] > ofChannel(m.item.Channel) {
					return false
				}
			}
			return n <= most && len(body(runs(waiting[:n], false), nil, nil)) <= limit
		}
		n := batchOf(waiting, most, limit, ofChannel)
		if n == 0 && len(waiting) > 0 || !fits(n) {
			t.Fatalf("a batch of %d of %d", n, len(waiting))
		}
		if n < len(waiting) && fits(n+1) {
			t.Fatalf("a batch of %d, but one more fits", n)
		}
	})
}

// A WebSocket that takes several events in one message gets as many as one message holds, or as many messages as its proxy can keep.
func TestAShareOfBatchesIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var waiting []message
		n := rapid.IntRange(1, 300).Draw(t, "n")
		for i := range n {
			item := grip.Item{Channel: "c", ID: strconv.Itoa(i + 1), PrevID: strconv.Itoa(i)}
			item.WSMessage = &grip.WSMessage{Content: make([]byte, rapid.SampledFrom([]int{2, 200, 5000, 20_000}).Draw(t, "size"))}
			if rapid.IntRange(0, rapid.SampledFrom([]int{1, 20}).Draw(t, "kind")).Draw(t, "skips") == 1 {
				item.Meta = map[string]string{grip.MetaSkipUsers: "7"}
			}
			waiting = append(waiting, message{item: item, json: make([]byte, 10)})
		}
		check := func(what string, taken int) {
			size, list := 0, runs(waiting[:taken], true)
			for _, m := range waiting[:taken] {
				size += len(m.content())
			}
			if taken == 0 || taken > 1 && size > socketBytes || len(list) > batchChannelItems {
				t.Fatalf("%s: %d of %d in %d messages of %d bytes", what, taken, n, len(list), size)
			}
			if taken < n && size+len(waiting[taken].content()) <= socketBytes && len(list) < batchChannelItems {
				t.Fatalf("%s: %d of %d in %d messages of %d bytes, and one more has room", what, taken, n, len(list), size)
			}
		}
		ofChannel := func(string) int { return batchChannelItems }
		check("in order", batchOf(waiting, len(waiting), 1<<20, ofChannel))
		gathered, _ := gather(waiting, nil, 1<<20, ofChannel)
		check("gathered", gathered)
	})
}

func TestWhatIsGatheredKeepsEachChannelsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 20_000
		next := make(map[string]int)
		waiting := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) message {
			if rapid.IntRange(0, 300).Draw(t, "kind") == 0 {
				return message{item: grip.Item{Channel: "kicks", HTTPStream: &grip.HTTPStream{Action: grip.ActionHint}}, json: make([]byte, 50)}
			}
			channel := fmt.Sprint(rapid.IntRange(0, rapid.SampledFrom([]int{2, 300}).Draw(t, "channels")).Draw(t, "channel"))
			next[channel]++
			item := grip.Item{Channel: channel, ID: strconv.Itoa(next[channel]), PrevID: strconv.Itoa(next[channel] - 1), HTTPStream: &grip.HTTPStream{}}
			if channel == "1" {
				item.ID, item.PrevID = "", ""
			}
			return message{item: item, json: make([]byte, rapid.IntRange(1, 500).Draw(t, "size")), origin: origin{event: channels.EventID(next[channel])}}
		}), 1, 1000).Draw(t, "waiting")
		ofChannel := func(string) int { return batchItems }
		before := slices.Clone(waiting)
		n, _ := gather(waiting, nil, limit, ofChannel)
		size, items, taken := len(bodyHead)+len(bodyTail), 0, make(map[string]int)
		for _, m := range waiting[:n] {
			size += len(m.json) + len(",")
			if taken[m.item.Channel]++; taken[m.item.Channel] == 1 || !m.mergeable() {
				items++
			}
			if taken[m.item.Channel] > batchItems {
				t.Fatalf("there are more than %d messages of %s", batchItems, m.item.Channel)
			}
		}
		if n == 0 || items > batchItems || size-len(",") > limit && n > 1 {
			t.Fatalf("%d of %d messages, %d items and %d bytes are gathered", n, len(before), items, size)
		}
		// Each channel, and each message with what is no event.
		for _, about := range []func(message) bool{
			func(m message) bool { return m.item.Channel == "0" }, func(m message) bool { return m.item.Channel == "1" },
			func(m message) bool { return m.item.Channel == "2" || !m.plain() },
		} {
			kept := func(all []message) (list []string) {
				for _, m := range all {
					if about(m) {
						list = append(list, fmt.Sprint(m.item.Channel, m.item.ID, m.origin.event))
					}
				}
				return list
			}
			if got, want := kept(waiting), kept(before); !slices.Equal(got, want) {
				t.Fatalf("the order is %q, was %q", got, want)
			}
		}
	})
}
