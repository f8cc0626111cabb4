package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/griphub/griphub/channels"
)

// A PublishKey lets an application publish.
type PublishKey struct {
	// Name is what logs and metrics call the application. Keys of the same name share their idempotency ids.
	Name string
	// Digest is the SHA-256 of the key; the key itself is not kept.
	Digest [sha256.Size]byte
	// Channels are patterns of the channels that it may publish to; empty for all.
	Channels []channels.Pattern
	// Rate bounds its events.
	Rate PublishRate
}

// A PublishRate bounds the events of one publisher. The zero value is no bound.
type PublishRate struct {
	// Events is how many a second; 0 for no bound.
	Events float64
	// Burst is how many at once, after a pause.
	Burst int
}

func (r PublishRate) limiter() *rate.Limiter {
	if r.Events == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r.Events), r.Burst)
}

// Names of publishers without a key, in logs and metrics: there may be any number of users.
const (
	nobody         = "nobody"
	users          = "users"
	administrators = "administrators"
)

// A publisher is who publishes over HTTP.
type publisher struct {
	channels.Principal
	// name is the publisher's in logs and metrics.
	name string
	// ids is the name space of its idempotency ids; empty for the one that all share who may do everything.
	ids string
	// limiter bounds its events; nil for no bound.
	limiter *rate.Limiter
}

// publishers tells who publishes, and counts what they do.
type publishers struct {
	keys     []keyHolder
	userRate PublishRate
	// events and refusals are counted by the publisher's name.
	events, refusals *prometheus.CounterVec

	mu sync.Mutex
	// limiters are those of users who published lately.
	limiters map[string]*rate.Limiter
}

type keyHolder struct {
	digest    [sha256.Size]byte
	publisher publisher
}

func newPublishers(keys []PublishKey, userRate PublishRate, registry prometheus.Registerer) *publishers {
	p := &publishers{
		userRate: userRate, limiters: make(map[string]*rate.Limiter),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "griphub_publish_events_total", Help: "Events stored by POST /api/publish, by the publisher's name: a key's, users or administrators.",
		}, []string{"publisher"}),
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "griphub_publish_refusals_total", Help: "Requests to POST /api/publish of which nothing was stored, by the publisher's name and the error's code.",
		}, []string{"publisher", "code"}),
	}
	for _, k := range keys {
		holder := keyHolder{k.Digest, publisher{name: k.Name, limiter: k.Rate.limiter()}}
		if len(k.Channels) == 0 {
			holder.publisher.Admin = true
		} else {
			holder.publisher.Publish, holder.publisher.ids = k.Channels, "key/"+url.PathEscape(k.Name)
		}
		p.keys = append(p.keys, holder)
		p.events.WithLabelValues(k.Name)
	}
	p.events.WithLabelValues(users)
	p.events.WithLabelValues(administrators)
	p.refusals.WithLabelValues(nobody, "unauthorized")
	if registry != nil {
		registry.MustRegister(p.events, p.refusals)
	}
	return p
}

// byKey returns whose key it is. It compares with every key, and digests instead of keys, so that the time taken tells
// nothing.
func (p *publishers) byKey(key string) (by publisher, ok bool) {
	given := sha256.Sum256([]byte(key))
	found := -1
	for i := range p.keys {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(given[:], p.keys[i].digest[:]), i, found)
	}
	if found < 0 {
		return publisher{}, false
	}
	return p.keys[found].publisher, true
}

// byIdentity returns a visitor who may publish.
func (p *publishers) byIdentity(visitor channels.Principal, now time.Time) publisher {
	if visitor.Admin {
		return publisher{Principal: visitor, name: administrators}
	}
	return publisher{Principal: visitor, name: users, ids: "user/" + url.PathEscape(visitor.User), limiter: p.limiter(visitor.User, now)}
}

// maxLimiters is how many users' limiters are kept before those are dropped that no longer tell anything.
const maxLimiters = 10_000

func (p *publishers) limiter(user string, now time.Time) *rate.Limiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if known, ok := p.limiters[user]; ok {
		return known
	}
	if len(p.limiters) >= maxLimiters {
		for name, l := range p.limiters {
			if l.TokensAt(now) >= float64(l.Burst()) {
				delete(p.limiters, name)
			}
		}
	}
	fresh := p.userRate.limiter()
	if fresh != nil {
		p.limiters[user] = fresh
	}
	return fresh
}

// ready refuses a publisher that has nothing left, before what it sends is read.
func (by *publisher) ready(now time.Time) error {
	if by.limiter == nil {
		return nil
	}
	if left := by.limiter.TokensAt(now); left < 1 {
		return tooFast(time.Duration((1 - left) / float64(by.limiter.Limit()) * float64(time.Second)))
	}
	return nil
}

// charge takes events from what the publisher may send now, all of them or none.
func (by *publisher) charge(events int, now time.Time) error {
	switch {
	case by.limiter == nil:
		return nil
	case events > by.limiter.Burst():
		return &problem{status: http.StatusRequestEntityTooLarge, code: "too-large",
			message: fmt.Sprintf("%d events in one request, the most for this publisher is %d.", events, by.limiter.Burst())}
	}
	taken := by.limiter.ReserveN(now, events)
	if wait := taken.DelayFrom(now); wait > 0 {
		taken.CancelAt(now)
		return tooFast(wait)
	}
	return nil
}

func tooFast(wait time.Duration) *problem {
	return &problem{status: http.StatusTooManyRequests, code: "rate-limited", retryAfter: wait,
		message: "This publisher sends more events than it may; nothing of this request was stored."}
}
