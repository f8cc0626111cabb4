package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/webhook"
)

// A told is an event as subscribers get it.
type told struct {
	ID, Cursor, Event, Scope, User, Device string
	Channels                               []string
	Data                                   json.RawMessage
	Private                                json.RawMessage `json:"private_data"`
	Replay                                 int
	Raw                                    bool
}

func readTold(t *testing.T, line string) told {
	t.Helper()
	var e told
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		t.Fatalf("%v in %.300q", err, line)
	}
	return e
}

// A database is one that several griphub commands share, without any proxy.
type database struct{ config string }

// eachDatabase plays the scene with both engines; postgres is empty for SQLite.
func eachDatabase(t *testing.T, scene func(t *testing.T, db database, postgres string)) {
	t.Helper()
	for _, engine := range []string{"SQLite", "PostgreSQL"} {
		t.Run(engine, func(t *testing.T) {
			dir := t.TempDir()
			url, postgres := "sqlite:"+filepath.Join(dir, "griphub.db"), ""
			if engine == "PostgreSQL" {
				postgres = server.Database(t)
				url = postgres
			}
			db := database{filepath.Join(dir, "griphub.yaml")}
			config := fmt.Sprintf("database: %q\ngrip: {urls: []}\nmqtt: {url: \"\"}\nchannels: [{match: \"gauge\", read: public, reliable: false}, {match: \"short\", read: public, keep: 2}, {match: \"**\", read: public}]\n", url)
			if err := os.WriteFile(db.config, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			scene(t, db, postgres)
		})
	}
}

func (db database) run(t *testing.T, args ...string) string {
	t.Helper()
	result := e2e.Command{Args: append(args, "--config", db.config)}.Run(t)
	if result.Code != 0 {
		t.Fatalf("griphub %q: exit code %d: %s", args, result.Code, result.Stderr)
	}
	return strings.TrimSpace(result.Stdout)
}

// subscribe starts `griphub subscribe`, and waits until it follows: an event of its own channel comes.
func (db database) subscribe(t *testing.T, args ...string) *e2e.Running {
	t.Helper()
	r := e2e.Command{Args: append([]string{"subscribe", "--config", db.config, "ready"}, args...)}.Start(t)
	e2e.Eventually(t, "subscribe follows", func() bool {
		db.run(t, "publish", "ready", "1")
		return len(r.Lines()) > 0
	})
	return r
}

// next is the subscriber's next event that is not of the channel ready.
func next(t *testing.T, r *e2e.Running) told {
	t.Helper()
	for {
		if e := readTold(t, r.Line(t)); e.Channels[0] != "ready" {
			return e
		}
	}
}

func TestSubscribePrintsEachEventOfTheLog(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		r := db.subscribe(t, "orders", "iot_pump", "--system", "--user", "7", "--global")
		id := db.run(t, "publish", "orders", "--event", "paid", "--private", `{"iban":"DE1"}`, `{"n":1}`)
		db.run(t, "publish", "--user", "8", `{"n":0}`)
		db.run(t, "publish", "elsewhere", `0`)
		db.run(t, "publish", "--user", "7", "--event", "task", `{"n":2}`)
		db.run(t, "publish", "--system", "--event", "job", `{"n":3}`)
		db.run(t, "publish", "--global", "--event", "news", `{"n":4}`)
		db.run(t, "publish", "--device", "pump/p1", "--event", "alarm", `{"n":5}`)
		db.run(t, "publish", "--raw", "orders", "<b>6</b>")
		db.run(t, "events", "replay", id)
		first := next(t, r)
		if first.ID != id || first.Event != "paid" || string(first.Data) != `{"n":1}` || string(first.Private) != `{"iban":"DE1"}` ||
			first.Scope != "channel" || first.Channels[0] != "orders" || !strings.Contains(first.Cursor, "orders:1") {
			t.Errorf("the first is %+v", first)
		}
		if e := next(t, r); e.Scope != "user" || e.User != "7" || string(e.Data) != `{"n":2}` {
			t.Errorf("the user's is %+v", e)
		}
		if e := next(t, r); e.Scope != "system" || e.Event != "job" {
			t.Errorf("the system's is %+v", e)
		}
		if e := next(t, r); e.Scope != "global" || e.Event != "news" {
			t.Errorf("the global one is %+v", e)
		}
		if e := next(t, r); e.Device != "pump/p1" || e.Event != "alarm" || len(e.Channels) != 2 {
			t.Errorf("the device's is %+v", e)
		}
		if e := next(t, r); !e.Raw || string(e.Data) != `"\u003cb\u003e6\u003c/b\u003e"` {
			t.Errorf("the raw one is %+v", e)
		}
		if e := next(t, r); e.ID != id || e.Replay != 1 || string(e.Private) != `{"iban":"DE1"}` {
			t.Errorf("the replay is %+v", e)
		}
		if code := r.Stop(t, syscall.SIGTERM); code != 0 || r.Stderr() != "" {
			t.Errorf("exit code %d, standard error %q", code, r.Stderr())
		}
		// From a cursor, and from a time.
		for _, since := range []string{first.Cursor, "1h"} {
			again := db.subscribe(t, "orders", "--since", since)
			want := "message"
			if since == "1h" {
				want = "paid"
			}
			if e := next(t, again); e.Event != want {
				t.Errorf("--since %s begins with %+v", since, e)
			}
			if code := again.Stop(t, syscall.SIGINT); code != 0 {
				t.Errorf("exit code %d", code)
			}
		}
	})
}

func TestSubscribeIsUsedWrongly(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		for _, args := range [][]string{
			{}, {"gauge"}, {"@other"}, {"@user/"}, {"--user", ""}, {""}, {"a", "--since", "yesterday"}, {"a", "--since", "a:x"}, {"a", "a"},
		} {
			result := e2e.Command{Args: append([]string{"subscribe", "--config", db.config}, args...)}.Run(t)
			if result.Code != 2 || strings.Count(result.Stderr, "\n") != 1 || result.Stdout != "" {
				t.Errorf("subscribe %q: exit code %d: %s%s", args, result.Code, result.Stdout, result.Stderr)
			}
		}
	})
}

func TestSubscribeEndsInPeaceWhenNobodyReadsIt(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		db.run(t, "publish", "a", "0")
		// head takes one line and goes; the shell tells how subscribe ended.
		script := `griphub=$GRIPHUB_E2E_BINARY; unset GRIPHUB_E2E_BINARY
			("$griphub" subscribe a --since 1h --config "$0"; echo "code $?" >&2) | head -n 1`
		cmd := exec.CommandContext(t.Context(), "sh", "-c", script, db.config)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		// Who has nothing to write does not notice that nobody reads.
		e2e.Eventually(t, "subscribe ends", func() bool {
			db.run(t, "publish", "a", "1")
			return len(ended) > 0
		})
		if err := <-ended; err != nil || !strings.Contains(out.String(), `"data":0`) || !strings.Contains(out.String(), "code 0") {
			t.Errorf("got %s, %v", out.String(), err)
		}
	})
}

// Killed at any moment, a named subscriber goes on behind the last event whose place was kept: each event comes, in order, and only
// the one that was under way comes twice.
func TestANamedSubscriberThatIsKilledMissesNothing(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		const count = 60
		dir := t.TempDir()
		taken := filepath.Join(dir, "taken")
		start := func() *e2e.Running {
			return e2e.Command{Args: []string{"subscribe", "work", "--since", "1h", "--name", "worker", "--config", db.config,
				"--exec", `cat >> ` + taken + `; sleep 0.01`}}.Start(t)
		}
		var lines strings.Builder
		for n := range count {
			fmt.Fprintf(&lines, `{"channel":"work","data":%d}`+"\n", n)
		}
		if result := (e2e.Command{Args: []string{"publish", "--jsonl", "--config", db.config}, Stdin: lines.String()}).Run(t); result.Code != 0 {
			t.Fatal(result.Stderr)
		}
		numbers := func() (all []int) {
			text, _ := os.ReadFile(taken)
			for line := range strings.Lines(string(text)) {
				var e struct{ Data int }
				// The last line may be cut off.
				if json.Unmarshal([]byte(line), &e) == nil {
					all = append(all, e.Data)
				}
			}
			return all
		}
		const kills = 4
		r := start()
		for kill := range kills {
			e2e.Eventually(t, "the worker gets on", func() bool { return len(numbers()) >= 10*(kill+1) })
			r.Stop(t, syscall.SIGKILL)
			r = start()
		}
		e2e.Eventually(t, "the worker comes to the end", func() bool {
			all := numbers()
			return all[len(all)-1] == count-1
		})
		last, twice := -1, 0
		for _, n := range numbers() {
			switch n {
			case last:
				twice++
			case last + 1:
				last = n
			default:
				t.Fatalf("%d follows %d: %v", n, last, numbers())
			}
		}
		if twice > kills {
			t.Errorf("%d events came twice with %d kills", twice, kills)
		}
	})
}

func TestACommandThatFailsIsRunAgainBeforeTheNextEvent(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		dir := t.TempDir()
		script := `read -r line; echo "$line" >> ` + dir + `/log; test -e ` + dir + `/ok || { touch ` + dir + `/ok; exit 7; }`
		db.run(t, "publish", "work", "1")
		db.run(t, "publish", "work", "2")
		r := e2e.Command{Args: []string{"subscribe", "work", "--since", "1h", "--config", db.config, "--exec", script}}.Start(t)
		var lines []string
		e2e.Eventually(t, "three runs", func() bool {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			lines = strings.Split(strings.TrimSpace(string(text)), "\n")
			return len(lines) == 3
		})
		for i, want := range []string{"1", "1", "2"} {
			if e := readTold(t, lines[i]); string(e.Data) != want {
				t.Errorf("run %d is for %s, want %s", i, e.Data, want)
			}
		}
		if !strings.Contains(r.Stderr(), "exit status 7") {
			t.Errorf("standard error is %q", r.Stderr())
		}
		if code := r.Stop(t, syscall.SIGTERM); code != 0 {
			t.Errorf("exit code %d", code)
		}
	})
}

func TestOneAtATimeFollowsUnderAName(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		first := db.subscribe(t, "a", "--name", "n")
		second := e2e.Command{Args: []string{"subscribe", "ready", "a", "--name", "n", "--config", db.config}}.Start(t)
		e2e.Eventually(t, "the second waits", func() bool { return strings.Contains(second.Stderr(), "waiting") })
		db.run(t, "publish", "a", "1")
		next(t, first)
		first.Stop(t, syscall.SIGKILL)
		db.run(t, "publish", "a", "2")
		// The first may have ended before it kept its place.
		for string(next(t, second).Data) != "2" {
		}
	})
}

func TestSubscribersAreToldOfLostHistory(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		for n := range 5 {
			db.run(t, "publish", "short", fmt.Sprint(n))
		}
		hub := e2e.Command{Args: []string{"serve", "--config", db.config}, Env: serveEnv(t)}.Start(t)
		e2e.Eventually(t, "the channel is trimmed", func() bool {
			return strings.Count(db.run(t, "events", "list", "short"), "\n") == 1
		})
		hub.Stop(t, syscall.SIGTERM)
		r := e2e.Command{Args: []string{"subscribe", "short", "--since", "short:1", "--config", db.config}}.Start(t)
		if e := readTold(t, r.Line(t)); e.Event != "stream-reset" || string(e.Data) != `{"channels":["short"]}` {
			t.Errorf("the first line is %+v", e)
		}
		for _, want := range []string{"3", "4"} {
			if e := readTold(t, r.Line(t)); string(e.Data) != want {
				t.Errorf("got %s, want %s", e.Data, want)
			}
		}
		e2e.Eventually(t, "standard error says so", func() bool { return strings.Contains(r.Stderr(), "lost") })
	})
}

// serveEnv lets a configuration without a proxy serve: subscribers need none.
func serveEnv(t *testing.T) []string {
	return []string{
		"GRIPHUB_GRIP_URLS=http://127.0.0.1:1", "GRIPHUB_SECRET=" + strings.Repeat("s", 32), "GRIPHUB_AUTH_MODE=none",
		"GRIPHUB_LISTEN=" + e2e.FreeAddr(t), "GRIPHUB_OPS_LISTEN=" + e2e.FreeAddr(t),
	}
}

// A receiver takes webhooks.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	all    []told
	status func(n int) int
}

const webhookSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	secret, err := webhook.ParseSecret(webhookSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{status: func(int) int { return http.StatusOK }}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if err := secret.Verify(req.Header, body, time.Now()); err != nil {
			t.Errorf("%v", err)
		}
		var e told
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("%v in %q", err, body)
		}
		r.mu.Lock()
		n := len(r.all)
		r.all = append(r.all, e)
		status := r.status(n)
		r.mu.Unlock()
		w.WriteHeader(status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) data() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.all {
		all = append(all, string(e.Data))
	}
	return all
}

func (db database) addHooks(t *testing.T, hooks string) {
	t.Helper()
	f, err := os.OpenFile(db.config, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("hooks:\n" + hooks); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Two instances of which both are killed in turn, a receiver that fails at times, and a database that throws everybody out: every
// event comes, in order; what comes twice was under way at a kill, or refused before.
func TestWebhookSubscribersGetEverythingFromTwoInstances(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, postgres string) {
		r := newReceiver(t)
		r.status = func(n int) int {
			if n%10 == 5 {
				return http.StatusServiceUnavailable
			}
			return http.StatusOK
		}
		db.addHooks(t, fmt.Sprintf("  subscribers: [{name: crm, channels: [orders, \"@system\"], url: %q, secret: %q}]\n", r.URL+"/hook", webhookSecret))
		serve := func() *e2e.Running {
			return e2e.Command{Args: []string{"serve", "--config", db.config}, Env: serveEnv(t)}.Start(t)
		}
		one := serve()
		// The subscriber begins with what happens once it is there.
		e2e.Eventually(t, "the subscriber is there", func() bool {
			db.run(t, "publish", "orders", `"warm up"`)
			return len(r.data()) > 0
		})
		two := serve()
		const count = 40
		for n := range count {
			switch n {
			case 10:
				one.Stop(t, syscall.SIGKILL)
			case 20:
				one = serve()
			case 25:
				two.Stop(t, syscall.SIGKILL)
			case 30:
				if postgres != "" {
					throwOut(t, postgres)
				}
			}
			if n%2 == 0 {
				db.run(t, "publish", "orders", fmt.Sprint(n))
			} else {
				db.run(t, "publish", "--system", fmt.Sprint(n))
			}
		}
		e2e.Eventually(t, "everything is delivered", func() bool {
			seen := map[string]bool{}
			for _, data := range r.data() {
				seen[data] = true
			}
			return len(seen) == count+1
		})
		last := map[string]int{}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range r.all {
			var n int
			if json.Unmarshal(e.Data, &n) != nil {
				continue
			}
			channel := e.Channels[0]
			if before, ok := last[channel]; ok && n != before && n != before+2 {
				t.Errorf("on %s %d follows %d", channel, n, before)
			}
			last[channel] = n
		}
		if len(r.all) > 2*count {
			t.Errorf("%d deliveries of %d events", len(r.all), count)
		}
		one.Stop(t, syscall.SIGTERM)
	})
}

// throwOut ends every connection to the database, as a restart does.
func throwOut(t *testing.T, url string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAReceiverRefusesIsListedAndRequeued(t *testing.T) {
	t.Parallel()
	eachDatabase(t, func(t *testing.T, db database, _ string) {
		r := newReceiver(t)
		refuse := true
		r.status = func(int) int {
			if refuse {
				return http.StatusUnprocessableEntity
			}
			return http.StatusOK
		}
		db.addHooks(t, fmt.Sprintf("  subscribers: [{name: crm, match: orders, url: %q, secret: %q, retries: 0}]\n", r.URL, webhookSecret))
		hub := e2e.Command{Args: []string{"serve", "--config", db.config}, Env: serveEnv(t)}.Start(t)
		var id string
		e2e.Eventually(t, "one is put away", func() bool {
			id = db.run(t, "publish", "orders", "--event", "paid", `{"n":1}`)
			return strings.Contains(db.run(t, "events", "list", "--undelivered"), `"n":1`)
		})
		listed := db.run(t, "events", "list", "--undelivered", "--subscriber", "crm", "--limit", "1")
		var u struct {
			ID         int64
			Subscriber string
			Reason     string
			Body       told
		}
		if err := json.Unmarshal([]byte(listed), &u); err != nil || u.Subscriber != "crm" || !strings.Contains(u.Reason, "422") || u.Body.Event != "paid" {
			t.Fatalf("the list is %s (%v)", listed, err)
		}
		r.mu.Lock()
		refuse = false
		r.mu.Unlock()
		db.run(t, "events", "requeue", "--subscriber", "crm")
		e2e.Eventually(t, "nothing is left", func() bool { return db.run(t, "events", "list", "--undelivered") == "" })
		if shown := db.run(t, "events", "show", id); !strings.Contains(shown, `"delivered"`) {
			t.Errorf("events show prints %s", shown)
		}
		if bad := (e2e.Command{Args: []string{"events", "requeue", "999", "--config", db.config}}).Run(t); bad.Code != 1 || !strings.Contains(bad.Stderr, "999") {
			t.Errorf("an unknown id: exit code %d: %s", bad.Code, bad.Stderr)
		}
		for _, args := range [][]string{{}, {"x"}, {"1", "--subscriber", "crm"}} {
			if bad := (e2e.Command{Args: append([]string{"events", "requeue", "--config", db.config}, args...)}).Run(t); bad.Code != 2 {
				t.Errorf("requeue %q: exit code %d", args, bad.Code)
			}
		}
		hub.Stop(t, syscall.SIGTERM)
	})
}
