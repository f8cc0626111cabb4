package logtest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// wantMark demands a mark's value, nil for none.
func (s *stage) wantMark(name string, want []byte) {
	s.Helper()
	got, err := s.Log.Mark(s.Context(), name)
	if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		s.Errorf("mark %s: got %q, %v, want %q", name, got, err, want)
	}
}

// moved is the mark a, written over before, nil for none.
func moved(value string, before []byte) devices.Mark {
	return devices.Mark{Name: "a", Value: []byte(value), Before: before}
}

// wantRefused demands that a batch with the mark and much else is not stored at all, for the reason.
func (s *stage) wantRefused(log Log, mark devices.Mark, reason error) {
	s.Helper()
	before := s.head("a")
	keyed := on("a", "b")
	keyed.Key = fmt.Sprint("key ", before)
	_, err := log.Append(s.Context(), channels.Batch{
		Drafts: []channels.Draft{keyed}, State: []any{devices.Changes{known("pump", "refused")}, mark},
		Refused: []channels.Refusal{{Source: "things/1", Reason: "not JSON"}},
	})
	if !errors.Is(err, reason) || !errors.Is(err, channels.ErrState) {
		s.Errorf("mark %q over %q: got %v, want %v", mark.Value, mark.Before, err, reason)
	}
	if head := s.head("a"); head != before {
		s.Errorf("the channel stands at %d, want %d", head, before)
	}
	if refused, err := s.Log.Refusals(s.Context(), 0, 10); err != nil || len(refused) != 0 {
		s.Errorf("refusals: %v, %v", refused, err)
	}
	if _, ok := s.get(ref("pump", "refused")); ok {
		s.Error("a device was stored")
	}
	// Nor is the key taken.
	if e := s.append(keyed)[0]; e.Repeated || e.Seq("a") != before+1 {
		s.Errorf("later, without the mark: %+v", e)
	}
}

func markScenes() []scene {
	return []scene{
		{"a mark comes back as it was last committed", func(s *stage) {
			mark := func(name, value string, before []byte) devices.Mark {
				return devices.Mark{Name: name, Value: []byte(value), Before: before}
			}
			s.wantMark("a", nil)
			// Of one mark in a batch, each is written over the one before.
			s.appendTo(s.Log, channels.Batch{State: []any{mark("a", "1", nil), mark("b", "\x00\xff'", nil), mark("a", "2", []byte("1"))}})
			s.wantMark("a", []byte("2"))
			s.wantMark("b", []byte("\x00\xff'"))
			s.appendTo(s.Another(), channels.Batch{State: []any{mark("a", "3", []byte("2")), mark("b", "", []byte("\x00\xff'"))}})
			s.wantMark("a", []byte("3"))
			s.wantMark("b", []byte{})
			s.appendTo(s.Log, channels.Batch{State: []any{mark("b", "4", []byte{})}})
			s.wantMark("b", []byte("4"))
			s.wantMark("A", nil)
		}},
		{"who knows an older value of a mark stores nothing", func(s *stage) {
			s.wantRefused(s.Log, moved("1", []byte("0")), devices.ErrMarkMoved)
			s.wantRefused(s.Log, moved("1", []byte{}), devices.ErrMarkMoved)
			s.wantMark("a", nil)
			s.appendTo(s.Log, channels.Batch{State: []any{moved("1", nil)}})
			s.appendTo(s.Another(), channels.Batch{State: []any{moved("2", []byte("1"))}})
			for _, before := range [][]byte{nil, {}, []byte("1"), []byte("3"), []byte("2 ")} {
				s.wantRefused(s.Log, moved("4", before), devices.ErrMarkMoved)
				s.wantRefused(s.Another(), moved("1", before), devices.ErrMarkMoved)
			}
			s.wantMark("a", []byte("2"))
			s.appendTo(s.Log, channels.Batch{State: []any{moved("3", []byte("2"))}})
		}},
		{"a batch whose mark is written is stored no second time", func(s *stage) {
			for _, before := range [][]byte{nil, []byte("1")} {
				value := string(before) + "1"
				s.appendTo(s.Log, channels.Batch{Drafts: onEach(2, "c"), State: []any{moved(value, before)}})
				s.wantRefused(s.Log, moved(value, before), devices.ErrMarkWritten)
				s.wantRefused(s.Another(), moved(value, before), devices.ErrMarkWritten)
				s.wantMark("a", []byte(value))
			}
			s.wantSeqs("c", 0, 1, 2, 3, 4)
		}},
		{"of several who write a mark at once one does", playRivals},
	}
}

// playRivals lets writers who know the same value of a mark write at once, again and again.
func playRivals(s *stage) {
	const rounds, rivals = 15, 4
	logs := make([]Log, rivals)
	for i := range logs {
		logs[i] = s.Another()
	}
	var before []byte
	for round := range rounds {
		errs := make([]error, rivals)
		var all sync.WaitGroup
		for i, log := range logs {
			all.Go(func() {
				_, errs[i] = log.Append(s.Context(), channels.Batch{
					Drafts: []channels.Draft{on("a")}, State: []any{moved(fmt.Sprintf("%d of %d", i, round), before)},
				})
			})
		}
		all.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case !errors.Is(err, channels.ErrState): // it has moved, or is moved at this moment
				s.Fatalf("round %d: %d has won, and %d was answered %v", round, winner, i, err)
			}
		}
		if winner < 0 {
			s.Fatalf("round %d: nobody has won: %v", round, errs)
		}
		before = fmt.Appendf(nil, "%d of %d", winner, round)
		s.wantMark("a", before)
		if head := s.head("a"); head != channels.Seq(round+1) {
			s.Fatalf("round %d: %d batches were stored", round, head)
		}
	}
}

// mark writes one with any idea of what is there.
func (c *comparison) mark(rt *rapid.T) {
	c.rt = rt
	values := [][]byte{nil, {}, []byte("1"), []byte("2"), []byte("3")}
	m := devices.Mark{
		Name:   rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "name"),
		Value:  rapid.SampledFrom(values).Draw(rt, "value"),
		Before: rapid.SampledFrom(values).Draw(rt, "before"),
	}
	batch := channels.Batch{State: []any{m}}
	_, got := c.any().Append(rt.Context(), batch)
	_, want := c.model.Append(rt.Context(), batch)
	for _, reason := range []error{devices.ErrMarkMoved, devices.ErrMarkWritten, channels.ErrState} {
		if errors.Is(got, reason) != errors.Is(want, reason) {
			rt.Fatalf("%+v: got %v, want %v", m, got, want)
		}
	}
	if (got == nil) != (want == nil) {
		rt.Fatalf("%+v: got %v, want %v", m, got, want)
	}
	now, err := c.any().Mark(rt.Context(), m.Name)
	c.must(err)
	expected, err := c.model.Mark(rt.Context(), m.Name)
	c.must(err)
	if !bytes.Equal(now, expected) || (now == nil) != (expected == nil) {
		rt.Fatalf("mark %s: got %q, want %q", m.Name, now, expected)
	}
}
