package web

import (
	"fmt"
	"testing"
	"time"
)

func TestOnlyUsersWhoPublishedLatelyAreRemembered(t *testing.T) {
	p := newPublishers(nil, PublishRate{Events: 1, Burst: 10}, nil)
	now := time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)
	first := p.limiter("first", now)
	if !first.AllowN(now, 10) {
		t.Fatal("a user who never published is too fast")
	}
	for n := range 5 * maxLimiters {
		p.limiter(fmt.Sprint(n), now)
		if len(p.limiters) > maxLimiters {
			t.Fatalf("%d users are remembered", len(p.limiters))
		}
	}
	if p.limiter("first", now) != first {
		t.Error("who is too fast is forgotten")
	}
	if p := newPublishers(nil, PublishRate{}, nil); p.limiter("7", now) != nil || len(p.limiters) > 0 {
		t.Error("without a rate users are remembered")
	}
}
