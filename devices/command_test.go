package devices_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

// A yard is a log, a registry with the pump p1, and the way to it.
type yard struct {
	*devices.Commander
	db        store.Store
	processor *devices.Processor

	mu    sync.Mutex
	sent  []string
	fail  error
	mute  bool
	reply func(id string) (payload, correlation string)
}

// noViewers is a sink.
type noViewers struct{}

func (noViewers) Send([]channels.Event) {}

// openYard opens a yard whose pumps answer as reply says; nil for pumps that do not.
func openYard(t *testing.T, reply func(id string) (payload, correlation string)) *yard {
	t.Helper()
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "yard.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rules := channels.Rules{{Match: "iot_gauge**", Unstored: true}, {Match: "**"}}
	publisher := channels.NewPublisher(db, rules, noViewers{}, time.Now)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- publisher.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, db.Close()); err != nil {
			t.Error(err)
		}
	})
	y := &yard{db: db, processor: devices.NewProcessor(publisher, db, devices.Options{}), reply: reply}
	y.Commander = devices.NewCommander(channels.NewReader(db, rules), publisher, db, y, time.Now)
	for _, deviceType := range []string{"pump", "gauge"} {
		y.say(t, devices.Message{Kind: devices.KindData, Type: deviceType, ID: "p1", Payload: []byte(`{"flow":1}`)})
	}
	return y
}

func (y *yard) say(t testing.TB, m devices.Message) {
	t.Helper()
	m.Received = time.Now()
	if err := y.processor.Process(context.Background(), []devices.Message{m}); err != nil {
		t.Error(err)
	}
}

// send is what happens on the way to a device.
func (y *yard) send(device channels.DeviceRef, message []byte, id string) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.fail != nil {
		return y.fail
	}
	y.sent = append(y.sent, device.ID+" "+string(message))
	if y.reply == nil {
		return nil
	}
	payload, correlation := y.reply(id)
	go func() {
		_ = y.processor.Process(context.Background(), []devices.Message{{
			Kind: devices.KindResponse, Type: device.Type, ID: device.ID, Payload: []byte(payload), Correlation: correlation, Received: time.Now(),
		}})
	}()
	return nil
}

// Send makes a yard a Sender.
func (y *yard) Send(_ context.Context, device channels.DeviceRef, message []byte, id string, _ time.Duration) error {
	return y.send(device, message, id)
}

func (y *yard) Answers() bool { return !y.mute }

func (y *yard) give(t *testing.T, c devices.Command) (devices.Sent, error) {
	t.Helper()
	return y.Commander.Send(t.Context(), c)
}

var pump1 = channels.DeviceRef{Type: "pump", ID: "p1"}

func TestACommandReachesItsDeviceAndTheAnswerItsCaller(t *testing.T) {
	y := openYard(t, func(id string) (string, string) { return fmt.Sprintf(`{"id":%q,"ok":true}`, id), "" })
	sent, err := y.give(t, devices.Command{Device: pump1, Name: "set_speed", Payload: json.RawMessage(`{"rpm":900}`), User: "7"})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := y.Await(t.Context(), sent)
	if err != nil || string(answer) != `{"id":"`+sent.ID+`","ok":true}` {
		t.Fatalf("%s, %v", answer, err)
	}
	wantStrings(t, "sent", y.sent, `p1 {"command":"set_speed","payload":{"rpm":900},"id":"`+sent.ID+`"}`)

	page, err := y.db.Latest(t.Context(), "iot_pump_p1", 2)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`"data":{"id":"` + sent.ID + `","command":"set_speed"}`,
		`"data":{"id":"` + sent.ID + `","response":{"id":"` + sent.ID + `","ok":true}}`,
	} {
		if e := page.Events[i]; !strings.Contains(string(e.Data), want) || strings.Contains(string(e.Data), "900") {
			t.Errorf("event %d is %s", i, e.Data)
		}
	}
	if private := string(page.Events[0].Private); !strings.Contains(private, `"user":"7"`) || !strings.Contains(private, "900") {
		t.Errorf("the log keeps %s", private)
	}
}

func TestAnAnswerMayBeAnyTextAndNameItsCommandByCorrelation(t *testing.T) {
	for payload, want := range map[string]string{`done`: `"done"`, ``: `null`, `5`: `5`, ` [1] `: `[1]`, `{"id":5}`: `{"id":5}`} {
		y := openYard(t, func(id string) (string, string) { return payload, id })
		sent, err := y.give(t, devices.Command{Device: pump1, Name: "go"})
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := y.Await(t.Context(), sent); err != nil || string(answer) != want {
			t.Errorf("%q: %s, %v", payload, answer, err)
		}
	}
}

func TestAnAnswerToAnotherCommandIsNone(t *testing.T) {
	y := openYard(t, func(string) (string, string) { return `{"id":"another-command","ok":true}`, "" })
	sent, err := y.give(t, devices.Command{Device: pump1, Name: "go", Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for range 300 { // more than a page of other events
		y.say(t, devices.Message{Kind: devices.KindResponse, Type: "pump", ID: "p1", Payload: []byte("beep")})
	}
	if answer, err := y.Await(t.Context(), sent); !errors.Is(err, devices.ErrNoAnswer) {
		t.Errorf("%s, %v", answer, err)
	}
	y.say(t, devices.Message{Kind: devices.KindResponse, Type: "pump", ID: "p1", Payload: []byte(`{"id":"` + sent.ID + `"}`), Retained: true})
	y.say(t, devices.Message{Kind: devices.KindResponse, Type: "pump", ID: "p1", Payload: []byte{0xff}, Correlation: sent.ID})
	if answer, err := y.Await(t.Context(), sent); !errors.Is(err, devices.ErrNoAnswer) {
		t.Errorf("what was retained, or is no text, is taken for an answer: %s, %v", answer, err)
	}
}

func TestACommandThatIsSentAgainIsTheSameCommand(t *testing.T) {
	y := openYard(t, nil)
	command := devices.Command{Device: pump1, Name: "go", Payload: json.RawMessage(`{"a": 1, "b": 2}`), ID: "order-0001"}
	y.fail = errors.New("no broker")
	if sent, err := y.give(t, command); !errors.Is(err, devices.ErrNotSent) || sent.ID != command.ID {
		t.Fatalf("%+v, %v", sent, err)
	}
	y.fail = nil
	if _, err := y.give(t, command); err != nil {
		t.Fatal(err)
	}
	y.say(t, devices.Message{Kind: devices.KindResponse, Type: "pump", ID: "p1", Payload: []byte(`{"id":"order-0001"}`)})
	command.Payload = json.RawMessage(`{"b":2,"a":1}`)
	sent, err := y.give(t, command)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := y.Await(t.Context(), sent); err != nil || string(answer) != `{"id":"order-0001"}` {
		t.Errorf("%s, %v", answer, err)
	}
	if len(y.sent) != 1 {
		t.Errorf("the pump got %q", y.sent)
	}
	for _, other := range []devices.Command{
		{Device: pump1, Name: "stop", Payload: command.Payload, ID: command.ID},
		{Device: pump1, Name: "go", Payload: json.RawMessage(`{"a":1,"b":3}`), ID: command.ID},
		{Device: pump1, Name: "go", ID: command.ID},
	} {
		if _, err := y.give(t, other); !errors.Is(err, devices.ErrOtherCommand) {
			t.Errorf("%s %s: %v", other.Name, other.Payload, err)
		}
	}
}

func TestWhatIsNoCommandIsRefused(t *testing.T) {
	y := openYard(t, nil)
	for field, c := range map[string]devices.Command{
		"command": {Device: pump1},
		"id":      {Device: pump1, Name: "go", ID: "1"},
		"payload": {Device: pump1, Name: "go", Payload: json.RawMessage(`{`)},
		"timeout": {Device: pump1, Name: "go", Timeout: 25 * time.Hour},
		"device":  {Device: channels.DeviceRef{Type: "pump", ID: "+"}, Name: "go"},
	} {
		var invalid *channels.InvalidError
		if _, err := y.give(t, c); !errors.As(err, &invalid) || invalid.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, c := range []devices.Command{
		{Device: pump1, Name: "go\n"}, {Device: pump1, Name: "\xff"}, {Device: pump1, Name: strings.Repeat("x", 200)},
		{Device: pump1, Name: "go", ID: "slash/slash"}, {Device: pump1, Name: "go", Payload: json.RawMessage("\"\xff\"")},
		{Device: pump1, Name: "go", Payload: json.RawMessage(`"` + strings.Repeat("x", devices.MaxPayloadBytes) + `"`)},
		{Device: pump1, Name: "go", Timeout: time.Microsecond}, {Name: "go"}, {Device: channels.DeviceRef{Type: "#", ID: "p1"}, Name: "go"},
	} {
		if _, err := y.give(t, c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
	if _, err := y.give(t, devices.Command{Device: channels.DeviceRef{Type: "pump", ID: "nobody"}, Name: "go"}); !errors.Is(err, channels.ErrNotFound) {
		t.Errorf("a device that is not registered: %v", err)
	}
	if len(y.sent) > 0 {
		t.Errorf("sent were %q", y.sent)
	}
}

func TestWhoseAnswersCannotBeSeenIsNotWaitedFor(t *testing.T) {
	y := openYard(t, nil)
	gauge := channels.DeviceRef{Type: "gauge", ID: "p1"}
	sent, err := y.give(t, devices.Command{Device: gauge, Name: "go"})
	if err != nil || sent.Event.PublicID() != "" {
		t.Fatalf("%+v, %v", sent, err)
	}
	if _, err := y.Await(t.Context(), sent); !errors.Is(err, devices.ErrUnanswerable) {
		t.Errorf("a channel that is not stored: %v", err)
	}
	if y.mute = true; y.Answerable(pump1) {
		t.Error("answers that nobody reads are awaited")
	}
}
