package pushpin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
	"github.com/griphub/griphub/pushpin/fastlytest"
)

// startFanout runs a service of Fastly Fanout whose backend holds streams on the channel that the path names, and long polls.
func startFanout(t testing.TB, options fastlytest.Options) (*fastlytest.Fanout, *origin) {
	t.Helper()
	o, address := startBackend(t, func(w http.ResponseWriter, a ask) {
		if a.path == "/poll" {
			set(w, "Grip-Hold", "response", "Grip-Channel", "a", "Grip-Timeout", "60")
			return
		}
		holdReliably(w, a)
	})
	return fastlytest.Start(t, address, options), o
}

func TestFastlysPublishAPIRefusesWhatFastlyDoes(t *testing.T) {
	t.Parallel()
	fanout, _ := startFanout(t, fastlytest.Options{})
	api, _, _ := strings.Cut(fanout.GripURL(), "?")
	const good = `{"items":[{"channel":"a","formats":{"http-stream":{"content":"x"}}}]}`
	for _, c := range []struct {
		name, method, path, token, contentType, body string
		want                                         int
	}{
		{"what is right", "POST", "/publish/", fanout.Token, "application/json", good, 200},
		{"nothing", "POST", "/publish/", fanout.Token, "application/json", `{"items":[]}`, 200},
		{"no slash", "POST", "/publish", fanout.Token, "application/json", good, 404},
		{"another path", "POST", "/recover", fanout.Token, "application/json", "", 404},
		{"another service", "POST", "x/publish/", fanout.Token, "application/json", good, 404},
		{"GET", "GET", "/publish/", fanout.Token, "application/json", "", 405},
		{"no token", "POST", "/publish/", "", "application/json", good, 401},
		{"another token", "POST", "/publish/", "hunter2", "application/json", good, 401},
		{"text", "POST", "/publish/", fanout.Token, "text/plain", good, 415},
		{"no JSON", "POST", "/publish/", fanout.Token, "application/json", good[1:], 400},
		{"a hint", "POST", "/publish/", fanout.Token, "application/json", `{"items":[{"channel":"a","formats":{"http-response":{"action":"hint"}}}]}`, 400},
		{"an unknown format", "POST", "/publish/", fanout.Token, "application/json", `{"items":[{"channel":"a","formats":{"other":{}}}]}`, 400},
		{"a number as id", "POST", "/publish/", fanout.Token, "application/json", `{"items":[{"channel":"a","id":1,"formats":{"http-stream":{"content":"x"}}}]}`, 400},
		{"too much", "POST", "/publish/", fanout.Token, "application/json", strings.Replace(good, "x", strings.Repeat("x", fastlytest.BodyLimit), 1), 413},
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, api+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", c.contentType)
		req.Header.Set("Authorization", "Bearer "+c.token)
		resp, err := fanout.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.want || c.want == 200 && !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
			t.Errorf("%s: %s %v, want %d", c.name, resp.Status, resp.Header, c.want)
		}
	}
}

func TestEventsReachFastlysViewersWithoutHints(t *testing.T) {
	t.Parallel()
	fanout, o := startFanout(t, fastlytest.Options{})
	v := view(t, fanout.URL()+"/a")
	o.settle("/a")
	var log logbook
	c := startClient(t, pushpin.Options{Render: toAll, Logger: log.logger(), HTTPClient: fanout.Client()}, parseProxy(t, fanout.GripURL()))
	for n := range 20 {
		c.Send(run("a", n+1, n+1))
		v.want(fmt.Sprintf("a %d", n+1))
	}
	if err := flush(t, c); err != nil {
		t.Error(err)
	}
	if refused := fanout.Refused(); len(refused) != 1 || !strings.Contains(refused[0], "hint") {
		t.Errorf("refused: %q", refused)
	}
	if s := c.Status()[0]; s.State != pushpin.StateUp || s.Sent != 20 || s.Rejected != 0 {
		t.Errorf("status %+v", s)
	}
	if log.count("takes events and no hints") != 1 || strings.Contains(log.String(), fanout.Token) {
		t.Errorf("log: %s", log.String())
	}
}

func TestFastlysHintsAreUsedWhereItTakesThem(t *testing.T) {
	t.Parallel()
	fanout, o := startFanout(t, fastlytest.Options{Hints: true})
	go poll(t, fanout.URL()+"/poll")
	o.wantAsk("/poll", 1)
	c := startClient(t, pushpin.Options{Render: toAll, HTTPClient: fanout.Client()}, parseProxy(t, fanout.GripURL()))
	// A hold that is just being made does not hear of an event, but of a later one.
	n := 0
	waitFor(t, "the poll to ask again", func() bool {
		n++
		c.Send(run("a", n, n))
		if err := flush(t, c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		return len(o.asksFor("/poll")) > 1
	})
	if refused := fanout.Refused(); refused != nil {
		t.Errorf("refused: %q", refused)
	}
}

func TestWhatFastlyFindsTooLargeIsSentInParts(t *testing.T) {
	t.Parallel()
	fanout, _ := startFanout(t, fastlytest.Options{Hints: true})
	c := restingClient(pushpin.Options{HTTPClient: fanout.Client()}, parseProxy(t, fanout.GripURL()))
	const events = 40
	for n := range events {
		c.Send([]channels.Event{sizedEvent(fmt.Sprintf("c%d", n), 1, 8<<10)})
	}
	t.Cleanup(runClient(t, c))
	if err := flush(t, c); err != nil {
		t.Error(err)
	}
	if s := c.Status()[0]; s.Sent != events || s.Rejected != 0 {
		t.Errorf("status %+v", s)
	}
	// The limit is learnt once.
	if refused := fanout.Refused(); len(refused) == 0 || len(refused) > 5 || !strings.HasPrefix(refused[0], "413") {
		t.Errorf("refused: %q", refused)
	}
}

// Fastly cannot make all viewers ask. What was lost is hinted by channel, and a refusal of that is no outage.
func TestALossAtFastlyIsRepairedByHintsAlone(t *testing.T) {
	t.Parallel()
	for _, hints := range []bool{true, false} {
		t.Run(fmt.Sprintf("hints %v", hints), func(t *testing.T) {
			t.Parallel()
			fanout, _ := startFanout(t, fastlytest.Options{Hints: hints})
			c := startClient(t, pushpin.Options{
				Render: toAll, HTTPClient: fanout.Client(), QueueBytes: 10_000, RequestTimeout: 200 * time.Millisecond,
			}, parseProxy(t, fanout.GripURL()))
			c.Send(run("a", 1, 1))
			if err := flush(t, c); err != nil {
				t.Fatal(err)
			}
			fanout.Hang()
			const channelCount = 400 // more than are hinted one by one
			for n := range channelCount {
				c.Send(run(fmt.Sprintf("c%d", n), 1, 1))
			}
			waitFor(t, "items to be dropped", func() bool { return c.Status()[0].Dropped > 300 })
			fanout.Recover()
			waitFor(t, "the repair", func() bool { s := c.Status()[0]; return s.Repairs > 0 && s.State == pushpin.StateUp })
			recovers := 0
			for _, r := range fanout.Requests() {
				if strings.HasSuffix(r.URL.Path, "/recover") {
					recovers++
				}
			}
			if recovers != 1 {
				t.Errorf("asked for /recover %d times", recovers)
			}
			c.Send(run("a", 2, 2))
			if err := flush(t, c); err != nil && !strings.Contains(err.Error(), "queue was full") {
				t.Error(err)
			}
		})
	}
}

// A proxy that hangs delays no other, and no proxy is shown what another is given.
func TestProxiesOfDifferentKindsAreServedSideBySide(t *testing.T) {
	t.Parallel()
	fanout, behindFastly := startFanout(t, fastlytest.Options{})
	o := startOrigin(t, holdReliably)
	port := newControlPort(t, nil)
	atPushpin := view(t, o.URL()+"/a")
	o.settle("/a")
	atFastly := view(t, fanout.URL()+"/a")
	behindFastly.settle("/a")
	var log logbook
	c := startClient(t, pushpin.Options{Render: toAll, Logger: log.logger(), HTTPClient: fanout.Client()},
		parseProxy(t, o.GripURL()), parseProxy(t, fanout.GripURL()), parseProxy(t, port.server.URL+"?iss=third&key=third-secret"))
	for n := 1; n <= 5; n++ {
		c.Send(run("a", n, n))
		atPushpin.want(fmt.Sprintf("a %d", n))
		atFastly.want(fmt.Sprintf("a %d", n))
	}

	fanout.Hang()
	for n := 6; n <= 20; n++ {
		began := time.Now()
		c.Send(run("a", n, n))
		atPushpin.want(fmt.Sprintf("a %d", n))
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("the event took %v while the other proxy hangs", took)
		}
	}
	fanout.Recover()
	for n := 6; n <= 20; n++ {
		atFastly.want(fmt.Sprintf("a %d", n))
	}
	// Not by hints at the others either.
	if ids := port.ids(); !slices.Equal(ids, idsOf("a", 1, 20)) {
		t.Errorf("the third proxy took %q", ids)
	}

	for _, r := range fanout.Requests() {
		if a := r.Header.Get("Authorization"); a != "Bearer "+fanout.Token {
			t.Errorf("Fastly was shown %q", a)
		}
	}
	third, err := grip.NewSecret([]byte("third-secret"))
	if err != nil {
		t.Fatal(err)
	}
	verifier := grip.NewVerifier([]grip.Proxy{{VerifyKey: third, VerifyIssuer: "third"}})
	for _, p := range port.requests() {
		if err := verifier.Verify(strings.TrimPrefix(p.Header.Get("Authorization"), "Bearer "), time.Now()); err != nil {
			t.Errorf("the third proxy was shown another's key: %v", err)
		}
	}
	for _, secret := range []string{fanout.Token, "third-secret", string(o.SigKey())} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log shows a secret: %s", log.String())
		}
	}
}

func TestTheDoctorsExaminationOfFastly(t *testing.T) {
	t.Parallel()
	fanout, _ := startFanout(t, fastlytest.Options{})
	// Examine has a client of its own, which does not trust the test's certificate.
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Scheme, r.URL.Host, r.RequestURI = "https", strings.TrimPrefix(fanout.APIURL(), "https://"), ""
		resp, err := fanout.Client().Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
	}))
	defer plain.Close()
	_, rest, _ := strings.Cut(fanout.GripURL(), "/service/")
	e, err := pushpin.Examine(t.Context(), parseProxy(t, plain.URL+"/service/"+rest), "griphub-doctor")
	if err != nil || e.Hints || e.Recovers || e.Pushpin {
		t.Errorf("%+v, %v", e, err)
	}
}
