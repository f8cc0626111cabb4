package devices

import (
	"encoding/json"

	"github.com/griphub/griphub/channels"
)

// A Kept is what was known of a device right after one of its events. It stands in the private data of events of types
// that keep it (Options.KeepState), so that whoever renders an event shows the same now and when it is read again.
type Kept struct {
	Status Status `json:"status"`
	// Values holds the last value of every field of the device's data.
	Values map[string]json.RawMessage `json:"values"`
}

// KeptBy returns what the event keeps; ok is false where it keeps none.
func KeptBy(e *channels.Event) (s Kept, ok bool) {
	var private struct {
		State *Kept `json:"state"`
	}
	if len(e.Private) == 0 || json.Unmarshal(e.Private, &private) != nil || private.State == nil {
		return Kept{}, false
	}
	return *private.State, true
}

// maxStateBytes bounds a state. A device that knows so many long values has events without.
const maxStateBytes = 64 << 10

// state is the private data of an event; nil where it would be too long.
func (k *known) state() json.RawMessage {
	b := appendQuoted([]byte(`{"state":{"status":`), string(k.status))
	b = append(b, `,"values":{`...)
	for i, v := range k.values {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, v.name), ':')
		if b = append(b, v.literal...); len(b) > maxStateBytes {
			return nil
		}
	}
	return append(b, `}}}`...)
}
