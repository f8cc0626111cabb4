package channels_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func TestPublishReturnsWhatIsStoredAndSent(t *testing.T) {
	play(t, func(s *scene) {
		when := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
		second := plain("b", 2)
		second.Time, second.Channels = when, []channels.Channel{"b", "a"}
		events := s.publish(plain("a", 1), second)
		if got := fmt.Sprint(events[0].ID, events[0].Cursor(), events[1].ID, events[1].Cursor()); got != "1 a:1 2 b:1,a:2" {
			s.Errorf("the events are %s", got)
		}
		if events[0].Scope != channels.ScopeChannel || !events[0].Time.Equal(time.Now()) || !events[1].Time.Equal(when) {
			s.Errorf("scope %q, times %s and %s", events[0].Scope, events[0].Time, events[1].Time)
		}
		stored, err := s.log.Event(s.Context(), 2)
		if err != nil || string(stored.Data) != "2" || stored.Cursor().String() != "b:1,a:2" {
			s.Errorf("stored is %+v, %v", stored, err)
		}
		// Send comes before the answer, so that who publishes and then looks sees what viewers see.
		if sent := s.sink.events(); len(sent) != 2 || sent[0].ID != 1 || sent[1].ID != 2 {
			s.Errorf("sent are %+v", sent)
		}
	})
}

func TestOneWrongDraftStoresNothingOfItsBatch(t *testing.T) {
	play(t, func(s *scene) {
		wrong := plain("a", 2)
		wrong.Data = []byte("{")
		_, err := s.Publish(s.Context(), batch(plain("a", 1), wrong, plain("a", 3)))
		var draft *channels.DraftError
		var invalid *channels.InvalidError
		if !errors.As(err, &draft) || draft.Index != 1 || !errors.As(err, &invalid) || invalid.Field != "data" {
			s.Errorf("the error is %v", err)
		}
		if len(s.log.sizes()) != 0 || len(s.sink.events()) != 0 {
			s.Error("something was stored or sent")
		}
	})
}

func TestWhereAllViewersAreAlikeNobodyIsSkipped(t *testing.T) {
	rules := channels.Rules{{Match: "news", Shared: true}, {Match: "**"}}
	publisher := channels.NewPublisher(newTap(), rules, &record{}, time.Now)
	d := plain("foo", 1)
	d.Channels, d.SkipUsers = []channels.Channel{"foo", "news"}, []string{"7"}
	_, err := publisher.Publish(t.Context(), batch(plain("foo", 1), d))
	var invalid *channels.InvalidError
	if !errors.As(err, &invalid) || invalid.Field != "skip_users" {
		t.Errorf("the error is %v", err)
	}
	if want := "draft 1: skip_users: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("the error is %v, want %q…", err, want)
	}
}

func TestPublishLeavesTheCallersDraftsAlone(t *testing.T) {
	play(t, func(s *scene) {
		drafts := []channels.Draft{plain("gauge", 1), plain("a", 2)}
		s.publish(drafts...)
		for i, d := range drafts {
			if !d.Time.IsZero() || d.Scope != "" || len(d.Channels) != 1 {
				s.Errorf("draft %d became %+v", i, d)
			}
		}
	})
}

func TestWhatWaitsTogetherIsCommittedTogether(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		first := s.publishers(batch(plain("a", 0)))
		var waiting []channels.Batch
		for i := range 50 {
			waiting = append(waiting, batch(plain("a", 2*i+1), plain("b", 2*i+2)))
		}
		answers := s.publishers(waiting...)
		close(s.log.gate)
		<-first[0]
		for i, a := range answers {
			got := <-a
			if got.err != nil || len(got.events) != 2 {
				s.Fatalf("sender %d: %d events, %v", i, len(got.events), got.err)
			}
			for j, e := range got.events {
				if string(e.Data) != fmt.Sprint(2*i+1+j) {
					s.Errorf("sender %d got another's event %s", i, e.Data)
				}
			}
			if cap(got.events) != 2 {
				s.Errorf("sender %d could append over its neighbour's events", i)
			}
		}
		if got := s.log.sizes(); !slices.Equal(got, []int{1, 100}) {
			s.Errorf("the transactions had %v drafts", got)
		}
	})
}

func TestATransactionHasBounds(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		first := s.publishers(batch(plain("a", 0)))
		var waiting []channels.Batch
		for range 10 {
			b := channels.Batch{}
			for i := range 700 {
				b.Drafts = append(b.Drafts, plain("a", i))
			}
			waiting = append(waiting, b)
		}
		big := channels.Draft{Channels: []channels.Channel{"b"}, Data: []byte("1"), Private: text(channels.MaxSystemBytes, "7")}
		for range 20 {
			waiting = append(waiting, batch(big))
		}
		answers := s.publishers(waiting...)
		close(s.log.gate)
		for i, a := range append(first, answers...) {
			if got := <-a; got.err != nil {
				s.Errorf("sender %d: %v", i, got.err)
			}
		}
		for _, b := range s.log.batches {
			private := 0
			for _, d := range b.Drafts {
				private += len(d.Private)
			}
			if len(b.Drafts) > 2000+700 || private > 9<<20 {
				s.Errorf("a transaction has %d drafts and %d MiB", len(b.Drafts), private>>20)
			}
		}
	})
}

func TestTheSinkGetsEventsInTheOrderOfTheirNumbers(t *testing.T) {
	play(t, func(s *scene) {
		var all []channels.Batch
		for i := range 300 {
			all = append(all, batch(plain("a", i), plain(channels.Channel(fmt.Sprint("c", i%7)), i)))
		}
		for _, a := range s.publishers(all...) {
			<-a
		}
		var last channels.EventID
		numbers := channels.Cursor{}
		for _, e := range s.sink.events() {
			if e.ID != last+1 {
				s.Fatalf("event %d was sent after %d", e.ID, last)
			}
			last = e.ID
			for _, p := range e.Positions {
				if before, _ := numbers.Find(p.Channel); p.Seq != before+1 {
					s.Fatalf("%s was sent after number %d", p, before)
				}
				numbers.Set(p.Channel, p.Seq)
			}
		}
		if last != 600 {
			s.Errorf("%d events were sent", last)
		}
	})
}

func TestARepeatedKeyIsAnsweredByTheFirstEventAndNotSentAgain(t *testing.T) {
	play(t, func(s *scene) {
		keyed := func(n int, key string, on ...channels.Channel) channels.Draft {
			d := plain(on[0], n)
			d.Channels, d.Key = on, key
			return d
		}
		first := s.publish(keyed(1, "k", "a"))[0]
		for what, drafts := range map[string][]channels.Draft{
			"alone":                          {keyed(2, "k", "b")},
			"beside a fresh one":             {keyed(2, "k", "b"), plain("a", 3)},
			"beside an unstored one":         {plain("gauge", 3), keyed(2, "k", "b")},
			"on an unstored channel as well": {keyed(2, "k", "gauge", "b")},
		} {
			before := len(s.sink.events())
			events := s.publish(drafts...)
			at := slices.IndexFunc(drafts, func(d channels.Draft) bool { return d.Key == "k" })
			again := events[at]
			if !again.Repeated || again.ID != first.ID || again.Cursor().String() != "a:1" || string(again.Data) != "1" || !slices.Equal(again.Channels, first.Channels) {
				s.Errorf("%s: answered by %+v", what, again)
			}
			for _, e := range s.sink.events()[before:] {
				if e.Repeated || e.Key == "k" {
					s.Errorf("%s: sent again: %+v", what, e)
				}
			}
			if sent := len(s.sink.events()) - before; sent != len(drafts)-1 {
				s.Errorf("%s: %d events were sent", what, sent)
			}
		}
		twins := s.publish(keyed(4, "l", "a"), keyed(5, "l", "a"))
		if twins[0].Repeated || !twins[1].Repeated || twins[1].ID != twins[0].ID || string(twins[1].Data) != "4" {
			s.Errorf("twins in one batch are %+v", twins)
		}
	})
}

func TestUnstoredChannelsAreSentButNotStored(t *testing.T) {
	play(t, func(s *scene) {
		mixed := plain("gauge1", 2)
		mixed.Channels = []channels.Channel{"gauge1", "a", "gauge2", "b"}
		events := s.publish(plain("gauge", 1), mixed, plain("a", 3))
		if e := events[0]; e.ID != 0 || e.PublicID() != "" || e.Cursor().String() != "gauge:0" {
			s.Errorf("the unstored event is %+v", e)
		}
		if e := events[1]; e.PublicID() == "" || e.Cursor().String() != "gauge1:0,a:1,gauge2:0,b:1" || len(e.Channels) != 4 {
			s.Errorf("the mixed event is %+v", e)
		}
		if e := events[2]; e.Cursor().String() != "a:2" || string(e.Data) != "3" {
			s.Errorf("the stored event is %+v", e)
		}
		if sent := s.sink.events(); len(sent) != 3 || string(sent[0].Data) != "1" || string(sent[1].Data) != "2" || string(sent[2].Data) != "3" {
			s.Errorf("sent are %+v", sent)
		}
		for _, b := range s.log.batches {
			for _, d := range b.Drafts {
				for _, c := range d.Channels {
					if !keepAll.Stored(c) {
						s.Errorf("the log was given %s", c)
					}
				}
			}
		}
	})
}

func TestABatchCarriesWhatBelongsToIt(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		first := s.publishers(channels.Batch{Refused: []channels.Refusal{{Source: "x", Reason: "r"}}})
		answers := s.publishers(
			channels.Batch{Refused: []channels.Refusal{{Source: "things/a", Reason: "No."}}},
			channels.Batch{Drafts: []channels.Draft{plain("a", 1)}, Refused: []channels.Refusal{{Source: "things/b", Reason: "No."}}},
		)
		close(s.log.gate)
		for _, a := range append(first, answers...) {
			if got := <-a; got.err != nil {
				s.Error(got.err)
			}
		}
		refused, err := s.log.Refusals(s.Context(), 0, 10)
		if err != nil || len(refused) != 3 || len(s.log.sizes()) != 2 {
			s.Errorf("%d refusals in %d transactions, %v", len(refused), len(s.log.sizes()), err)
		}
	})
}

func TestAFailingLogFailsWhoWaitedForItAndNobodyElse(t *testing.T) {
	play(t, func(s *scene) {
		down := errors.New("the database is down")
		s.log.fail = func(channels.Batch) error { return down }
		for i, a := range s.publishers(batch(plain("a", 1)), batch(plain("gauge", 2), plain("a", 3)), batch(plain("b", 4))) {
			if got := <-a; !errors.Is(got.err, down) || got.events != nil {
				s.Errorf("sender %d: %d events, %v", i, len(got.events), got.err)
			}
		}
		if len(s.sink.events()) != 0 {
			s.Error("something was sent that is not stored")
		}
		s.log.fail = nil
		if e := s.publish(plain("a", 5))[0]; e.Cursor().String() != "a:1" {
			s.Errorf("after the failure: %+v", e)
		}
	})
}

func TestStateThatCannotBeStoredFailsItsSenderAndNobodyElse(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		first := s.publishers(batch(plain("a", 0)))
		stateful := func(draft channels.Draft, state any) channels.Batch {
			b := batch(draft)
			b.State = []any{state}
			return b
		}
		answers := s.publishers(
			batch(plain("a", 1)),
			stateful(plain("a", 2), struct{ nobodyKnows int }{}),
			batch(plain("a", 3)),
			stateful(plain("a", 4), devices.Mark{Name: "m", Value: []byte("1")}),
			stateful(plain("a", 5), devices.Mark{Name: "n", Value: []byte("1"), Before: []byte("0")}),
		)
		close(s.log.gate)
		<-first[0]
		for i, want := range []error{nil, channels.ErrState, nil, nil, devices.ErrMarkMoved} {
			got := <-answers[i]
			if !errors.Is(got.err, want) || want == nil && (len(got.events) != 1 || string(got.events[0].Data) != fmt.Sprint(i+1)) {
				s.Errorf("sender %d: %v, %v, want %v", i+1, got.events, got.err, want)
			}
		}
		// The whole group, each sender with State, the others together.
		if got := s.log.sizes(); !slices.Equal(got, []int{1, 5, 1, 1, 1, 2}) {
			s.Errorf("the transactions had %v drafts", got)
		}
		if sent := s.sink.events(); len(sent) != 4 {
			s.Errorf("%d events were sent", len(sent))
		}
	})
}

func TestALogThatFailsIsNotAskedForEachSender(t *testing.T) {
	play(t, func(s *scene) {
		s.log.gate = make(chan struct{})
		s.log.fail = func(channels.Batch) error { return errors.New("whether it was stored is not known") }
		first := s.publishers(batch(plain("a", 0)))
		with := batch(plain("a", 1))
		with.State = []any{devices.Mark{Name: "m"}}
		answers := s.publishers(with, batch(plain("a", 2)))
		close(s.log.gate)
		for i, a := range append(first, answers...) {
			if got := <-a; got.err == nil {
				s.Errorf("sender %d is told that all is stored", i)
			}
		}
		if got := s.log.sizes(); !slices.Equal(got, []int{1, 2}) {
			s.Errorf("the transactions had %v drafts", got)
		}
	})
}
