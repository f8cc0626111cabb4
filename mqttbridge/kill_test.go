package mqttbridge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

// The test binary started with these variables is a bridge that stores in a journal, until it is killed.
const (
	childBroker  = "MQTTBRIDGE_TEST_BROKER"
	childJournal = "MQTTBRIDGE_TEST_JOURNAL"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(childBroker); url != "" {
		runChild(url, os.Getenv(childJournal))
	}
	goleak.VerifyTestMain(m)
}

func runChild(url, file string) {
	rules, err := mqttbridge.ParseRules(defaultRules)
	if err != nil {
		panic(err)
	}
	j, err := openJournal(file)
	if err != nil {
		panic(err)
	}
	config := mqttbridge.Config{URL: url, ClientID: "griphub", Rules: rules}
	bridge, err := mqttbridge.New(config, j, j, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		panic(err)
	}
	os.Exit(map[bool]int{true: 0, false: 1}[bridge.Run(context.Background()) == nil])
}

// journal is a Processor whose transaction is a line of a file: kill -9 leaves whole lines.
type journal struct {
	file  *os.File
	marks map[string][]byte
}

type journalLine struct {
	Stored []string
	Marks  map[string][]byte
}

func openJournal(name string) (*journal, error) {
	file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: file, marks: make(map[string][]byte)}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		var line journalLine
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return nil, err
		}
		j.marks = line.Marks
	}
	return j, lines.Err()
}

func (j *journal) Process(_ context.Context, messages []devices.Message, state ...any) error {
	line := journalLine{Marks: make(map[string][]byte)}
	for _, m := range messages {
		line.Stored = append(line.Stored, fmt.Sprintf("%s %s", m.Topic, m.Payload))
	}
	for _, s := range state {
		mark := s.(devices.Mark)
		line.Marks[mark.Name] = mark.Value
	}
	b, err := json.Marshal(line)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(b, '\n')); err != nil {
		return err
	}
	time.Sleep(5 * time.Millisecond) // what a disk takes, and the best moment to be killed in
	return nil
}

func (j *journal) Mark(_ context.Context, name string) ([]byte, error) { return j.marks[name], nil }

// follow adds to the recorder what a journal has got since, and returns how much there is now.
func (r *recorder) follow(t *testing.T, file *os.File, offset *int64) int {
	t.Helper()
	content, err := io.ReadAll(io.NewSectionReader(file, *offset, 1<<40))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		var l journalLine
		if err := json.Unmarshal(line, &l); err != nil {
			break // being written
		}
		*offset += int64(len(line))
		r.set(func() { r.stored = append(r.stored, l.Stored...) })
	}
	return r.count()
}

func TestABridgeThatIsKilledAgainAndAgainStoresEverythingOnce(t *testing.T) {
	t.Run("while it keeps up", func(t *testing.T) { killAgainAndAgain(t, false) })
	t.Run("behind a backlog", func(t *testing.T) { killAgainAndAgain(t, true) })
}

func killAgainAndAgain(t *testing.T, backlog bool) {
	const devices, each, kills = 20, 1000, 8
	broker := brokertest.Start(t)
	name := filepath.Join(t.TempDir(), "journal")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := newRecorder()
	var offset int64
	stored := func() int { return r.follow(t, file, &offset) }

	// The session has to exist before anything is published.
	connected(t, mqttbridge.Config{URL: broker.URL}, newRecorder(), nil).stop()
	published := make(chan struct{})
	go func() {
		defer close(published)
		newDevice(t, broker.URL, "d1").sendCounts(devices, 0, each)
	}()
	if backlog {
		<-published
	}
	for i := range kills {
		kill := startChild(t, broker.URL, name)
		goal := min(stored()+devices*each/(kills+2), devices*each)
		await(t, fmt.Sprintf("progress before kill %d", i), func() bool { return stored() >= goal })
		kill()
	}
	startChild(t, broker.URL, name)
	<-published
	await(t, "all messages", func() bool { return stored() >= devices*each })
	newDevice(t, broker.URL, "d2").send(1, false, "things/last/l/data", "last")
	await(t, "the last message", func() bool { stored(); return r.perDevice()["things/last/l/data"] != nil })
	r.set(func() {
		r.stored = slices.DeleteFunc(r.stored, func(s string) bool { return s == "things/last/l/data last" })
	})
	r.wantCounts(t, devices, each)
}

// startChild starts a bridge in a process of its own.
func startChild(t *testing.T, brokerURL, journal string) (kill func()) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childBroker+"="+brokerURL, childJournal+"="+journal)
	var log bytes.Buffer
	child.Stderr = &log
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
		if t.Failed() {
			t.Logf("bridge: %s", log.String())
		}
	})
	t.Cleanup(kill)
	return kill
}
