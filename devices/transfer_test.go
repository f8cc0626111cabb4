package devices_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// fleet has every kind of text that a record may hold.
func fleet() []devices.Device {
	odd := devices.DefaultRecord()
	odd.Code, odd.Key, odd.Name, odd.Owner, odd.ProductType = `"4711",`, "k;=", "  leading,\u2028 \"quoted\" 漢字 ", "user@example.org", "[x"
	odd.Groups = []devices.Group{{ID: "a;b", Name: `"A",<&>`}, {ID: "=", Name: ""}, {ID: "[", Name: "{"}}
	odd.Attributes, odd.Active = json.RawMessage(`{"note":"a\n\"b\",","n":[1.50,null]}`), false
	all := []devices.Device{
		{DeviceRef: channels.DeviceRef{Type: "pump", ID: "1"}, Record: odd},
		{DeviceRef: channels.DeviceRef{Type: "pump", ID: `"2",`}, Record: devices.DefaultRecord()},
	}
	all[0].Latitude, all[0].Longitude = new(-0.000001), new(13.404953999999998)
	return all
}

func export(t *testing.T, format devices.Format, all []devices.Device) string {
	t.Helper()
	var out bytes.Buffer
	e := devices.NewExporter(&out, format)
	err := e.Begin()
	for i := range all {
		err = errors.Join(err, e.Write(&all[i]))
	}
	if err = errors.Join(err, e.End()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestWhatIsExportedIsImported(t *testing.T) {
	for _, format := range []devices.Format{devices.CSV, devices.JSONL} {
		text := export(t, format, fleet())
		list, err := devices.ReadImport(strings.NewReader(text), format)
		if err != nil {
			t.Fatalf("%s: %v\n%s", format, err, text)
		}
		outcomes, err := devices.Resolve(list.Edits, nil)
		if err != nil {
			t.Fatal(err)
		}
		var again []devices.Device
		for _, o := range outcomes {
			d := devices.Device{DeviceRef: o.DeviceRef, Record: *o.After}
			d.Latitude, d.Longitude = o.Latitude, o.Longitude
			again = append(again, d)
		}
		if !reflect.DeepEqual(again, fleet()) {
			t.Errorf("%s: got %+v\n%s", format, again, text)
		}
		if once := export(t, format, again); once != text {
			t.Errorf("%s: exported again it is %s, not %s", format, once, text)
		}
	}
}

func TestATableMayBeWrittenByHand(t *testing.T) {
	const table = "\ufeffdevice_type,device_id,groups,is_active,latitude,name\r\n" +
		"pump,1, a ; b=Hall B;,TRUE,,\"Pump\"\"1\"\"\"\r\n" +
		"\r\n" +
		"pump,2,,,52.5,\r\n"
	list, err := devices.ReadImport(strings.NewReader(table), devices.CSV)
	if err != nil {
		t.Fatal(err)
	}
	want := []devices.Patch{
		{Groups: &[]devices.Group{{ID: "a"}, {ID: "b", Name: "Hall B"}}, Active: new(true), Name: new(`Pump"1"`)},
		{Groups: &[]devices.Group{}, Latitude: new(52.5), Name: new("")},
	}
	for i, e := range list.Edits {
		if e.Kind != devices.EditPut || !reflect.DeepEqual(e.Patch, want[i]) {
			t.Errorf("row %d: %+v", i, e)
		}
	}
}

func TestAMistakeInAnImportIsNamedByLineAndField(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "there is no device in the file",
		"device_type,device_id\n":           "there is no device in the file",
		"\n":                                "there is no device in the file",
		"device_type,device_id\npump\n":     "line 2: wrong number of fields",
		"device_type,device_id\npump,\"1\n": `line 2: extraneous or missing " in quoted-field`,
		"device_type,device_id,named\npump,1,x\n":                                      "line 2: named: is no field of a device",
		"device_type,device_id,status\npump,1,online\n":                                "line 2: status: is what the device reports, or the registry's own, and cannot be set",
		"device_type,device_id,name\npump,1,a\npump,2,\"a\nb\"\n":                      "line 3: name: want text of at most 255 bytes without control characters",
		"device_type,device_id,name\npump,1,\xff\n":                                    "line 2: name: want text of at most 255 bytes without control characters",
		"device_type,name\npump,1\n":                                                   "line 2: device_id: is missing",
		"device_id,name\n1,1\n":                                                        "line 2: device_type: is missing",
		"device_type,device_id,latitude\npump,1,north\n":                               `line 2: latitude: "north" is not JSON`,
		"device_type,device_id,latitude\npump,1,\"52,5\"\n":                            `line 2: latitude: "52,5" is not JSON`,
		"device_type,device_id,latitude\npump,1,91\n":                                  "line 2: latitude: want a number from -90 to 90",
		"device_type,device_id,is_active\npump,1,ja\n":                                 `line 2: is_active: "ja" is not JSON`,
		"device_type,device_id,attributes\npump,1,x\n":                                 `line 2: attributes: "x" is not JSON`,
		"device_type,device_id,groups\npump,1,a;a\n":                                   `line 2: groups[1].id: "a" stands twice`,
		"device_type,device_id\npump,a/b\n":                                            `line 2: device_id: device id "a/b": holds one of "/", "+", "#"`,
		"{\"device_type\":\"pump\",\"device_id\":\"1\"}\n\n{\"device_type\":\"pump\"}": "line 3: device_id: is missing",
		"{\"device_type\":\"pump\",\"device_id\":\"1\"}\nx":                            "line 2: body: the payload is not a JSON object",
		"{\"a\":\"" + strings.Repeat("x", 300_000):                                     "line 1: longer than 262144 bytes",
	} {
		format := devices.CSV
		if strings.HasPrefix(text, "{") {
			format = devices.JSONL
		}
		_, err := devices.ReadImport(strings.NewReader(text), format)
		if err == nil || err.Error() != want {
			t.Errorf("%.60q: got %v, want %s", text, err, want)
		}
	}
}

func TestAnErrorOfTheRegistryIsExplainedByTheLine(t *testing.T) {
	list, err := devices.ReadImport(strings.NewReader("device_type,device_id\npump,1\n\npump,1\n"), devices.CSV)
	if err != nil {
		t.Fatal(err)
	}
	_, err = devices.Resolve(list.Edits, nil)
	if err = list.Explain(err); err == nil || err.Error() != "line 4: device_id: pump/1 is edited twice" {
		t.Errorf("got %v", err)
	}
	if list.Explain(nil) != nil || !errors.Is(list.Explain(errDown), errDown) {
		t.Error("other errors do not stay what they are")
	}
}

func FuzzReadImport(f *testing.F) {
	f.Add([]byte("device_type,device_id,groups,attributes\npump,1,a;b=B,{}\n"), true)
	f.Add([]byte(`{"device_type":"pump","device_id":"1","name":"a"}`), false)
	f.Fuzz(func(t *testing.T, text []byte, csv bool) {
		format := devices.JSONL
		if csv {
			format = devices.CSV
		}
		list, err := devices.ReadImport(bytes.NewReader(text), format)
		if err != nil {
			return
		}
		outcomes, err := devices.Resolve(list.Edits, nil)
		if err != nil {
			return // the same device twice
		}
		var all []devices.Device
		for _, o := range outcomes {
			all = append(all, devices.Device{DeviceRef: o.DeviceRef, Record: *o.After})
		}
		if _, err := devices.ReadImport(strings.NewReader(export(t, format, all)), format); err != nil {
			t.Errorf("its export is not read: %v", err)
		}
	})
}
