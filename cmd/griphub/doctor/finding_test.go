package doctor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/store"
)

func TestAFindingIsOneLine(t *testing.T) {
	var r Report
	r.OK("database", "SQLite %s", "3.50")
	r.Fail("broker", "it said:\nno\r\n", "ask again")
	want := "ok    database: SQLite 3.50\nFAIL  broker: it said: no; ask again\n"
	var text, lines bytes.Buffer
	w := &Printer{Out: &text}
	if err := w.Print(r.Findings); err != nil || text.String() != want || w.Failed != 1 || w.All != 2 {
		t.Errorf("got %q, %+v, %v", text.String(), w, err)
	}
	if err := (&Printer{Out: &lines, JSON: true}).Print(r.Findings); err != nil {
		t.Fatal(err)
	}
	var f map[string]string
	if err := json.Unmarshal(bytes.SplitAfter(lines.Bytes(), []byte("\n"))[1], &f); err != nil {
		t.Fatal(err)
	}
	if f["status"] != "FAIL" || f["check"] != "broker" || f["cure"] != "ask again" {
		t.Errorf("JSON is %v", f)
	}
}

// only returns the verdicts of the findings, and their cures.
func only(r Report) (verdicts, cures string) {
	for _, f := range r.Findings {
		verdicts += string(f.Verdict) + " "
		cures += f.Cure + " "
	}
	return strings.TrimSpace(verdicts), cures
}

func TestABrokerThatGrantsLessIsReported(t *testing.T) {
	const week = mqttbridge.WantedSessionExpiry
	filter := func(qos byte, err error) []mqttbridge.FilterGrant {
		return []mqttbridge.FilterGrant{{Filter: "things/#", QoS: qos, Err: err}}
	}
	for name, scene := range map[string]struct {
		grants         mqttbridge.Grants
		verdicts, cure string
	}{
		"everything":      {mqttbridge.Grants{SessionExpiry: week, Retained: true, Filters: filter(1, nil)}, "ok ok", ""},
		"no session":      {mqttbridge.Grants{Retained: true, Filters: filter(1, nil)}, "FAIL ok", "allow sessions to persist"},
		"a short session": {mqttbridge.Grants{SessionExpiry: time.Hour, Retained: true, Filters: filter(1, nil)}, "warn ok", "session expiry interval"},
		"QoS 0":           {mqttbridge.Grants{SessionExpiry: week, Retained: true, Filters: filter(0, nil)}, "ok FAIL", "allow QoS 1"},
		"no topic":        {mqttbridge.Grants{SessionExpiry: week, Retained: true, Filters: filter(0, errors.New("no"))}, "ok FAIL", "access rules"},
		"nothing kept":    {mqttbridge.Grants{SessionExpiry: week, Filters: filter(1, nil)}, "ok ok warn", "allow retained messages"},
	} {
		t.Run(name, func(t *testing.T) {
			var r Report
			r.grants(scene.grants)
			if verdicts, cures := only(r); verdicts != scene.verdicts || !strings.Contains(cures, scene.cure) {
				t.Errorf("got %s with %q", verdicts, cures)
			}
		})
	}
}

func TestADiskThatLosesEventsIsReported(t *testing.T) {
	for name, scene := range map[string]struct {
		disk    disk
		verdict Verdict
		cure    string
	}{
		"room":       {disk{free: 50 << 30}, Good, ""},
		"little":     {disk{free: 500 << 20}, Dubious, "make room"},
		"none":       {disk{free: 5 << 20}, Broken, "make room"},
		"NFS":        {disk{free: 50 << 30, kind: "nfs"}, Broken, "use PostgreSQL"},
		"memory":     {disk{free: 50 << 30, kind: "tmpfs"}, Dubious, "on a disk"},
		"containers": {disk{free: 50 << 30, kind: "overlay"}, Dubious, "on a volume"},
	} {
		t.Run(name, func(t *testing.T) {
			if f := scene.disk.finding("disk", "/data"); f.Verdict != scene.verdict || !strings.Contains(f.Cure, scene.cure) {
				t.Errorf("got %s", f)
			}
		})
	}
	var r Report
	examineDisk(&r, filepath.Join(t.TempDir(), "missing"))
	if verdicts, _ := only(r); verdicts != "warn" {
		t.Errorf("a directory that is not there: %s", verdicts)
	}
}

func TestSettingsOfPostgreSQLAreReported(t *testing.T) {
	var r Report
	r.postgres(store.Examination{Settings: map[string]string{"fsync": "on", "server_encoding": "SQL_ASCII"}, Ahead: -time.Minute})
	if verdicts, cures := only(r); verdicts != "ok FAIL warn" || !strings.Contains(cures, "ENCODING 'UTF8'") || !strings.Contains(cures, "NTP") {
		t.Errorf("got %s with %q", verdicts, cures)
	}
}

func TestFewDescriptorsAreReported(t *testing.T) {
	if f := limitFinding(256); f.Verdict != Dubious || !strings.Contains(f.Cure, "LimitNOFILE") {
		t.Errorf("got %s", f)
	}
	if f := limitFinding(65536); f.Verdict != Good {
		t.Errorf("got %s", f)
	}
}

func TestARateIsToldFromAMachineThatIsSlow(t *testing.T) {
	const events = burstStreams * burstEvents
	arrivals := func(at func(i int) time.Duration) burst {
		b := burst{streams: burstStreams}
		for i := range events {
			b.arrived = append(b.arrived, at(i))
		}
		return b
	}
	for name, scene := range map[string]struct {
		burst burst
		even  bool
	}{
		"nothing":        {burst{}, false},
		"at once":        {arrivals(func(i int) time.Duration { return time.Duration(i) * 4 * time.Microsecond }), false},
		"2,500 a second": {arrivals(func(i int) time.Duration { return time.Duration(i) * 400 * time.Microsecond }), true},
		"in steps of 60": {arrivals(func(i int) time.Duration { return time.Duration(i/60) * 24 * time.Millisecond }), true},
		"one late step": {arrivals(func(i int) time.Duration {
			if i < events/5 {
				return time.Millisecond
			}
			return 300 * time.Millisecond
		}), false},
		"one late stream": {arrivals(func(i int) time.Duration {
			if i < events-burstEvents {
				return time.Millisecond
			}
			return 300 * time.Millisecond
		}), false},
	} {
		t.Run(name, func(t *testing.T) {
			if scene.burst.even() != scene.even {
				t.Errorf("even: %v", !scene.even)
			}
		})
	}
}

func TestAMachineShowsItsPrograms(t *testing.T) {
	proc := t.TempDir()
	for name, text := range map[string]string{
		"41/cmdline":                     "/usr/sbin/mosquitto\x00-c\x00etc/mosquitto.conf\x00-p\x001884\x00",
		"41/stat":                        "41 (mosquitto) b) S 7 41 41",
		"41/limits":                      "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n",
		"41/root/var/etc/mosquitto.conf": "persistence true\n",
		"42/cmdline":                     "",
		"43/cmdline":                     "bash\x00",
		"self/cmdline":                   "mosquitto\x00",
	} {
		file := filepath.Join(proc, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/var", filepath.Join(proc, "41/cwd")); err != nil {
		t.Fatal(err)
	}
	list := machine{proc}.programs("mosquitto")
	if len(list) != 1 {
		t.Fatalf("found %+v", list)
	}
	p := list[0]
	if p.parent != 7 || p.openFiles() != 1024 || p.cwd() != "/var" {
		t.Errorf("found %+v with %d files in %s", p, p.openFiles(), p.cwd())
	}
	name, _ := p.option("-c", "--config-file")
	if text, err := p.read(name); err != nil || string(text) != "persistence true\n" {
		t.Errorf("%s is %q, %v", p.path(name), text, err)
	}
	if _, ok := p.option("-v"); ok {
		t.Error("an option that is not there was found")
	}
	if _, err := p.read("other"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error is %v", err)
	}
	if found := (machine{t.TempDir()}).programs("mosquitto"); len(found) != 0 {
		t.Errorf("found %v where nothing is", found)
	}
}

func TestAnAddressIsOfThisMachineOrNot(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for host, want := range map[string]bool{"127.0.0.1": true, "::1": true, "localhost": true, "192.0.2.1": false, "no-such-host.invalid": false} {
		if isLocal(ctx, host) != want {
			t.Errorf("%s is local: %v", host, !want)
		}
	}
	for address, want := range map[string]bool{
		"127.0.0.1:1": false, "localhost:1": false, "[::1]:1": false, "10.0.0.1:1": false, "hub.internal:1": false,
		":1": true, "0.0.0.0:1": true, "[::]:1": true, "203.0.113.1:1": true,
	} {
		if isOpen(address) != want {
			t.Errorf("%s is open: %v", address, !want)
		}
	}
}

func TestPushpinsAddressForViewersIsSeen(t *testing.T) {
	for listen, want := range map[string]string{
		"7999": "http://127.0.0.1:7999", "0.0.0.0:80": "http://127.0.0.1:80", "192.0.2.1:80": "http://192.0.2.1:80",
		"[::]:80": "http://127.0.0.1:80", "": "",
	} {
		s := &pushpinSettings{values: map[string]string{"runner.http_port": listen}}
		if got := s.viewerURL(); got != want {
			t.Errorf("http_port %q: %q, want %q", listen, got, want)
		}
	}
	front := &program{args: []string{"--listen=127.0.0.1:8080,stream", "--buffer-size=8192", "--stream-maxconn=5"}}
	s := &pushpinSettings{values: map[string]string{"runner.http_port": "7999", "runner.client_buffer_size": "65536"}, front: front}
	if s.viewerURL() != "http://127.0.0.1:8080" || s.bufferSize() != 8192 || s.maxConnections() != 5 {
		t.Errorf("what the process was told does not count: %s, %d", s.viewerURL(), s.bufferSize())
	}
}

func TestAViewerLimitBelowTheLimitOfFilesIsReported(t *testing.T) {
	proc := t.TempDir()
	if err := os.WriteFile(filepath.Join(proc, "limits"), []byte("Max open files            60000                 60000               files\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &proxyCheck{examination: &examination{}, Report: &Report{}, settings: &pushpinSettings{
		file: "pushpin.conf", front: &program{dir: proc, args: []string{"--stream-maxconn=50000"}},
	}}
	c.limits("pushpin.conf")
	if verdicts, cures := only(*c.Report); verdicts != "FAIL" || !strings.Contains(cures, "set client_maxconn=120000 or more") {
		t.Errorf("got %s with %q", verdicts, cures)
	}
}

func TestAnAnswerTellsWhoGaveIt(t *testing.T) {
	own := &backend{standIn: &standIn{token: "mine"}}
	serve := &backend{serving: true}
	answer := func(status int, contentType string, headers ...string) *http.Response {
		h := http.Header{"Content-Type": {contentType}}
		for i := 0; i < len(headers); i += 2 {
			h.Set(headers[i], headers[i+1])
		}
		return &http.Response{StatusCode: status, Header: h}
	}
	for name, scene := range map[string]struct {
		backend *backend
		resp    *http.Response
		want    error
	}{
		"serve's stream":         {serve, answer(200, "text/event-stream"), nil},
		"the doctor's own":       {own, answer(200, "text/event-stream", standInHeader, "mine"), nil},
		"another doctor's":       {own, answer(200, "text/event-stream", standInHeader, "theirs"), errNotOurs},
		"another griphub's":      {own, answer(200, "text/event-stream"), errNotOurs},
		"another griphub's 501":  {own, answer(501, "application/problem+json"), errNotOurs},
		"serve's 501":            {serve, answer(501, "application/problem+json"), errNotSigned},
		"a page":                 {serve, answer(200, "text/html"), errNotOurs},
		"a redirect":             {serve, answer(302, ""), errNotOurs},
		"instructions":           {serve, answer(200, "text/event-stream", "Grip-Hold", "stream"), errNoProxy},
		"nobody behind":          {serve, answer(502, "text/plain"), errNotRouted},
		"no handler":             {serve, answer(500, "text/plain"), errNotHeld},
		"something wrong inside": {serve, answer(500, "application/problem+json"), errNotOurs},
	} {
		t.Run(name, func(t *testing.T) {
			c := &proxyCheck{examination: &examination{Hub: Hub{Config: config.Default()}}, backend: scene.backend}
			err := c.newViewing("http://viewers").judge(scene.resp)
			if !errors.Is(err, scene.want) {
				t.Errorf("error is %v, want %v", err, scene.want)
			}
			if err != nil && c.routeCure(err) == c.routeCure(errors.New("any")) {
				t.Errorf("%v has no cure of its own", err)
			}
		})
	}
}
