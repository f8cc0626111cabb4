package devices

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/griphub/griphub/channels"
)

// A FleetMessage is a message that a device of a Fleet would publish.
type FleetMessage struct {
	Topic   string
	Payload []byte
}

// A Fleet makes up what a number of devices say: each its status first, then readings that walk between plausible
// bounds, with a status now and then. A device that is watched speaks twice as often. The same seed makes the same
// fleet. Readings carry neither a time nor an id of their own, so that a fleet can be run again and again. It is not safe
// for concurrent use.
type Fleet struct {
	random  *rand.Rand
	devices []simulated
	next    int
	// between has a watched device whose turn is before the next one's.
	between *simulated
	watched int
}

type simulated struct {
	kind    *simulatedType
	id      string
	values  []float64
	battery float64
	said    int
	watched bool
}

type simulatedType struct {
	name, short string
	sensors     []sensor
}

type sensor struct {
	name      string
	low, high float64
	step      float64 // the most by which a value changes
	digits    int
}

// FleetTypes names the types of devices that a Fleet knows.
func FleetTypes() []string {
	var names []string
	for _, t := range simulatedTypes() {
		names = append(names, t.name)
	}
	return names
}

func simulatedTypes() []simulatedType {
	return []simulatedType{
		{"weatherstation", "ws", []sensor{{"temperature", -15, 38, 0.4, 2}, {"humidity", 15, 100, 1.5, 1}, {"pressure", 970, 1045, 0.5, 1}}},
		{"pump", "pump", []sensor{{"flow", 0, 12, 0.6, 2}, {"power", 0, 1500, 60, 0}, {"vibration", 0, 9, 0.3, 2}}},
		{"meter", "meter", []sensor{{"voltage", 218, 242, 0.8, 1}, {"current", 0, 32, 1.2, 2}}},
		{"tank", "tank", []sensor{{"level", 0, 100, 1, 1}, {"temperature", 2, 35, 0.2, 2}}},
		{"airsensor", "air", []sensor{{"co2", 400, 2400, 25, 0}, {"pm25", 0, 120, 2, 1}, {"temperature", 15, 30, 0.2, 2}}},
	}
}

// NewFleet returns a fleet of so many devices, 1 or more, of the types in turn; no types means all that FleetTypes
// names. Their ids are like ws-001.
func NewFleet(seed uint64, devices int, types []string) (*Fleet, error) {
	known := simulatedTypes()
	var chosen []*simulatedType
	for _, name := range types {
		i := slices.IndexFunc(known, func(t simulatedType) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("fleet: type %q: want %s", name, strings.Join(FleetTypes(), ", "))
		}
		chosen = append(chosen, &known[i])
	}
	if len(types) == 0 {
		for i := range known {
			chosen = append(chosen, &known[i])
		}
	}
	if devices < 1 {
		return nil, fmt.Errorf("fleet: %d devices: want 1 or more", devices)
	}
	f := &Fleet{random: rand.New(rand.NewPCG(seed, 0)), devices: make([]simulated, devices)}
	for i := range f.devices {
		f.devices[i] = f.simulated(chosen[i%len(chosen)], i/len(chosen)+1)
	}
	return f, nil
}

func (f *Fleet) simulated(t *simulatedType, number int) simulated {
	d := simulated{
		kind:    t,
		id:      fmt.Sprintf("%s-%03d", t.short, number),
		values:  make([]float64, len(t.sensors)),
		battery: 60 + 40*f.random.Float64(),
	}
	for i, s := range t.sensors {
		d.values[i] = s.low + (s.high-s.low)*f.random.Float64()
	}
	return d
}

// Watch tells a device whether it is watched. Devices that are not of the fleet it leaves alone.
func (f *Fleet) Watch(device channels.DeviceRef, watched bool) {
	for i := range f.devices {
		d := &f.devices[i]
		if d.kind.name != device.Type || d.id != device.ID || d.watched == watched {
			continue
		}
		if d.watched = watched; watched {
			f.watched++
		} else {
			f.watched--
		}
	}
}

// Has tells whether the device is of the fleet. It may be called concurrently with everything else.
func (f *Fleet) Has(device channels.DeviceRef) bool {
	for i := range f.devices {
		if d := &f.devices[i]; d.kind.name == device.Type && d.id == device.ID {
			return true
		}
	}
	return false
}

// Turns is how many messages a round has, in which each device speaks once, and those that are watched twice.
func (f *Fleet) Turns() int { return len(f.devices) + f.watched }

// Next returns the next message. The devices speak in turn, and those that are watched again half a round later.
func (f *Fleet) Next() FleetMessage {
	const statusEvery = 120
	d := f.between
	if f.between = nil; d == nil {
		d = &f.devices[f.next]
		if opposite := &f.devices[(f.next+len(f.devices)/2)%len(f.devices)]; opposite.watched {
			f.between = opposite
		}
		f.next = (f.next + 1) % len(f.devices)
	}
	topic := "things/" + d.kind.name + "/" + d.id
	d.said++
	if d.said%statusEvery == 1 {
		return FleetMessage{topic + "/status", d.status(f.random)}
	}
	return FleetMessage{topic + "/data", d.reading(f.random)}
}

func (d *simulated) reading(random *rand.Rand) []byte {
	b := []byte{'{'}
	for i, s := range d.kind.sensors {
		v := d.values[i] + s.step*(2*random.Float64()-1)
		d.values[i] = min(max(v, s.low), s.high)
		if i > 0 {
			b = append(b, ',')
		}
		b = appendQuoted(b, s.name)
		b = append(b, ':')
		b = strconv.AppendFloat(b, d.values[i], 'f', s.digits, 64)
	}
	return append(b, '}')
}

// status is mostly "online". The battery goes down, and is changed when it is empty.
func (d *simulated) status(random *rand.Rand) []byte {
	status := Online
	d.battery -= 3 * random.Float64()
	switch {
	case d.battery < 2:
		d.battery = 100
	case d.battery < 15:
		status = LowBattery
	case d.said > 1 && random.IntN(20) == 0:
		status = Maintenance
	}
	return fmt.Appendf(nil, `{"status":"%s","battery_level":%.1f,"firmware_version":"1.4.2"}`, status, d.battery)
}
