package logtest_test

import (
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/channels/logtest"
)

func TestMemory(t *testing.T) {
	logtest.Run(t, func(t *testing.T) logtest.Harness {
		t.Helper()
		refusals := channels.Retention{Age: 2 * time.Hour, Count: 20}
		m := logtest.NewMemory(time.Now, 3*time.Hour, refusals)
		return logtest.Harness{
			Log:          m,
			Another:      func() logtest.Log { return m },
			Jump:         m.Jump,
			DeleteEvents: m.DeleteEvents,
			KeyRetention: 3 * time.Hour,
			Refusals:     refusals,
		}
	})
}
