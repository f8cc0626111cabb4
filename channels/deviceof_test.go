package channels_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
)

func TestADeviceIsReadBackFromItsChannel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ref := channels.DeviceRef{
			Type: rapid.StringMatching(`[a-zA-Z_% é-]{1,20}`).Draw(t, "type"),
			ID:   rapid.StringMatching(`[a-zA-Z0-9_%./ é-]{0,20}`).Draw(t, "id"),
		}
		c, err := channels.Device(ref.Type, ref.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := channels.DeviceOf(c); !ok || got != ref {
			t.Fatalf("%q is read as %v %v, want %v", c, got, ok, ref)
		}
	})
}

func TestOtherChannelsAreNoDevices(t *testing.T) {
	for _, c := range []channels.Channel{"", "room", "iot", "iot_", "iot__x", "iot_a_", "iot_%", "iot_%zz_x", "iot_%61_x", "iot_a%5f", "@user/7"} {
		if ref, ok := channels.DeviceOf(c); ok {
			t.Errorf("%q is read as %v", c, ref)
		}
	}
}
