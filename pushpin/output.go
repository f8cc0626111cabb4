package pushpin

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	maxLine     = 1000             // bytes of a child's line that are logged
	floodWindow = 10 * time.Second // in a window,
	floodLines  = 20               // no more lines than these are logged
)

// bearers finds what Pushpin shows of a request's address, with log_level=2, and what opens a stream to whoever has it: tokens
// of clients that can set no header, and next links.
var bearers = regexp.MustCompile(`(?i)(access(?:_|%5f)token=|/next/)[^&\s"]+`)

// output logs the lines that a child prints, each at the level that it states.
type output struct {
	log *slog.Logger
	now func() time.Time

	mu         sync.Mutex
	line       []byte // the beginning of a line whose end has not come
	last       string // the last line that told something
	window     time.Time
	logged     int
	suppressed int
}

func newOutput(log *slog.Logger) *output { return &output{log: log, now: time.Now} }

// Write never fails: a child must not die of what cannot be logged.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(p)
	for {
		text, rest, ended := bytes.Cut(p, []byte{'\n'})
		if room := maxLine - len(o.line); len(text) > room {
			text = text[:room]
		}
		o.line = append(o.line, text...)
		if !ended {
			return n, nil
		}
		o.record(string(o.line))
		o.line = o.line[:0]
		p = rest
	}
}

// lastLine is the last thing that the child said, for the error that tells of its end.
func (o *output) lastLine() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

// close logs what is left.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.line) > 0 {
		o.record(string(o.line))
		o.line = nil
	}
	o.tellSuppressed()
}

func (o *output) record(line string) {
	level, text := parseLine(line)
	if text == "" {
		return
	}
	text = bearers.ReplaceAllString(text, "${1}REDACTED")
	if level > slog.LevelDebug {
		o.last = text
	}
	if now := o.now(); now.Sub(o.window) >= floodWindow {
		o.tellSuppressed()
		o.window, o.logged = now, 0
	}
	if o.logged++; o.logged > floodLines && level > slog.LevelDebug {
		o.suppressed++
		return
	}
	o.log.Log(context.Background(), level, text)
}

func (o *output) tellSuppressed() {
	if o.suppressed > 0 {
		o.log.Warn("more lines were not logged", "lines", o.suppressed)
		o.suppressed = 0
	}
}

// parseLine takes a line such as "[ERR] 2026-11-21 05:22:19.196 [condure] text" apart. Lines
// of another form are what runtimes print when a program crashes.
func parseLine(line string) (slog.Level, string) {
	line = strings.TrimSpace(strings.ToValidUTF8(line, "�"))
	tag, rest, ok := strings.Cut(line, "] ")
	if !ok || !strings.HasPrefix(tag, "[") {
		return slog.LevelWarn, line
	}
	level := slog.LevelDebug
	switch tag[1:] {
	case "ERR":
		level = slog.LevelError
	case "WARN":
		level = slog.LevelWarn
	case "INFO", "DEBUG", "TRACE":
	default:
		return slog.LevelWarn, line
	}
	// The record has a time of its own.
	date, afterDate, _ := strings.Cut(rest, " ")
	clock, text, _ := strings.Cut(afterDate, " ")
	if len(date) != len("2006-01-02") || strings.Count(clock, ":") != 2 {
		text = rest
	}
	return level, text
}
