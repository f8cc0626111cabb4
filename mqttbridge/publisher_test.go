package mqttbridge_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

// publisher runs until the test ends.
func publisher(t *testing.T, config mqttbridge.Config) *mqttbridge.Publisher {
	t.Helper()
	p, err := mqttbridge.NewPublisher(config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

func TestAPublisherGoesOnOverARestartOfTheBroker(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	p := publisher(t, mqttbridge.Config{URL: broker.URL})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for n := range 20 {
		if n == 10 {
			broker.Stop()
			broker.Restart()
		}
		if err := p.Publish(ctx, "things/pump/p1/data", fmt.Appendf(nil, `{"n":%d}`, n)); err != nil {
			t.Fatalf("message %d: %v", n, err)
		}
	}
	await(t, "20 messages", func() bool { return r.count() >= 20 })
}

func TestAPublisherSaysThatItIsNotLetIn(t *testing.T) {
	broker := brokertest.Start(t, brokertest.Password("hub", password))
	p, err := mqttbridge.NewPublisher(mqttbridge.Config{URL: broker.URL, Username: "hub", Password: "geheim"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Run(ctx); err == nil || !strings.Contains(err.Error(), "not authorized") || strings.Contains(err.Error(), "geheim") {
		t.Errorf("Run: %v", err)
	}
}
