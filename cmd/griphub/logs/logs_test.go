package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/griphub/griphub/cmd/griphub/logs"
)

type idKey struct{}

func requestOf(ctx context.Context) string {
	id, _ := ctx.Value(idKey{}).(string)
	return id
}

func TestLinesNameTheirRequest(t *testing.T) {
	var out bytes.Buffer
	log, _ := logs.New(&out, logs.Options{Request: requestOf})
	ctx := context.WithValue(t.Context(), idKey{}, "r-1")
	log.With("proxy", "p").WarnContext(ctx, "slow", "seconds", 3)
	log.Warn("slow")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[0], " level=WARN msg=slow proxy=p seconds=3 request=r-1") || strings.Contains(lines[1], "request=") {
		t.Errorf("the lines are %q", lines)
	}
}

func TestLevelsAndJSON(t *testing.T) {
	var out bytes.Buffer
	log, _ := logs.New(&out, logs.Options{Level: slog.LevelWarn, JSON: true})
	log.Info("not this")
	log.Error("this", "n", 1)
	var line struct {
		Level, Msg string
		N          int
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil || line.Level != "ERROR" || line.Msg != "this" || line.N != 1 {
		t.Errorf("%v: %s", err, out.String())
	}
}

// A flood is written as its beginning and a number, also where nothing follows it; other messages are not held up by it.
func TestAFloodIsCountedAndSummarised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		log, flush := logs.New(&out, logs.Options{})
		for i := range 5000 {
			log.With("n", i).Warn("refused")
		}
		log.Info("refused") // of another level
		log.Warn("something else")
		if n := strings.Count(out.take(), "\n"); n != 22 {
			t.Errorf("%d lines of a flood of 5000 and two others", n)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if got := out.take(); strings.Count(got, "\n") != 1 || !strings.Contains(got, `level=WARN msg="more lines were not logged" n=4999 of=refused lines=4980`) {
			t.Errorf("afterwards it says %q", got)
		}
		log.Warn("refused")
		if got := out.take(); !strings.Contains(got, "msg=refused") {
			t.Errorf("after the flood a line is %q", got)
		}
		for range 30 {
			log.Error("the end")
		}
		out.take()
		flush()
		if got := out.take(); !strings.Contains(got, `of="the end" lines=10`) {
			t.Errorf("at the end it says %q", got)
		}
		flush()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := out.take(); got != "" {
			t.Errorf("it says again %q", got)
		}
	})
}

// Messages that never end cost no memory without end.
func TestMessagesThatAreAllDifferentAreAFloodToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out lockedBuffer
		log, flush := logs.New(&out, logs.Options{})
		for i := range 5000 {
			log.Info(fmt.Sprintf("message %d", i))
		}
		if n := strings.Count(out.take(), "\n"); n != 1000+20 {
			t.Errorf("%d lines", n)
		}
		flush()
		if got := out.take(); !strings.Contains(got, "lines=3980") {
			t.Errorf("it tells %q", got)
		}
	})
}

func TestDebuggingIsNotBounded(t *testing.T) {
	var out bytes.Buffer
	log, _ := logs.New(&out, logs.Options{Level: slog.LevelDebug})
	for range 100 {
		log.Debug("step")
	}
	if n := strings.Count(out.String(), "\n"); n != 100 {
		t.Errorf("%d lines", n)
	}
}

// A lockedBuffer is written to by timers, too.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// take returns what was written since the last time.
func (l *lockedBuffer) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

func BenchmarkALine(b *testing.B) {
	log, _ := logs.New(discard{}, logs.Options{Request: requestOf})
	b.ReportAllocs()
	for b.Loop() {
		log.Warn("refused", "route", "/events/:channel")
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
