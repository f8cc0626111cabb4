package channels_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/griphub/griphub/channels"
)

func TestParseChannelTakesEveryNameThatClientsUse(t *testing.T) {
	for _, name := range []string{
		"foo", "a", "iot_pump_p1", "object/7", "a b", "100%", "a,b:c;d", "room-ü-日本", "x@y", " ", "..", "%40system",
		strings.Repeat("n", channels.MaxNameBytes),
	} {
		c, err := channels.ParseChannel(name)
		if err != nil || string(c) != name {
			t.Errorf("ParseChannel(%q) = %q, %v", name, c, err)
		}
	}
}

func TestParseChannelRefusesWhatIsNoName(t *testing.T) {
	for what, name := range map[string]string{
		"nothing":                 "",
		"one byte too many":       strings.Repeat("n", channels.MaxNameBytes+1),
		"far too many bytes":      strings.Repeat("ü", 1<<20),
		"a line break":            "a\nb",
		"a carriage return":       "a\rb",
		"a NUL":                   "a\x00b",
		"DEL":                     "a\x7f",
		"a C1 control":            "a\u0085b",
		"bytes that are no UTF-8": "a\xff",
	} {
		if c, err := channels.ParseChannel(name); err == nil {
			t.Errorf("%s: ParseChannel accepted %.20q", what, c)
		} else if len(err.Error()) > 600 {
			t.Errorf("%s: the error repeats %d bytes of hostile input", what, len(err.Error()))
		}
	}
}

func TestParseChannelRefusesInternalNames(t *testing.T) {
	for _, name := range []string{"@", "@public", "@system", "@user/7", "@@", "@\xff", string(channels.System)} {
		if _, err := channels.ParseChannel(name); !errors.Is(err, channels.ErrInternalChannel) {
			t.Errorf("ParseChannel(%q): %v", name, err)
		}
	}
}

func TestUserChannelsAreInternalAndNeverShared(t *testing.T) {
	seven, err := channels.User("7")
	if err != nil || seven != "@user/7" || !seven.Internal() {
		t.Fatalf("User(7) = %q, %v", seven, err)
	}
	if c, err := channels.User(""); err == nil {
		t.Errorf("the empty id has the channel %q", c)
	}
	for _, id := range []string{"a\nb", "\xff", strings.Repeat("u", channels.MaxNameBytes)} {
		if c, err := channels.User(id); err == nil {
			t.Errorf("User(%.20q) = %q", id, c)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		ca, errA := channels.User(a)
		cb, errB := channels.User(b)
		if errA == nil && errB == nil && (a == b) != (ca == cb) {
			t.Fatalf("users %q and %q have channels %q and %q", a, b, ca, cb)
		}
	})
}

func TestDeviceChannelsHaveTheNamesOfDjangoDevicehub(t *testing.T) {
	for _, c := range []struct{ deviceType, id, want string }{
		{"pump", "", "iot_pump"},
		{"pump", "p1", "iot_pump_p1"},
		{"a_b", "", "iot_a%5Fb"},
		{"a", "b", "iot_a_b"},
		{"50%", "x_y%", "iot_50%25_x_y%"},
		{"Wetterstation-ü", "1", "iot_Wetterstation-ü_1"},
	} {
		if got, err := channels.Device(c.deviceType, c.id); err != nil || string(got) != c.want {
			t.Errorf("Device(%q, %q) = %q, %v; want %q", c.deviceType, c.id, got, err, c.want)
		}
	}
	if c, err := channels.Device("", "p1"); err == nil {
		t.Errorf("a device without a type has the channel %q", c)
	}
}

func TestNoTwoDevicesShareAChannel(t *testing.T) {
	// Few letters, so that what could collide does.
	part := rapid.StringOfN(rapid.SampledFrom([]rune("a_%5F")), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		type device struct{ deviceType, id string }
		a := device{part.Draw(t, "type a"), part.Draw(t, "id a")}
		b := device{part.Draw(t, "type b"), part.Draw(t, "id b")}
		ca, errA := channels.Device(a.deviceType, a.id)
		cb, errB := channels.Device(b.deviceType, b.id)
		if errA == nil && errB == nil && (a == b) != (ca == cb) {
			t.Fatalf("%+v and %+v have channels %q and %q", a, b, ca, cb)
		}
	})
}

func TestEscapeIsPythonsQuote(t *testing.T) {
	for name, want := range map[channels.Channel]string{
		"foo":         "foo",
		"AZaz09_.-~/": "AZaz09_.-~/",
		"a b":         "a%20b",
		"a,b:c":       "a%2Cb%3Ac",
		"100%":        "100%25",
		"@user/7":     "%40user/7",
		"ü日":          "%C3%BC%E6%97%A5",
		`";()\+`:      "%22%3B%28%29%5C%2B",
	} {
		if got := name.Escape(); got != want {
			t.Errorf("Escape(%q) = %q, want %q", name, got, want)
		}
		if got := name.Grip(); got != "events-"+want {
			t.Errorf("Grip(%q) = %q", name, got)
		}
	}
}

func TestFromGripReadsBackEveryName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		c, err := channels.ParseChannel(name)
		if err != nil {
			c = channels.Public
		}
		got, ok := channels.FromGrip(c.Grip())
		if !ok || got != c {
			t.Fatalf("FromGrip(%q) = %q, %v", c.Grip(), got, ok)
		}
	})
}

func TestFromGripRefusesWhatIsNoEventChannel(t *testing.T) {
	for _, name := range []string{
		"", "events", "events-", "user-7", "Events-foo", "prefix-events-foo", "events-%", "events-a%2", "events-a%",
		"events-%zz", "events-%0a", "events-%00", "events-%ff", "events-%-1", "events-" + strings.Repeat("a", 256),
	} {
		if c, ok := channels.FromGrip(name); ok {
			t.Errorf("FromGrip(%q) = %q", name, c)
		}
	}
}

// FuzzFromGrip holds that what is read back is a valid name, and one that its canonical form leads to.
func FuzzFromGrip(f *testing.F) {
	for _, seed := range []string{"events-foo", "events-a%20b", "events-%40user/7", "events-%", "events-%c3%bC", "events-%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c, ok := channels.FromGrip(name)
		if !ok {
			return
		}
		if c == "" || len(c) > channels.MaxNameBytes || !utf8.ValidString(string(c)) || strings.IndexFunc(string(c), unicode.IsControl) >= 0 {
			t.Fatalf("FromGrip(%q) = %q, which is no name", name, c)
		}
		if again, ok := channels.FromGrip(c.Grip()); !ok || again != c {
			t.Fatalf("%q escaped is %q, which reads as %q", c, c.Grip(), again)
		}
		// An encoder of another language agrees, where it understands the name at all.
		if plain, err := url.PathUnescape(strings.TrimPrefix(name, "events-")); err != nil || plain != string(c) {
			t.Fatalf("FromGrip(%q) = %q, net/url says %q, %v", name, c, plain, err)
		}
	})
}
