package devices_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// hub is a log and a registry in memory: a batch is stored whole or not at all, keys are unique.
type hub struct {
	mu      sync.Mutex
	events  []channels.Event
	refused []channels.Refusal
	devices map[channels.DeviceRef]devices.Device
	keys    map[string]channels.Event
	mark    []byte
	batches int
	asked   int
	// fail is what the next calls answer, one each.
	fail []error
	// loseAnswer stores the next batch and answers with an error all the same.
	loseAnswer bool
	refuse     func(channels.Draft) error
}

func newHub() *hub {
	return &hub{devices: map[channels.DeviceRef]devices.Device{}, keys: map[string]channels.Event{}}
}

var errDown = errors.New("the database is down")

func (h *hub) Publish(ctx context.Context, batch channels.Batch) ([]channels.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.nextFailure(); err != nil {
		return nil, err
	}
	for i := range batch.Drafts {
		d := &batch.Drafts[i]
		if err := d.Validate(); err != nil {
			return nil, &channels.DraftError{Index: i, Err: err}
		}
		if h.refuse != nil {
			if err := h.refuse(*d); err != nil {
				return nil, &channels.DraftError{Index: i, Err: err}
			}
		}
	}
	for _, state := range batch.State {
		if mark, ok := state.(devices.Mark); ok {
			if err := mark.Over(h.mark); err != nil {
				return nil, err
			}
		}
	}
	h.batches++
	var events []channels.Event
	for _, d := range batch.Drafts {
		if first, ok := h.keys[d.Key]; ok && d.Key != "" {
			first.Repeated = true
			events = append(events, first)
			continue
		}
		event := channels.Event{Draft: d, ID: channels.EventID(len(h.events) + 1)}
		h.events = append(h.events, event)
		h.keys[d.Key] = event
		events = append(events, event)
	}
	h.refused = append(h.refused, batch.Refused...)
	for _, state := range batch.State {
		switch state := state.(type) {
		case devices.Changes:
			for _, change := range state {
				device, known := h.devices[change.DeviceRef]
				if !known && !change.Register {
					continue
				}
				before := device.Measures
				device.DeviceRef, device.State = change.DeviceRef, change.State
				device.Temperature, device.Humidity = cmp.Or(change.Temperature, before.Temperature), cmp.Or(change.Humidity, before.Humidity)
				device.Latitude, device.Longitude = cmp.Or(change.Latitude, before.Latitude), cmp.Or(change.Longitude, before.Longitude)
				h.devices[change.DeviceRef] = device
			}
		case devices.Mark:
			h.mark = state.Value
		}
	}
	if h.loseAnswer {
		h.loseAnswer = false
		return nil, errDown
	}
	return events, nil
}

func (h *hub) Devices(_ context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.nextFailure(); err != nil {
		return nil, err
	}
	h.asked++
	var found []devices.Device
	for _, ref := range refs {
		if device, ok := h.devices[ref]; ok {
			found = append(found, device)
		}
	}
	return found, nil
}

func (h *hub) WithCodes(_ context.Context, codes []string) ([]devices.Device, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.nextFailure(); err != nil {
		return nil, err
	}
	var found []devices.Device
	for _, device := range h.devices {
		if slices.Contains(codes, device.Code) {
			found = append(found, device)
		}
	}
	return found, nil
}

func (h *hub) List(context.Context, devices.Filter, channels.DeviceRef, int) ([]devices.Device, error) {
	return nil, errors.New("not asked for in these scenes")
}

func (h *hub) nextFailure() error {
	if len(h.fail) == 0 {
		return nil
	}
	err := h.fail[0]
	h.fail = h.fail[1:]
	return err
}

// data returns the data of the stored events, in order.
func (h *hub) data() []string {
	var all []string
	for _, e := range h.events {
		all = append(all, string(e.Data))
	}
	return all
}

func (h *hub) reasons() []string {
	var all []string
	for _, r := range h.refused {
		all = append(all, r.Reason)
	}
	return all
}

var noon = time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)

func data(id, payload string) devices.Message {
	return devices.Message{
		Kind: devices.KindData, Type: "weatherstation", ID: id, Topic: "things/weatherstation/" + id + "/data",
		Payload: []byte(payload), KeyField: "id", Received: noon,
	}
}

func status(id, payload string) devices.Message {
	m := data(id, payload)
	m.Kind, m.Topic = devices.KindStatus, "things/weatherstation/"+id+"/status"
	return m
}

func at(m devices.Message, after time.Duration) devices.Message {
	m.Received = noon.Add(after)
	return m
}

func retained(m devices.Message) devices.Message {
	m.Retained = true
	return m
}

func process(t *testing.T, p *devices.Processor, messages ...devices.Message) {
	t.Helper()
	if err := p.Process(t.Context(), messages); err != nil {
		t.Fatalf("Process: %v", err)
	}
}

func wantStrings(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, got, want)
	}
}

func (h *hub) device(t *testing.T, id string) devices.Device {
	t.Helper()
	device, ok := h.devices[channels.DeviceRef{Type: "weatherstation", ID: id}]
	if !ok {
		t.Fatalf("device %s is not in the registry", id)
	}
	return device
}
