package devices

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/channels"
)

var payloadSeeds = []string{
	`{"temperature": 25.30, "humidity": 80.1}`,
	`{"readings":[{"type":"temperature","value":25.3},{"type":"x","value":{"a":[]}}],"timestamp":"2025-01-15T12:00:00Z"}`,
	`{"id":"a","timestamp":"2025-01-15 12:00:00,5+0200"}`,
	`{"\u0061":1,"a":2,"\ud800":"\ud83d\ude00"}`,
	`{"a":-0.0e+10,"b":[null,true,false,[],{}]}`,
	`{} x`, `[1]`, `{"a":01}`, `{"a":1,}`, "\ufeff{}", `"online"`, `online`, ``, "{\"a\":\"\x00\"}",
	`{"status":"online","battery_level":1e2,"firmware_version":"1"}`,
}

// The scanner agrees with encoding/json on what JSON is, and on the text without white space.
func FuzzParseObject(f *testing.F) {
	for _, seed := range payloadSeeds {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		fields, err := parseObject(payload)
		trimmed := bytes.TrimLeft(payload, " \t\r\n")
		object := json.Valid(payload) && trimmed[0] == '{'
		if err == nil != object {
			bounded := err != nil && (strings.Contains(err.Error(), "deeper") || strings.Contains(err.Error(), "fields") || strings.Contains(err.Error(), "UTF-8"))
			if object && bounded {
				return
			}
			t.Fatalf("object %v, error %v", object, err)
		}
		if err != nil {
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, payload); err != nil {
			t.Fatal(err)
		}
		names := make(map[string]bool)
		got := []byte{'{'}
		for i, fd := range fields {
			if i > 0 {
				got = append(got, ',')
			}
			got = append(append(append(got, fd.literal...), ':'), fd.value...)
			if names[fd.name] {
				t.Fatalf("%q stands twice", fd.name)
			}
			names[fd.name] = true
		}
		got = append(got, '}')
		if !json.Valid(got) {
			t.Fatalf("fields make %s", got)
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(payload, &members); err != nil {
			t.Fatal(err)
		}
		if len(members) != len(fields) {
			t.Fatalf("%d fields, encoding/json has %d", len(fields), len(members))
		}
		if bytes.Count(want.Bytes(), []byte{':'}) == bytes.Count(got, []byte{':'}) && !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("got %s, want %s", got, want.Bytes())
		}
	})
}

// Whatever arrives, the message is refused or its draft is valid.
func FuzzRead(f *testing.F) {
	for _, seed := range payloadSeeds {
		f.Add([]byte(seed), "weatherstation", "ws-001", byte(KindData))
		f.Add([]byte(seed), "a_b%", "\"\\<é", byte(KindStatus))
		f.Add([]byte(seed), "pump", "p1", byte(KindResponse))
	}
	f.Fuzz(func(t *testing.T, payload []byte, deviceType, id string, kind byte) {
		m := Message{Kind: Kind(kind), Type: deviceType, ID: id, Payload: payload, KeyField: "id", Received: time.Unix(1736942400, 0).UTC()}
		before := slices.Clone(payload)
		r := read(&m)
		if !bytes.Equal(before, payload) {
			t.Fatal("the payload was changed")
		}
		if r.refused != "" {
			return
		}
		draft, err := r.dataDraft()
		switch m.Kind {
		case KindStatus:
			draft, err = r.statusDraft(Offline, r.status)
		case KindResponse:
			draft, err = r.responseDraft()
		}
		if err != nil {
			return
		}
		if err := draft.Validate(); err != nil {
			t.Fatalf("draft %s: %v", draft.Data, err)
		}
		var envelope struct {
			Type      string    `json:"device_type"`
			ID        string    `json:"device_id"`
			Timestamp time.Time `json:"timestamp"`
		}
		if err := json.Unmarshal(draft.Data, &envelope); err != nil {
			t.Fatalf("envelope %s: %v", draft.Data, err)
		}
		if envelope.Type != deviceType || envelope.ID != id {
			t.Fatalf("envelope %s of %q/%q", draft.Data, deviceType, id)
		}
		if bytes.ContainsAny(draft.Data, "\r\n") || len(draft.Key) > channels.MaxKeyBytes {
			t.Fatalf("data %q, key %q", draft.Data, draft.Key)
		}
	})
}

func TestTimestamps(t *testing.T) {
	for text, want := range map[string]string{
		"2025-01-15T12:00:00Z":                "2025-01-15T12:00:00+00:00",
		"2025-01-15t12:00:00z":                "2025-01-15T12:00:00+00:00",
		"2025-01-15T12:00:00":                 "2025-01-15T12:00:00+00:00",
		"2025-01-15 12:00":                    "2025-01-15T12:00:00+00:00",
		"2025-01-15T12:00:00.25":              "2025-01-15T12:00:00.250000+00:00",
		"2025-01-15T12:00:00,25-0330":         "2025-01-15T12:00:00.250000-03:30",
		"2025-01-15T12:00:00+02":              "2025-01-15T12:00:00+02:00",
		"20250115T120000Z":                    "2025-01-15T12:00:00+00:00",
		"2025-01-15T12:00:00.000000001+14:00": "2025-01-15T12:00:00+14:00",
		"2025-02-30T12:00:00Z":                "",
		"2025-01-15T24:00:00Z":                "",
		"2025-01-15":                          "",
		"15.01.2025 12:00:00":                 "",
		"2025-01-15T12:00:00 Europe/Berlin":   "",
		"":                                    "",
	} {
		got, ok := parseTimestamp(text)
		if ok != (want != "") || ok && string(appendTimestamp(nil, got)) != want {
			t.Errorf("%q: %s, %v; want %q", text, appendTimestamp(nil, got), ok, want)
		}
	}
}

func TestKindsHaveNames(t *testing.T) {
	for _, name := range []string{"data", "status", "state"} {
		if kind, err := ParseKind(name); err != nil || kind.String() != name {
			t.Errorf("%s: %v, %v", name, kind, err)
		}
	}
	for _, name := range []string{"", "Data", "cmd"} {
		if kind, err := ParseKind(name); err == nil {
			t.Errorf("%q: %v", name, kind)
		}
	}
}
