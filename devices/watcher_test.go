package devices_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// A hall is an audience and what devices are told of it, with a registry of so many pumps.
type hall struct {
	*devices.Watcher
	t testing.TB

	mu        sync.Mutex
	watched   map[channels.Channel]bool
	unsettled bool
	changed   chan struct{}
	known     []devices.Device
	lists     int
	told      []string // "pump/p1=1", in order
	busiest   int      // the most devices that were told at the same moment
	telling   int
	fail      error
}

const hold = 7 * time.Second

// openHall starts a Watcher, inside a synctest bubble.
func openHall(t *testing.T, pumps int) *hall {
	h := &hall{t: t, watched: map[channels.Channel]bool{}, changed: make(chan struct{}, 1)}
	for i := range pumps {
		h.known = append(h.known, devices.Device{DeviceRef: channels.DeviceRef{Type: "pump", ID: fmt.Sprintf("p%05d", i)}})
	}
	h.Watcher = devices.NewWatcher(h, h, h, hold, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return h
}

func (h *hall) Watched() ([]channels.Channel, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []channels.Channel
	for c := range h.watched {
		list = append(list, c)
	}
	return list, !h.unsettled
}

func (h *hall) Changed() <-chan struct{} { return h.changed }

func (h *hall) Devices(_ context.Context, refs []channels.DeviceRef) ([]devices.Device, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists++
	var found []devices.Device
	for _, d := range h.known {
		if slices.Contains(refs, d.DeviceRef) {
			found = append(found, d)
		}
	}
	return found, nil
}

func (h *hall) WithCodes(context.Context, []string) ([]devices.Device, error) { return nil, nil }

func (h *hall) List(_ context.Context, filter devices.Filter, after channels.DeviceRef, limit int) ([]devices.Device, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lists++
	var page []devices.Device
	for _, d := range h.known {
		if d.Type == filter.Type && d.ID > after.ID && len(page) < limit {
			page = append(page, d)
		}
	}
	return page, nil
}

func (h *hall) Tell(_ context.Context, device channels.DeviceRef, watched bool) error {
	h.mu.Lock()
	if err := h.fail; err != nil {
		h.mu.Unlock()
		return err
	}
	h.telling++
	h.busiest = max(h.busiest, h.telling)
	h.mu.Unlock()
	time.Sleep(time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.telling--
	word := map[bool]string{true: "1", false: "0"}[watched]
	h.told = append(h.told, device.Type+"/"+device.ID+"="+word)
	return nil
}

func (h *hall) set(change func()) {
	h.mu.Lock()
	change()
	h.mu.Unlock()
	select {
	case h.changed <- struct{}{}:
	default:
	}
}

func (h *hall) enter(c channels.Channel) { h.set(func() { h.watched[c] = true }) }
func (h *hall) leave(c channels.Channel) { h.set(func() { delete(h.watched, c) }) }

// want waits so long and compares what was told meanwhile, in any order.
func (h *hall) want(d time.Duration, want ...string) {
	h.t.Helper()
	time.Sleep(d)
	h.mu.Lock()
	defer h.mu.Unlock()
	got := slices.Sorted(slices.Values(h.told))
	slices.Sort(want)
	if !slices.Equal(got, want) {
		h.t.Errorf("told %v, want %v", got, want)
	}
	h.told = nil
}

const soon = 200 * time.Millisecond

func TestADeviceIsToldAtOnceThatItIsWatchedAndAWhileLaterThatItIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, 3)
		h.want(time.Minute)
		h.enter("iot_pump_p00001")
		h.want(soon, "pump/p00001=1")
		h.leave("iot_pump_p00001")
		h.want(hold - time.Second)
		h.want(2*time.Second+soon, "pump/p00001=0")
		h.want(time.Minute)
	})
}

func TestAPageThatIsLoadedAgainMakesNoDifference(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, 3)
		h.enter("iot_pump_p00001")
		h.want(soon, "pump/p00001=1")
		for range 5 {
			h.leave("iot_pump_p00001")
			time.Sleep(hold - 2*time.Second)
			h.enter("iot_pump_p00001")
			time.Sleep(time.Second)
		}
		h.want(time.Minute)
	})
}

func TestWhoWatchesATypeWatchesEveryDeviceOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, 2)
		h.enter("iot_pump")
		h.want(soon, "pump/p00000=1", "pump/p00001=1")
		h.enter("iot_pump_p00001")
		h.set(func() {
			h.known = append(h.known, devices.Device{DeviceRef: channels.DeviceRef{Type: "pump", ID: "p9"}})
		})
		h.want(time.Minute, "pump/p9=1") // a device that appears later is found
		h.leave("iot_pump")
		h.want(hold+2*time.Second, "pump/p00000=0", "pump/p9=0")
		h.leave("iot_pump_p00001")
		h.want(hold+2*time.Second, "pump/p00001=0")
	})
}

func TestOnlyRegisteredDevicesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, 1)
		for _, c := range []channels.Channel{"iot_pump_nobody", "iot_pump_+", "iot_pump_a/b", "iot_", "iot_pump_", "room", "@user/7", "iot_%2"} {
			h.enter(c)
		}
		h.want(soon)
		h.set(func() {
			h.known = append(h.known, devices.Device{DeviceRef: channels.DeviceRef{Type: "pump", ID: "nobody"}})
		})
		h.want(time.Minute, "pump/nobody=1")
	})
}

func TestWhatAnEarlierTermHasToldIsPutRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, 3)
		h.set(func() { h.unsettled = true })
		h.Renewed()
		for _, id := range []string{"p00000", "p00001", "removed"} {
			h.Heard(channels.DeviceRef{Type: "pump", ID: id}, true)
		}
		h.Heard(channels.DeviceRef{Type: "pump", ID: "p00002"}, false)
		h.enter("iot_pump_p00001")
		h.want(time.Minute) // p00001 knows, and who else is watched is not known yet
		h.set(func() { h.unsettled = false })
		h.want(2*time.Second, "pump/p00000=0", "pump/removed=0")
	})
}

func TestABrokerThatForgotIsToldAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, 120)
		h.enter("iot_pump")
		h.enter("iot_pump_p00001")
		time.Sleep(2 * time.Second)
		h.set(func() { h.told = nil })
		h.Renewed()
		time.Sleep(2 * time.Second)
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := len(h.told); n != 120 {
			t.Errorf("%d devices were told again, want 120", n)
		}
	})
}

func TestAFailureIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHall(t, 2)
		h.set(func() { h.fail = errors.New("the broker refuses it") })
		h.enter("iot_pump_p00001")
		h.want(time.Minute)
		h.set(func() { h.fail = nil })
		h.want(6*time.Second, "pump/p00001=1")
		h.set(func() { h.fail = errors.New("the broker refuses it") })
		h.leave("iot_pump_p00001")
		h.want(time.Minute)
		h.set(func() { h.fail = nil })
		h.want(6*time.Second, "pump/p00001=0")
	})
}

func TestALargeFleetIsToldAtAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pumps = 10_000
		h := openHall(t, pumps)
		h.enter("iot_pump")
		time.Sleep(time.Second)
		h.enter("iot_pump_p09999") // does not wait for the others
		time.Sleep(soon)
		h.mu.Lock()
		if n := len(h.told); n > 1500 || !slices.Contains(h.told, "pump/p09999=1") {
			t.Errorf("%d devices were told in the first second; p09999 among them: %v", n, slices.Contains(h.told, "pump/p09999=1"))
		}
		h.mu.Unlock()
		time.Sleep(15 * time.Second)
		h.mu.Lock()
		if n := len(h.told); n != pumps || h.busiest > 50 {
			t.Errorf("%d devices were told, want %d; up to %d at a time", n, pumps, h.busiest)
		}
		h.told = nil
		h.mu.Unlock()
		h.leave("iot_pump_p09999")
		h.leave("iot_pump")
		time.Sleep(hold + 15*time.Second)
		h.mu.Lock()
		defer h.mu.Unlock()
		if n := len(h.told); n != pumps {
			t.Errorf("%d devices were told that nobody watches, want %d", n, pumps)
		}
	})
}

func TestAWatchedDeviceOfAFleetSpeaksTwiceAsOften(t *testing.T) {
	fleet, err := devices.NewFleet(1, 10, []string{"pump"})
	if err != nil {
		t.Fatal(err)
	}
	fleet.Watch(channels.DeviceRef{Type: "pump", ID: "pump-003"}, true)
	fleet.Watch(channels.DeviceRef{Type: "pump", ID: "nobody"}, true)
	for range 2 {
		fleet.Watch(channels.DeviceRef{Type: "pump", ID: "pump-007"}, true)
	}
	fleet.Watch(channels.DeviceRef{Type: "pump", ID: "pump-007"}, false)
	if n := fleet.Turns(); n != 11 {
		t.Fatalf("a round has %d turns, want 11", n)
	}
	said := map[string]int{}
	for range 11 * 100 {
		m := fleet.Next()
		said[m.Topic[:len("things/pump/pump-001")]]++
	}
	for device, n := range said {
		if want := map[bool]int{true: 200, false: 100}[device == "things/pump/pump-003"]; n != want {
			t.Errorf("%s has spoken %d times, want %d", device, n, want)
		}
	}
}
