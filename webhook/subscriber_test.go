package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/webhook"
)

func TestAReceiverGetsEachEventInOrderWithItsPrivateData(t *testing.T) {
	r := newReceiver(t, status())
	s := newScene(t, r.URL)
	s.publish("orders", "old", `0`)
	sub, _ := s.start()
	s.publish("orders", "order.created", `{"n":1}`)
	s.publish("elsewhere", "x", `0`)
	s.publish(channels.System, "job", `{"n":2}`)
	e := s.publish("orders", "order.paid", `{"n":3}`)
	got := r.await(3)
	if ids(got) != "[2 4 5]" {
		t.Errorf("got %s", ids(got))
	}
	first := got[0].body
	if first.ID != "2" || first.Event != "order.created" || string(first.Data) != `{"n":1}` || string(first.Private) != `{"secret":true}` ||
		first.Channels[0] != "orders" || first.Cursor.String() != "orders:2,%40system:0" {
		t.Errorf("the first is %+v", first)
	}
	s.eventually("the place is kept behind the last", func() bool { return s.bookmark() == "orders:3,%40system:1" })
	done, err := s.log.Activities(t.Context(), e.ID)
	if err != nil || len(done) != 1 || done[0].Kind != channels.ActivityDelivered || done[0].Who != "crm" {
		t.Errorf("the activities are %+v (%v)", done, err)
	}
	if stats := sub.Stats(); stats != (webhook.SubscriberStats{Delivered: 3}) {
		t.Errorf("the counts are %+v", stats)
	}
}

func TestEventsOfOtherTypesArePassedOver(t *testing.T) {
	r := newReceiver(t, status())
	s := newScene(t, r.URL)
	s.opts.Events = []channels.Pattern{"order.*", "job"}
	s.start()
	for n := range 250 {
		s.publish("orders", "noise", fmt.Sprint(n))
	}
	s.publish("orders", "order.paid", `1`)
	if got := r.await(1); ids(got) != "[251]" {
		t.Errorf("got %s", ids(got))
	}
}

func TestAnOutageOfTheReceiverLosesNothing(t *testing.T) {
	r := newReceiver(t, status(503, 502, 504, 429, 408, 425, 503, 503))
	s := newScene(t, r.URL)
	_, stop := s.start()
	s.publish("orders", "a", `1`)
	s.publish("orders", "b", `2`)
	// More tries than Retries: none of these answers is about the message.
	if got := r.await(10); ids(got) != "[1 1 1 1 1 1 1 1 1 2]" {
		t.Errorf("got %s", ids(got))
	}
	s.eventually("all is delivered", func() bool { return s.bookmark() == "orders:2,%40system:0" })
	stop()
	if left := s.undelivered(); len(left) != 0 {
		t.Errorf("put away were %+v", left)
	}
}

func TestAReceiverThatIsNotThereIsWaitedFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	s := newScene(t, "http://"+address)
	sub, _ := s.start()
	for n := range 3 {
		s.publish("orders", "a", fmt.Sprint(n))
	}
	s.eventually("it was tried more often than Retries", func() bool { return sub.Stats().Failures > 10 })
	r := &receiver{TB: t, answer: status(), news: make(chan struct{}, 100)}
	if listener, err = net.Listen("tcp", address); err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: r}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close() })
	if got := r.await(3); ids(got) != "[1 2 3]" {
		t.Errorf("got %s", ids(got))
	}
}

func TestAMessageThatIsRefusedIsPutAwayAndTheNextGoesOn(t *testing.T) {
	for _, code := range []int{400, 401, 403, 404, 422, 500, 501, 301, 302, 307, 304} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			r := newReceiver(t, status(code, code, code))
			s := newScene(t, r.URL)
			sub, _ := s.start()
			e := s.publish("orders", "a", `{"n":1}`)
			s.publish("orders", "b", `2`)
			if got := r.await(4); ids(got) != "[1 1 1 2]" {
				t.Errorf("got %s", ids(got))
			}
			s.eventually("the place is behind both", func() bool { return s.bookmark() == "orders:2,%40system:0" })
			left := s.undelivered()
			if len(left) != 1 || left[0].Event != e.ID || left[0].Message != "1" || !strings.Contains(string(left[0].Body), `"data":{"n":1}`) ||
				!strings.Contains(left[0].Reason, fmt.Sprint(code)) {
				t.Errorf("put away was %+v", left)
			}
			if done, _ := s.log.Activities(t.Context(), e.ID); len(done) != 1 || done[0].Kind != channels.ActivityDead {
				t.Errorf("the activities are %+v", done)
			}
			if stats := sub.Stats(); stats.Dead != 1 || stats.Failures != 3 {
				t.Errorf("the counts are %+v", stats)
			}
		})
	}
}

func TestAReceiverThatHangsIsAskedOnlyRetriesTimes(t *testing.T) {
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	r := newReceiver(t, func(n int, w http.ResponseWriter, req *http.Request) {
		if n < 3 {
			select {
			case <-hang:
			case <-req.Context().Done():
			}
		}
	})
	s := newScene(t, r.URL)
	s.opts.Endpoint.Timeout = 50 * time.Millisecond
	s.start()
	s.publish("orders", "a", `1`)
	s.publish("orders", "b", `2`)
	if got := r.await(4); ids(got) != "[1 1 1 2]" {
		t.Errorf("got %s", ids(got))
	}
}

func TestAReceiverThatIsGoneIsAskedRarelyAndLosesNothing(t *testing.T) {
	r := newReceiver(t, status(410, 410, 410, 410, 410))
	s := newScene(t, r.URL)
	s.start()
	begin := time.Now()
	s.publish("orders", "a", `1`)
	r.await(6)
	if took := time.Since(begin); took < 5*50*time.Millisecond {
		t.Errorf("six tries took %v", took)
	}
	s.eventually("it is delivered", func() bool { return s.bookmark() == "orders:1,%40system:0" })
}

func TestARetryAfterIsHeeded(t *testing.T) {
	r := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	s := newScene(t, r.URL)
	s.start()
	begin := time.Now()
	s.publish("orders", "a", `1`)
	r.await(2)
	if took := time.Since(begin); took < time.Second {
		t.Errorf("it was tried again after %v", took)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	var visited atomic.Int32
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visited.Add(1) }))
	t.Cleanup(elsewhere.Close)
	r := newReceiver(t, func(n int, w http.ResponseWriter, req *http.Request) {
		http.Redirect(w, req, elsewhere.URL, []int{301, 302, 303, 307, 308}[n%5])
	})
	s := newScene(t, r.URL)
	s.opts.Retries = 4
	s.start()
	s.publish("orders", "a", `1`)
	s.eventually("it is put away", func() bool { return len(s.undelivered()) == 1 })
	if visited.Load() != 0 {
		t.Errorf("the other host was asked %d times", visited.Load())
	}
}

func TestAHugeAnswerIsCutOff(t *testing.T) {
	r := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 0 {
			w.WriteHeader(http.StatusInternalServerError)
			for range 1000 {
				if _, err := w.Write([]byte(strings.Repeat("x\xff\x00\n", 1000))); err != nil {
					return // as it should be: nobody reads on
				}
			}
		}
	})
	s := newScene(t, r.URL)
	s.opts.Retries = 0
	s.start()
	s.publish("orders", "a", `1`)
	s.eventually("it is put away", func() bool { return len(s.undelivered()) == 1 })
	if reason := s.undelivered()[0].Reason; len(reason) > 400 || !strings.HasPrefix(reason, "500") {
		t.Errorf("the reason is %d bytes: %.80q", len(reason), reason)
	}
}

func TestWhatWasPutAwayIsSentAgainWhenItIsRequeued(t *testing.T) {
	r := newReceiver(t, status(500, 500, 500, 204, 500, 500, 500))
	s := newScene(t, r.URL)
	s.opts.Retries = 0
	s.start()
	e := s.publish("orders", "a", `1`)
	s.publish("orders", "b", `2`)
	s.publish("orders", "c", `3`)
	s.publish("orders", "d", `4`)
	r.await(4)
	s.eventually("three are put away", func() bool { return len(s.undelivered()) == 3 })
	requeue := func() {
		for _, u := range s.undelivered() {
			u.Requeued = true
			if _, err := s.log.Append(t.Context(), channels.Batch{State: []any{u}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	requeue()
	if got := r.await(7); ids(got[4:]) != "[1 2 3]" {
		t.Errorf("got %s", ids(got))
	}
	s.eventually("they wait again", func() bool {
		left := s.undelivered()
		return len(left) == 3 && !left[0].Requeued && !left[2].Requeued
	})
	requeue()
	r.await(10)
	s.eventually("nothing is left", func() bool { return len(s.undelivered()) == 0 })
	done, _ := s.log.Activities(t.Context(), e.ID)
	if len(done) != 3 || done[2].Kind != channels.ActivityDelivered {
		t.Errorf("the activities are %+v", done)
	}
}

// forgetful is a log that fails to keep the place, as a database that goes in the moment after a delivery.
type forgetful struct {
	webhook.Log
	fail atomic.Bool
}

func (f *forgetful) Append(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	if f.fail.Load() {
		return nil, errors.New("the database is away")
	}
	return f.Log.Append(ctx, batch)
}

func TestADeliveryWhosePlaceWasNotKeptIsRepeatedUnderItsID(t *testing.T) {
	r := newReceiver(t, status())
	s := newScene(t, r.URL)
	log := &forgetful{Log: s.log}
	s.opts.Log = log
	_, stop := s.start()
	log.fail.Store(true)
	s.publish("orders", "a", `1`)
	r.await(1)
	s.eventually("it is said", func() bool { return strings.Contains(s.logged.String(), "the database is away") })
	stop()
	log.fail.Store(false)
	s.start()
	s.publish("orders", "b", `2`)
	s.eventually("all is delivered", func() bool { return s.bookmark() == "orders:2,%40system:0" })
	all := r.await(3)
	if last := ids(all[len(all)-2:]); last != "[1 2]" {
		t.Errorf("got %s", ids(all))
	}
}

func TestASubscriberThatStartsAgainGoesOnWhereItWas(t *testing.T) {
	r := newReceiver(t, status())
	s := newScene(t, r.URL)
	_, stop := s.start()
	stop()
	for n := range 5 {
		s.publish("orders", "a", fmt.Sprint(n))
	}
	s.start()
	if got := r.await(5); ids(got) != "[1 2 3 4 5]" {
		t.Errorf("got %s", ids(got))
	}
}

func TestLostHistoryIsToldToReceivers(t *testing.T) {
	r := newReceiver(t, status())
	s := newScene(t, r.URL)
	_, stop := s.start()
	stop()
	for n := range 3 {
		s.publish("orders", "a", fmt.Sprint(n))
	}
	if _, err := s.log.Trim(t.Context(), func(channels.Channel) channels.Retention { return channels.Retention{Count: 1} }, time.Now()); err != nil {
		t.Fatal(err)
	}
	sub, _ := s.start()
	s.publish("orders", "b", `4`)
	got := r.await(3)
	if b := got[0].body; b.Event != "stream-reset" || string(b.Data) != `{"channels":["orders"]}` || !strings.HasPrefix(got[0].id, "reset-") || b.Time.IsZero() {
		t.Errorf("the first is %+v", got[0])
	}
	if got[1].id != "3" || got[2].id != "4" || sub.Stats().Lost != 1 || !strings.Contains(s.logged.String(), "no longer has all events") {
		t.Errorf("then comes %s; the log says %s", ids(got[1:]), s.logged)
	}
}

func TestAReplayIsAMessageOfItsOwn(t *testing.T) {
	r := newReceiver(t, status())
	s := newScene(t, r.URL)
	s.start()
	e := s.publish("orders", "a", `1`)
	again := e.Draft
	again.ReplayOf = e.ID
	s.append(again)
	s.append(again)
	got := r.await(3)
	if ids(got) != "[1 1-1 1-2]" || got[2].body.ID != "1" || got[2].body.Replay != 2 {
		t.Errorf("got %s, the last %+v", ids(got), got[2].body)
	}
}

func TestPrivateAddressesCanBeDenied(t *testing.T) {
	r := newReceiver(t, status())
	for _, url := range []string{r.URL, strings.Replace(r.URL, "127.0.0.1", "localhost", 1), "http://[::ffff:127.0.0.1]:1", "http://10.0.0.1", "http://169.254.169.254/latest/meta-data/", "http://0.0.0.0:1", "http://100.64.0.1", "http://[fd00::1]"} {
		s := newScene(t, url)
		s.opts.Endpoint.DenyPrivate = true
		sub, stop := s.start()
		s.publish("orders", "a", `1`)
		s.eventually(url+" is refused", func() bool { return sub.Stats().Failures > 0 })
		stop()
		if logged := s.logged.String(); !strings.Contains(logged, "private address") {
			t.Errorf("%s: %s", url, logged)
		}
	}
	if got := r.await(0); len(got) != 0 {
		t.Errorf("the receiver got %s", ids(got))
	}
}

func TestNoSecretOfTheAddressIsLogged(t *testing.T) {
	s := newScene(t, "http://user:LEAKpassword@127.0.0.1:1/LEAKpath?token=LEAKquery")
	sub, _ := s.start()
	s.publish("orders", "a", `1`)
	s.eventually("it failed", func() bool { return sub.Stats().Failures > 2 })
	if logged := s.logged.String(); strings.Contains(logged, "LEAK") || !strings.Contains(logged, "refused") {
		t.Errorf("the log has %s", logged)
	}
	for _, url := range []string{"ftp://LEAK", "LEAK", "http://", "http://a\x7fLEAK"} {
		s.opts.Endpoint.URL = url
		if _, err := webhook.NewSubscriber(s.opts); err == nil || strings.Contains(err.Error(), "LEAK") {
			t.Errorf("%q: %v", url, err)
		}
	}
}
