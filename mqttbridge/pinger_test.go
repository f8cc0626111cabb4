package mqttbridge

import (
	"bufio"
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pinging runs a pinger against a peer that answers so many pings, and returns what Run does within ten minutes.
func pinging(t *testing.T, answers int, held bool) (p *pinger, took time.Duration, err error) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	p = newPinger(&wire{Conn: near, in: bufio.NewReader(near)}, func() bool { return held })
	var pings atomic.Int64
	go func() {
		for b := make([]byte, 2); ; {
			if _, err := io.ReadFull(far, b); err != nil {
				return
			}
			if pings.Add(1) <= int64(answers) {
				p.PingResp()
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	start := time.Now()
	err = p.Run(ctx, nil, keepAliveSeconds)
	return p, time.Since(start), err
}

func TestABrokerThatAnswersIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, err := pinging(t, 1000, false)
		if err != nil {
			t.Errorf("Run: %v", err)
		}
		if p.sent < 30 || p.sent > 61 {
			t.Errorf("%d pings in ten minutes", p.sent)
		}
	})
}

func TestABrokerThatFallsSilentIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, took, err := pinging(t, 3, false)
		if err == nil || took < 50*time.Second || took > 80*time.Second {
			t.Errorf("Run: %v after %v", err, took)
		}
	})
}

func TestABrokerIsNotGivenUpWhileTheBridgeDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if _, took, err := pinging(t, 3, true); err != nil {
			t.Errorf("Run: %v after %v", err, took)
		}
	})
}

func TestAnAnswerConfirmsWhatWasSentBeforeItsPing(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	p := newPinger(&wire{Conn: near}, func() bool { return false })
	first, err := p.send([]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.send([]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	p.PingResp()
	if !p.answeredTo(first) || p.answeredTo(second) {
		t.Errorf("after one answer: %v, %v", p.answeredTo(first), p.answeredTo(second))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.settle(nil, time.Hour)
	}()
	p.PingResp()
	<-done
	near.Close()
	if _, err := p.send(nil); err == nil {
		t.Error("a lost connection takes a ping")
	}
}
