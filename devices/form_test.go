package devices_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

func TestAPatchSaysWhatItNames(t *testing.T) {
	ref, got, err := devices.ParsePatch([]byte(`{"device_type":"pump","device_id":"p-1","device_code":"4711","key":null,"name":"Pümpe",
		"owner":7,"groups":[{"id":3,"name":"Hall"},{"id":"a"}],"is_active":false,"product_type":"P-100","attributes":{"a" : 1.50},
		"latitude":-90,"longitude":null}`))
	if err != nil {
		t.Fatal(err)
	}
	want := devices.Patch{
		Code: new("4711"), Key: new(""), Name: new("Pümpe"), Owner: new("7"), Groups: &[]devices.Group{{ID: "3", Name: "Hall"}, {ID: "a"}},
		Active: new(false), ProductType: new("P-100"), Attributes: new(json.RawMessage(`{"a":1.50}`)), Latitude: new(-90.0),
	}
	if (ref != channels.DeviceRef{Type: "pump", ID: "p-1"}) || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v %+v", ref, got)
	}
	if _, got, err := devices.ParsePatch([]byte(`{}`)); err != nil || !reflect.DeepEqual(got, devices.Patch{}) {
		t.Errorf("of nothing: %+v, %v", got, err)
	}
	if _, got, err := devices.ParsePatch([]byte(`{"groups":null,"attributes":null}`)); err != nil || len(*got.Groups) != 0 || string(*got.Attributes) != "{}" {
		t.Errorf("of null: %+v, %v", got, err)
	}
}

func TestAPatchThatIsWrongIsRefusedByField(t *testing.T) {
	long := strings.Repeat("x", 300)
	for body, want := range map[string]string{
		`[]`:                                  "body: the payload is not a JSON object",
		`{"name":1}`:                          "name: want text",
		`{"name":"a\nb"}`:                     "name: want text of at most 255 bytes without control characters",
		`{"name":"` + long + `"}`:             "name: want text of at most 255 bytes without control characters",
		`{"key":"` + long + `"}`:              "key: want text of at most 255 bytes without control characters",
		`{"product_type":true}`:               "product_type: want text",
		`{"device_code":"a/b"}`:               `device_code: device code "a/b": holds one of "/", "+", "#"`,
		`{"device_code":7}`:                   "device_code: want text",
		`{"owner":true}`:                      "owner: want text",
		`{"owner":"a\u0000"}`:                 `owner: channel "@devices/a\x00": the name holds a control character`,
		`{"owner":"` + long + `"}`:            `owner: channel "@devices/` + long[:55] + `…": the name is longer than 255 bytes`,
		`{"is_active":"true"}`:                "is_active: want true or false",
		`{"is_active":2}`:                     "is_active: want true or false",
		`{"latitude":"52.5"}`:                 "latitude: want a number",
		`{"latitude":90.1}`:                   "latitude: want a number from -90 to 90",
		`{"latitude":1e999}`:                  "latitude: want a number",
		`{"longitude":-180.5}`:                "longitude: want a number from -180 to 180",
		`{"longitude":true}`:                  "longitude: want a number",
		`{"groups":"a"}`:                      `groups: want an array of {"id","name"}`,
		`{"groups":["a"]}`:                    `groups[0]: want {"id","name"}`,
		`{"groups":[{"name":"a"}]}`:           "groups[0].id: is missing",
		`{"groups":[{"id":"a"},{"id":"a"}]}`:  `groups[1].id: "a" stands twice`,
		`{"groups":[{"id":"a","named":"A"}]}`: "groups[0].named: is no field of a group",
		`{"groups":[{"id":"a","name":7}]}`:    "groups[0].name: want text",
		`{"groups":[{"id":"` + long + `"}]}`:  "groups[0].id: want text of at most 128 bytes without control characters",
		`{"groups":[` + strings.Repeat(`{"id":"a"},`, 32) + `{"id":"a"}]}`: "groups: more than 32",
		`{"attributes":[]}`: "attributes: want a JSON object",
		`{"attributes":{"a":"` + strings.Repeat("x", 17000) + `"}}`: "attributes: longer than 16384 bytes",
		`{"status":"online"}`: "status: is what the device reports, or the registry's own, and cannot be set",
		`{"temperature":1}`:   "temperature: is what the device reports, or the registry's own, and cannot be set",
		`{"named":"a"}`:       "named: is no field of a device",
	} {
		_, _, err := devices.ParsePatch([]byte(body))
		if err == nil || err.Error() != want {
			t.Errorf("%.60s: got %v, want %s", body, err, want)
		}
	}
}

func FuzzParsePatch(f *testing.F) {
	f.Add([]byte(`{"device_type":"pump","device_id":"p-1","groups":[{"id":3,"name":"Hall"}],"attributes":{"a":[1,{}]},"latitude":-0.5}`))
	f.Add([]byte(`{"owner":-1e5,"is_active":null,"longitude":180}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		_, p, err := devices.ParsePatch(body)
		if err != nil {
			return
		}
		if err := p.Validate(); err != nil {
			t.Errorf("what was read is not valid: %v", err)
		}
		if p.Attributes != nil && !json.Valid(*p.Attributes) {
			t.Errorf("attributes %q", *p.Attributes)
		}
	})
}
