package pushpin

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/grip"
)

func TestQueueKeepsTheNewestWithinItsLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 100).Draw(t, "limit")
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
				size += len(m.json)
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
			return n <= most && len(body(waiting[:n], nil)) <= limit
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
