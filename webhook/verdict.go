package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"
)

// A verdict is what a try that failed says about the receiver.
type verdict int

const (
	away    verdict = iota // it is not there, or has no time now: the message is not the reason
	refuses                // the message may be the reason
	gone                   // it wants nothing any more
)

func judge(a answer, err error) verdict {
	if err != nil {
		if timedOut(err) {
			return refuses
		}
		return away
	}
	switch a.status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return away
	case http.StatusGone:
		return gone
	}
	return refuses
}

// timedOut tells that the receiver has taken the request and not answered. One that cannot even be connected to is away.
func timedOut(err error) bool {
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return false
	}
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// why is a try's failure in one sentence.
func why(a answer, err error) string {
	if err != nil {
		return err.Error()
	}
	const most = 200
	text := strings.Join(strings.Fields(strings.ToValidUTF8(string(a.body), "\uFFFD")), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	if text == "" {
		return fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	}
	return fmt.Sprintf("%d %s: %s", a.status, http.StatusText(a.status), text)
}

// A backoff is a pause that doubles.
type backoff struct{ first, last, next time.Duration }

func newBackoff(first, last time.Duration) *backoff { return &backoff{first, last, first} }

func (b *backoff) reset() { b.next = b.first }

// wait waits for between half the pause and all of it, so that many who were turned away together do not come back together,
// and not less than atLeast. It tells whether ctx lasted.
func (b *backoff) wait(ctx context.Context, atLeast time.Duration) bool {
	pause := max(atLeast, b.next/2+rand.N(b.next/2+1))
	b.next = min(2*b.next, b.last)
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
