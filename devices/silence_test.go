package devices_test

import (
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/devices"
)

// silent says that the device was not heard since so long after noon.
func silent(id string, since time.Duration) devices.Message {
	return devices.Message{Kind: devices.KindSilence, Type: "weatherstation", ID: id, Received: noon.Add(time.Hour), Silent: noon.Add(since)}
}

const (
	goesOffline = `status {"old_status":"online","new_status":"offline"}`
	comesOnline = `status {"old_status":"offline","new_status":"online"}`
)

func TestASilentDeviceIsOfflineOnce(t *testing.T) {
	h := owned()
	p := processor(h)
	process(t, p, status("p-1", "online"))
	process(t, p, silent("p-1", 0))
	process(t, p, silent("p-1", time.Minute), silent("p-1", time.Minute))
	process(t, p, silent("p-1", 2*time.Minute))
	wantStrings(t, "viewers", h.viewers(), comesOnline, goesOffline)
	d := h.device(t, "p-1")
	if d.Status != devices.Offline || !d.Overdue || !d.LastSeen.Equal(noon) {
		t.Errorf("device %+v", d)
	}
	if got := h.owners(); len(got) != 2 || !strings.Contains(got[1], `"status":"offline","last_seen":"2025-01-15T12:00:00+00:00"`) {
		t.Errorf("the owner got %q", got)
	}
	if event := h.events[len(h.events)-2]; !event.Time.Equal(noon.Add(time.Hour)) {
		t.Errorf("the event is of %v", event.Time)
	}
}

func TestWhoWasHeardOrNeverWasIsNotSilent(t *testing.T) {
	h := owned()
	p := processor(h)
	process(t, p, at(status("p-1", "online"), time.Minute), retained(status("never", "online")), status("off", "offline"))
	n := len(h.events)
	process(t, p, silent("p-1", time.Minute), silent("never", time.Hour), silent("off", time.Hour), silent("nobody", time.Hour), silent("a/b", time.Hour))
	if len(h.events) != n {
		t.Errorf("events %q", h.data()[n:])
	}
	// A message that waited before the silence is processed before.
	process(t, p, at(data("p-1", `{"t":1}`), 30*time.Minute), silent("p-1", 20*time.Minute))
	if d := h.device(t, "p-1"); d.Status != devices.Online {
		t.Errorf("device %+v", d)
	}
}

func TestAnOverdueDeviceIsOnlineAtItsNextSignOfLife(t *testing.T) {
	state := state("c-1", `{"temperature":1}`)
	for name, c := range map[string]struct {
		message devices.Message
		viewers []string
		status  devices.Status
	}{
		"data":                  {data("p-1", `{"t":1}`), []string{comesOnline, `data {"t":1}`}, "online"},
		"late data":             {data("p-1", `{"t":1,"timestamp":"2020-01-01T00:00:00Z"}`), []string{comesOnline, `data {"t":1}`}, "online"},
		"a status":              {status("p-1", "maintenance"), []string{`status {"old_status":"offline","new_status":"maintenance"}`}, "maintenance"},
		"a status like before":  {status("p-1", "online"), []string{comesOnline}, "online"},
		"a report of no status": {status("p-1", `{"battery_level":5}`), []string{comesOnline}, "online"},
		"a late status":         {status("p-1", `{"status":"error","timestamp":"2020-01-01T00:00:00Z"}`), []string{comesOnline}, "online"},
		"a state of no status":  {state, []string{comesOnline, `data {"temperature":1}`}, "online"},
		"a last will":           {status("p-1", "offline"), nil, "offline"},
		"something retained":    {retained(data("p-1", `{"t":1}`)), nil, "offline"},
	} {
		t.Run(name, func(t *testing.T) {
			h := owned()
			p := processor(h)
			process(t, p, status("p-1", `{"status":"online","timestamp":"2025-01-15T11:00:00Z"}`), data("p-1", `{"t":0,"timestamp":"2025-01-15T11:00:00Z"}`))
			process(t, p, silent("p-1", time.Minute))
			n := len(h.viewers())
			process(t, p, at(c.message, time.Hour))
			wantStrings(t, "viewers", h.viewers()[n:], c.viewers...)
			if d := h.device(t, "p-1"); d.Status != c.status || d.Overdue && c.status != devices.Offline {
				t.Errorf("device %+v", d)
			}
		})
	}
}

func TestWhoSaidOfflineIsNotWokenByData(t *testing.T) {
	h := owned()
	p := processor(h)
	process(t, p, status("p-1", "online"))
	process(t, p, silent("p-1", time.Minute))
	process(t, p, at(status("p-1", "offline"), time.Hour), at(data("p-1", `{"t":1}`), 2*time.Hour))
	if d := h.device(t, "p-1"); d.Status != devices.Offline || d.Overdue {
		t.Errorf("device %+v", d)
	}
}

func TestARepetitionIsASignOfLifeAndNothingElse(t *testing.T) {
	h := owned()
	p := processor(h)
	process(t, p, status("p-1", "online"), data("p-1", `{"id":1,"t":1}`), data("p-1", `{"id":2,"t":2}`))
	process(t, p, silent("p-1", time.Minute))
	process(t, p, at(data("p-1", `{"id":1,"t":1}`), time.Hour))
	wantStrings(t, "viewers", h.viewers(), comesOnline, `data {"id":1,"t":1}`, `data {"id":2,"t":2}`, goesOffline, comesOnline)
	d := h.device(t, "p-1")
	if d.Status != devices.Online || d.Overdue || string(d.Values["t"]) != "2" || !d.LastSeen.Equal(noon.Add(time.Hour)) {
		t.Errorf("device %+v", d)
	}
}
