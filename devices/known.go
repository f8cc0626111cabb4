package devices

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/griphub/griphub/channels"
)

// Bounds of what is kept of a device's last values. They are the registry's, not the event's: a device that makes
// up a new field name with each message must not grow without end.
const (
	maxValues     = maxFields
	maxValueBytes = 4 << 10
)

// known is a Device in the form in which many of them are kept in memory: no map, shared field names.
type known struct {
	// registered tells that the registry has the device.
	registered bool
	status     Status
	overdue    bool
	lastSeen   time.Time
	firmware   string
	battery    *float64
	values     []value
	dataTime   time.Time
	statusTime time.Time
	// told are the measures that the batch under way has told.
	told Measures
	// loaded is when the registry was asked.
	loaded time.Time
}

type value struct {
	name    string
	literal string
}

// unknown is a device that nobody has heard of.
func unknown() *known { return &known{status: Offline} }

func newKnown(d *Device, names names) *known {
	k := &known{
		registered: true,
		status:     d.Status,
		overdue:    d.Overdue,
		lastSeen:   d.LastSeen,
		firmware:   d.Firmware,
		battery:    d.Battery,
		values:     make([]value, 0, len(d.Values)),
		dataTime:   d.DataTime,
		statusTime: d.StatusTime,
	}
	for name, literal := range d.Values {
		k.values = append(k.values, value{names.intern(name), string(literal)})
	}
	return k
}

// clone returns a copy whose changes do not show in k.
func (k *known) clone() *known {
	c := *k
	c.values = slices.Clone(k.values)
	return &c
}

// tell takes over what a message tells of the device's values and measures.
func (k *known) tell(r *report, names names) {
	k.set(r.fields, names)
	k.told = r.measures.over(k.told)
}

// seen notes a sign of life.
func (k *known) seen(r *report) {
	if r.message.Received.After(k.lastSeen) {
		k.lastSeen = r.message.Received
	}
}

func (k *known) set(fields []field, names names) {
next:
	for _, f := range fields {
		if len(f.value) > maxValueBytes {
			continue
		}
		for i := range k.values {
			if k.values[i].name == f.name {
				k.values[i].literal = string(f.value)
				continue next
			}
		}
		if len(k.values) < maxValues {
			k.values = append(k.values, value{names.intern(f.name), string(f.value)})
		}
	}
}

// change returns what is known as the registry takes it; register adds a device that is not there.
func (k *known) change(ref channels.DeviceRef, register bool) Change {
	c := Change{
		DeviceRef: ref,
		State: State{
			Status:     k.status,
			Overdue:    k.overdue,
			LastSeen:   k.lastSeen,
			Firmware:   k.firmware,
			Battery:    k.battery,
			Measures:   k.told,
			Values:     make(map[string]json.RawMessage, len(k.values)),
			DataTime:   k.dataTime,
			StatusTime: k.statusTime,
		},
		Register: register,
	}
	for _, v := range k.values {
		c.Values[v.name] = json.RawMessage(v.literal)
	}
	return c
}

// size estimates the memory that k takes, in bytes.
func (k *known) size() int {
	const fixed, perValue = 320, 32
	n := fixed + len(k.firmware)
	for _, v := range k.values {
		n += perValue + len(v.literal)
	}
	return n
}

// names shares the field names that many devices have in common.
type names map[string]string

func (n names) intern(name string) string {
	const most = 4096
	if shared, ok := n[name]; ok {
		return shared
	}
	if len(n) < most {
		n[name] = name
	}
	return name
}

// cache keeps what is known of devices. It is a cache of the registry: behind it for a while where somebody else
// writes, never ahead of it.
type cache struct {
	devices map[channels.DeviceRef]*known
	bytes   int
	most    int
}

func newCache(most int) *cache {
	return &cache{devices: make(map[channels.DeviceRef]*known), most: most}
}

// get returns the device if it was loaded after the given time.
func (c *cache) get(ref channels.DeviceRef, after time.Time) (*known, bool) {
	k, ok := c.devices[ref]
	return k, ok && k.loaded.After(after)
}

// put keeps a device, and lets any others go while there is no room.
func (c *cache) put(ref channels.DeviceRef, k *known) {
	c.drop(ref)
	c.devices[ref] = k
	c.bytes += k.size()
	for other := range c.devices {
		if c.bytes <= c.most {
			return
		}
		if other != ref {
			c.drop(other)
		}
	}
}

func (c *cache) drop(ref channels.DeviceRef) {
	if k, ok := c.devices[ref]; ok {
		c.bytes -= k.size()
		delete(c.devices, ref)
	}
}
