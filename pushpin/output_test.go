package pushpin

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// record returns an output with a clock that stands still, and what it logs.
func record() (*output, *bytes.Buffer) {
	var log bytes.Buffer
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
	o := newOutput(slog.New(handler))
	now := time.Now()
	o.now = func() time.Time { return now }
	return o, &log
}

func TestLinesAreLoggedAtTheirLevel(t *testing.T) {
	o, log := record()
	for _, line := range []string{
		"[ERR] 2026-11-21 05:22:19.196 [condure] failed to bind",
		"[WARN] 2026-11-21 05:22:19.196 hm",
		"[INFO] 2026-11-21 05:22:19.196 started",
		"[DEBUG] 2026-11-21 05:22:19.196 much",
		"thread 'main' panicked at src/main.rs:1",
		"[strange] line",
		"",
	} {
		fmt.Fprintln(o, line)
	}
	o.close()
	for _, want := range []string{
		`level=ERROR msg="[condure] failed to bind"`,
		"level=WARN msg=hm", "level=DEBUG msg=started", "level=DEBUG msg=much",
		`level=WARN msg="thread 'main' panicked at src/main.rs:1"`, `level=WARN msg="[strange] line"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, log)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 6 {
		t.Errorf("%d records, want 6", n)
	}
	if o.lastLine() != "[strange] line" {
		t.Errorf("last line %q", o.lastLine())
	}
}

func TestLinesMayComeInPiecesAndWithoutEnd(t *testing.T) {
	o, log := record()
	for _, piece := range []string{"[WARN] 2026-11-21 05:2", "2:19.196 one\n[WARN] 2026-11-21 05:22:19.196 two\nthr", "ee", strings.Repeat("x", 5000)} {
		if n, err := o.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	o.close()
	if !strings.Contains(log.String(), "msg=one") || !strings.Contains(log.String(), "msg=two") || !strings.Contains(log.String(), "msg=threexxx") {
		t.Error(log)
	}
	if log.Len() > 2000 {
		t.Errorf("%d bytes were logged", log.Len())
	}
}

func TestAFloodIsCutOffAndCounted(t *testing.T) {
	o, log := record()
	now := o.now()
	for range 1000 {
		fmt.Fprintln(o, "[WARN] 2026-11-21 05:22:19.196 again")
	}
	if n := strings.Count(log.String(), "again"); n != floodLines {
		t.Errorf("%d lines, want %d", n, floodLines)
	}
	now = now.Add(floodWindow)
	o.now = func() time.Time { return now }
	fmt.Fprintln(o, "[WARN] 2026-11-21 05:22:19.196 later")
	if !strings.Contains(log.String(), fmt.Sprintf("lines=%d", 1000-floodLines)) || !strings.Contains(log.String(), "msg=later") {
		t.Error(log)
	}
}

func FuzzOutput(f *testing.F) {
	f.Add([]byte("[ERR] 2026-11-21 05:22:19.196 [condure] failed to bind\n"))
	f.Add([]byte("[INFO] \n[] \n]\n\xff\n\n[WARN"))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, log := record()
		if n, err := o.Write(text); n != len(text) || err != nil {
			t.Fatal(n, err)
		}
		o.close()
		if lines := strings.Count(log.String(), "\n"); lines > bytes.Count(text, []byte("\n"))+2 {
			t.Errorf("%d records of %q", lines, text)
		}
	})
}

func TestWhatOpensAStreamIsNotLogged(t *testing.T) {
	o, log := record()
	for _, line := range []string{
		"[INFO] 2026-11-21 05:22:19.196 GET http://h/events/?access_token=SECRET&channel=room -> h code=200 1",
		"[INFO] 2026-11-21 05:22:19.196 GET http://h/events/?channel=room&Access%5FToken=SECRET.x-y_z -> h code=200 1",
		"[DEBUG] 2026-11-21 05:22:19.196 IN id=1, GET http://h/next/SECRET.SECRET",
		"panic: GET /?access_token=SECRET",
		"[INFO] 2026-11-21 05:22:19.196 GET http://h/?access_token=" + strings.Repeat("SECRET", 1000),
	} {
		fmt.Fprintln(o, line)
	}
	if text := log.String(); strings.Contains(text, "SECRET") || strings.Count(text, "REDACTED") != 5 || !strings.Contains(text, "channel=room -> h code=200") {
		t.Errorf("the log is %s", text)
	}
}
