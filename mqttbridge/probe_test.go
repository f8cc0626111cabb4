package mqttbridge_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/paho"

	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

// moreThanKept is more than Mosquitto keeps for a session unless it is told otherwise.
const moreThanKept = 1100

func probe(t *testing.T, config mqttbridge.Config) (*mqttbridge.Probe, context.Context) {
	t.Helper()
	config.Rules = rules(t)
	p, err := mqttbridge.NewProbe(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return p, ctx
}

func TestProbeSeesWhatABrokerGrants(t *testing.T) {
	t.Parallel()
	broker := brokertest.Start(t)
	p, ctx := probe(t, mqttbridge.Config{URL: broker.URL})
	grants, err := p.Grants(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(grants.Version, "mosquitto version ") || grants.Development() {
		t.Errorf("version is %q", grants.Version)
	}
	if grants.SessionExpiry != mqttbridge.WantedSessionExpiry || !grants.Retained || !grants.Wildcards || grants.ReceiveMaximum == 0 {
		t.Errorf("grants are %+v", grants)
	}
	if len(grants.Filters) != len(defaultRules) {
		t.Errorf("%d filters, want %d", len(grants.Filters), len(defaultRules))
	}
	for _, f := range grants.Filters {
		if f.Err != nil || f.QoS != 1 {
			t.Errorf("%s: QoS %d, %v", f.Filter, f.QoS, f.Err)
		}
	}
}

func TestProbeKnowsTheBrokerOfDevelopment(t *testing.T) {
	t.Parallel()
	r := newRecorder()
	b, _ := broker(t, "127.0.0.1:0", r, r)
	p, ctx := probe(t, mqttbridge.Config{URL: "mqtt://" + b.Addr()})
	grants, err := p.Grants(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !grants.Development() {
		t.Errorf("grants are %+v", grants)
	}
}

func TestProbeSeesABrokerThatGrantsLess(t *testing.T) {
	t.Parallel()
	// CONNACK with a session expiry of an hour, and a SUBACK for each subscription: none of the version, QoS 0, and no.
	url := answering(t, "\x20\x08\x00\x00\x05\x11\x00\x00\x0e\x10",
		"\x90\x04\x00\x01\x00\x87", "\x90\x04\x00\x02\x00\x00")
	p, ctx := probe(t, mqttbridge.Config{URL: url})
	grants, err := p.Grants(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if grants.SessionExpiry != time.Hour || grants.Version != "" {
		t.Errorf("grants are %+v", grants)
	}
	if first := grants.Filters[0]; first.QoS != 0 || first.Err != nil {
		t.Errorf("the first filter is %+v, want QoS 0", first)
	}
	// The connection has ended by now.
	if second := grants.Filters[1]; second.Err == nil {
		t.Errorf("the second filter is %+v, want an error", second)
	}
}

func TestProbeTellsWhetherTheBrokerKeepsMessages(t *testing.T) {
	t.Parallel()
	for name, scene := range map[string]struct {
		line string
		all  bool
	}{
		"all of them":         {"max_queued_messages 0", true},
		"Mosquitto's default": {"max_queued_messages 1000", false},
		"a limit of bytes":    {"max_queued_bytes 2000", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broker := brokertest.Start(t, brokertest.Conf(scene.line))
			p, ctx := probe(t, mqttbridge.Config{URL: broker.URL})
			kept, err := p.Keeps(ctx, moreThanKept)
			if err != nil {
				t.Fatal(err)
			}
			if !kept.Session || kept.Sent != moreThanKept || kept.Received == 0 || scene.all != (kept.Received == kept.Sent) {
				t.Errorf("kept %+v", kept)
			}
		})
	}
}

func TestProbeLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	broker := brokertest.Start(t)
	p, ctx := probe(t, mqttbridge.Config{URL: broker.URL})
	if _, err := p.Keeps(ctx, 10); err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, broker.URL, "asker")
	answer, err := d.client.Publish(ctx, &paho.Publish{Topic: p.Topic(), QoS: 1, Payload: []byte("anybody?")})
	if err != nil {
		t.Fatal(err)
	}
	const noMatchingSubscribers = 0x10 // MQTT 5, section 3.4.2.1
	if answer.ReasonCode != noMatchingSubscribers {
		t.Errorf("reason code is 0x%02x: the session is still there", answer.ReasonCode)
	}
}

func TestProbeLeavesTheBridgeAlone(t *testing.T) {
	t.Parallel()
	broker := brokertest.Start(t)
	r := newRecorder()
	bridge := connected(t, mqttbridge.Config{URL: broker.URL, ClientID: "griphub"}, r, r)
	p, ctx := probe(t, mqttbridge.Config{URL: broker.URL, ClientID: "griphub"})
	d := newDevice(t, broker.URL, "d1")
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		d.sendCounts(2, 0, 500)
	}()
	if _, err := p.Grants(ctx); err != nil {
		t.Error(err)
	}
	if _, err := p.Keeps(ctx, 200); err != nil {
		t.Error(err)
	}
	<-sent
	await(t, "1,000 messages", func() bool { return r.count() >= 1000 })
	r.wantCounts(t, 2, 500)
	if s := bridge.Stats(); s.Connections != 1 || s.Unmatched != 0 {
		t.Errorf("stats are %+v: the bridge was disturbed", s)
	}
}

func TestProbeTellsWhyItIsNotLetIn(t *testing.T) {
	t.Parallel()
	broker := brokertest.Start(t, brokertest.Password("griphub", "the-right-one"))
	page := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(page.Close)
	someone := errors.New("any")
	for name, scene := range map[string]struct {
		config mqttbridge.Config
		want   error
	}{
		"the right password":    {mqttbridge.Config{URL: strings.Replace(broker.URL, "//", "//griphub:the-right-one@", 1)}, nil},
		"a wrong password":      {mqttbridge.Config{URL: broker.URL, Username: "griphub", Password: "the-wrong-one"}, mqttbridge.ErrCredentials},
		"no password":           {mqttbridge.Config{URL: broker.URL}, mqttbridge.ErrCredentials},
		"MQTT 3.1.1's answer":   {mqttbridge.Config{URL: answering(t, "\x20\x02\x00\x01")}, mqttbridge.ErrNotMQTT5},
		"no answer":             {mqttbridge.Config{URL: answering(t, "")}, mqttbridge.ErrNotMQTT5},
		"a web server":          {mqttbridge.Config{URL: "mqtt://" + page.Listener.Addr().String()}, someone},
		"nobody":                {mqttbridge.Config{URL: "mqtt://127.0.0.1:1"}, someone},
		"TLS where there isn't": {mqttbridge.Config{URL: strings.Replace(broker.URL, "mqtt:", "mqtts:", 1)}, someone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, ctx := probe(t, scene.config)
			_, err := p.Grants(ctx)
			switch {
			case scene.want == nil && err != nil, scene.want != nil && err == nil:
				t.Errorf("error is %v, want %v", err, scene.want)
			case scene.want != nil && !errors.Is(scene.want, someone) && !errors.Is(err, scene.want):
				t.Errorf("error is %v, want %v", err, scene.want)
			case err != nil && strings.Contains(err.Error(), "-one"):
				t.Errorf("%v shows the password", err)
			}
		})
	}
}

func TestProbeTellsThatAccessRulesAreInItsWay(t *testing.T) {
	t.Parallel()
	for name, rules := range map[string]string{
		"nothing of its own": "topic read things/#\n",
		"may only send":      "topic write griphub/doctor/#\n",
		"may only read":      "topic read griphub/doctor/#\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			acl := filepath.Join(t.TempDir(), "acl")
			if err := os.WriteFile(acl, []byte(rules), 0o600); err != nil {
				t.Fatal(err)
			}
			broker := brokertest.Start(t, brokertest.Conf("acl_file "+acl))
			p, ctx := probe(t, mqttbridge.Config{URL: broker.URL})
			if _, err := p.Grants(ctx); err != nil {
				t.Errorf("grants: %v", err)
			}
			if _, err := p.Keeps(ctx, 10); !errors.Is(err, mqttbridge.ErrNoOwnTopic) {
				t.Errorf("error is %v, want %v", err, mqttbridge.ErrNoOwnTopic)
			}
		})
	}
}
