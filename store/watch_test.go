package store_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// watched subscribes to the channels with a bell that the store rings.
func watched(t *testing.T, s store.Store, chans ...channels.Channel) *channels.Subscription {
	t.Helper()
	bell := &channels.Bell{}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, bell.Ring) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch: %v", err)
		}
	})
	sub, err := channels.Subscribe(t.Context(), s, bell, chans, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	return sub
}

func TestASubscriptionFollowsManyWriters(t *testing.T) {
	eachKind(t, func(t *testing.T, url string) {
		sub := watched(t, open(t, url, store.Options{}), "a", "b", "c")
		const writers, each = 6, 60
		var group sync.WaitGroup
		for w := range writers {
			s := open(t, url, store.Options{})
			group.Go(func() {
				for n := range each {
					d := channels.Draft{Channels: []channels.Channel{"a"}, Data: fmt.Append(nil, n), Type: fmt.Sprint(w)}
					d.Channels = [][]channels.Channel{{"a"}, {"b", "a"}, {"c"}, {"a", "c", "b"}}[(n+w)%4]
					if _, err := s.Append(context.Background(), channels.Batch{Drafts: []channels.Draft{d}}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		seqs := make(map[channels.Channel]channels.Seq)
		seen := make(map[channels.EventID]bool)
		for range writers * each {
			d, err := sub.Next(ctx)
			if err != nil || d.Event == nil {
				t.Fatalf("after %d events: %+v, %v", len(seen), d, err)
			}
			if seen[d.Event.ID] {
				t.Errorf("event %d comes twice", d.Event.ID)
			}
			seen[d.Event.ID] = true
			for _, p := range d.Event.Positions {
				if p.Seq != seqs[p.Channel]+1 {
					t.Fatalf("%s follows %s:%d", p, p.Channel, seqs[p.Channel])
				}
				seqs[p.Channel] = p.Seq
			}
		}
		group.Wait()
	})
}

func TestOthersCommitsRing(t *testing.T) {
	eachKind(t, func(t *testing.T, url string) {
		watching, writing := open(t, url, store.Options{}), open(t, url, store.Options{})
		rung := make(chan struct{}, 1000)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- watching.Watch(ctx, func() { rung <- struct{}{} }) }()
		<-rung // it has begun
		for range 3 {
			if _, err := writing.Append(ctx, channels.Batch{Drafts: []channels.Draft{{Channels: []channels.Channel{"a"}, Data: []byte("1")}}}); err != nil {
				t.Fatal(err)
			}
			select {
			case <-rung:
			case <-time.After(patience):
				t.Fatal("the commit rings nothing")
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Watch ends with %v", err)
		}
	})
}

func TestWatchingGoesOnAfterALostConnection(t *testing.T) {
	url := server.Database(t)
	s := open(t, url, store.Options{})
	rung := make(chan struct{}, 1000)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Watch(ctx, func() { rung <- struct{}{} }) }()
	for range 2 {
		select {
		case <-rung:
		case <-time.After(patience):
			t.Fatal("nothing rings")
		}
		query(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()`)
	}
	<-rung // whatever was missed meanwhile
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch ends with %v", err)
	}
}
