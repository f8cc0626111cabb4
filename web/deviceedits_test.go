package web_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/griphub/griphub/grip"
)

// ask makes a request as an application does: with an API key unless the fields say otherwise, not through the proxy.
func (h *hub) ask(method, target, body string, fields ...string) *httptest.ResponseRecorder {
	h.Helper()
	fields = append([]string{grip.HeaderSig, "", "Authorization", keyed}, fields...)
	return h.do(h.request(method, target, strings.NewReader(body), fields...))
}

// asked demands the status, and JSON with these members.
func (h *hub) asked(w *httptest.ResponseRecorder, status int, want map[string]string) {
	h.Helper()
	var got map[string]json.RawMessage
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != status {
		h.Fatalf("%d %s, want %d", w.Code, w.Body, status)
	}
	for name, value := range want {
		if string(got[name]) != value {
			h.Errorf("%s is %s, want %s", name, got[name], value)
		}
	}
}

func TestADeviceIsAddedSetAndRemoved(t *testing.T) {
	h := openHub(t)
	h.asked(h.ask(http.MethodPost, "/api/devices", `{"device_type":"pump","device_id":"p-1","device_code":"4711","name":"Pump","owner":7,
		"groups":[{"id":"hall","name":"Hall"}],"attributes":{"floor":3},"latitude":52.5}`), http.StatusCreated, map[string]string{
		"device_type": `"pump"`, "device_id": `"p-1"`, "device_code": `"4711"`, "owner": `"7"`, "groups": `[{"id":"hall","name":"Hall"}]`,
		"is_active": "true", "attributes": `{"floor":3}`, "latitude": "52.5", "longitude": "null", "status": `"offline"`, "last_seen": "", "cursor": `"iot_pump_p-1:0"`,
	})
	h.asked(h.ask(http.MethodPatch, "/api/devices/pump/p-1", `{"name":"Pump 1","is_active":false,"device_id":"p-1"}`), http.StatusOK, map[string]string{
		"name": `"Pump 1"`, "is_active": "false", "device_code": `"4711"`, "owner": `"7"`,
	})
	h.asked(h.direct("/api/devices/pump/p-1", "X-User", "7"), http.StatusOK, map[string]string{"name": `"Pump 1"`})
	if w := h.ask(http.MethodDelete, "/api/devices/pump/p-1", ""); w.Code != http.StatusNoContent || w.Body.Len() > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	wantProblem(t, h.direct("/api/devices/pump/p-1", "X-User", "7"), http.StatusNotFound)
	wantProblem(t, h.ask(http.MethodDelete, "/api/devices/pump/p-1", ""), http.StatusNotFound)
	wantProblem(t, h.ask(http.MethodPatch, "/api/devices/pump/p-1", `{}`), http.StatusNotFound)
}

func TestOfManyDevicesAllAreAddedOrNone(t *testing.T) {
	h := openHub(t)
	h.asked(h.ask(http.MethodPost, "/api/devices", `[{"device_type":"pump","device_id":"1"},{"device_type":"pump","device_id":"2"}]`),
		http.StatusCreated, map[string]string{"added": "2"})
	for body, want := range map[string]struct {
		status int
		at     string
	}{
		`[{"device_type":"pump","device_id":"3"},{"device_type":"pump","device_id":"2"}]`: {http.StatusConflict, "[1].device_id"},
		`[{"device_type":"pump","device_id":"3"},{"device_type":"pump"}]`:                 {http.StatusUnprocessableEntity, "[1].device_id"},
		`[{"device_type":"pump","device_id":"3"},7]`:                                      {http.StatusUnprocessableEntity, "[1].body"},
		`[]`:                                     {http.StatusBadRequest, ""},
		`[`:                                      {http.StatusBadRequest, ""},
		``:                                       {http.StatusBadRequest, ""},
		`{"device_type":"pump"`:                  {http.StatusUnprocessableEntity, "body"},
		`{"device_type":"pump","device_id":"1"}`: {http.StatusConflict, "device_id"},
		`{"device_type":"pump","device_id":"4","latitude":91}`: {http.StatusUnprocessableEntity, "latitude"},
		`"` + strings.Repeat("x", 1<<20) + `"`:                 {http.StatusRequestEntityTooLarge, ""},
	} {
		if p := wantProblem(t, h.ask(http.MethodPost, "/api/devices", body), want.status); p.Error.At != want.at {
			t.Errorf("%.50s: at %q, want %q", body, p.Error.At, want.at)
		}
	}
	if _, ids := readDevices(t, h.direct("/api/devices", "X-User", "7")); ids != "pump/1 pump/2" {
		t.Errorf("there are %s", ids)
	}
	if p := wantProblem(t, h.ask(http.MethodPatch, "/api/devices/pump/1", `{"device_id":"2"}`), http.StatusUnprocessableEntity); p.Error.At != "device_id" {
		t.Errorf("%+v", p)
	}
}

func TestOnlyAdministratorsChangeDevices(t *testing.T) {
	h := openHub(t)
	h.device("pump", "1", `{"t":1}`)
	for _, r := range [][2]string{
		{http.MethodPost, "/api/devices"}, {http.MethodPost, "/api/devices/import"}, {http.MethodPatch, "/api/devices/pump/1"}, {http.MethodDelete, "/api/devices/pump/1"},
	} {
		body := `{"device_type":"pump","device_id":"2"}`
		wantProblem(t, h.ask(r[0], r[1], body, "Authorization", ""), http.StatusUnauthorized)
		wantProblem(t, h.ask(r[0], r[1], body, "Authorization", "Bearer wrong"), http.StatusUnauthorized)
		wantProblem(t, h.ask(r[0], r[1], body, "Authorization", "", "X-User", "7"), http.StatusForbidden)
		wantProblem(t, h.ask(r[0], r[1], body, "Authorization", "", "X-User", "7 writes=**"), http.StatusForbidden)
		wantProblem(t, h.ask(r[0], r[1], body, "Authorization", "", "X-User", "7 admin until=2020-01-01T00:00:00Z"), http.StatusUnauthorized)
		wantProblem(t, h.ask(r[0], r[1], body, "Authorization", "", "X-User", "7 admin", "Sec-Fetch-Site", "cross-site"), http.StatusForbidden)
	}
	h.asked(h.ask(http.MethodPost, "/api/devices", `{"device_type":"pump","device_id":"2"}`, "Authorization", "", "X-User", "7 admin"), http.StatusCreated, nil)
}

func TestDevicesAreImportedAndExported(t *testing.T) {
	h := openHub(t)
	const table = "device_type,device_id,device_code,key,name,owner,groups,is_active,product_type,attributes,latitude,longitude\n" +
		"pump,1,c-1,,\"Pump, 1\",7,[],true,,{},52.5,\n" +
		"pump,2,,,,,\"[{\"\"id\"\":\"\"a\"\",\"\"name\"\":\"\"A\"\"}]\",false,,\"{\"\"n\"\":1}\",,\n"
	h.asked(h.ask(http.MethodPost, "/api/devices/import?format=csv", table), http.StatusOK, map[string]string{"imported": "2"})
	w := h.direct("/api/devices/export?format=csv", "X-User", "7")
	wantHeader(t, w, "Content-Type", "text/csv; charset=utf-8")
	if w.Body.String() != table {
		t.Errorf("the export is\n%s", w.Body)
	}
	lines := h.direct("/api/devices/export?active=false", "X-User", "7").Body.String()
	if !strings.HasPrefix(lines, `{"device_type":"pump","device_id":"2",`) || strings.Count(lines, "\n") != 1 {
		t.Errorf("the lines are %s", lines)
	}
	h.asked(h.ask(http.MethodPost, "/api/devices/import", lines), http.StatusOK, map[string]string{"imported": "1"})
	if w := h.direct("/api/devices/export?format=csv"); strings.Count(w.Body.String(), "\n") != 1 {
		t.Errorf("who may see no device exports %s", w.Body)
	}

	for body, at := range map[string]string{
		"device_type,device_id,latitude\npump,3,1\npump,4,x\n": "line 3",
		"device_type,device_id,device_code\npump,3,c-1\n":      "line 2",
		"device_type,device_id\npump,3\n\npump,3\n":            "line 4",
	} {
		if p := wantProblem(t, h.ask(http.MethodPost, "/api/devices/import?format=csv", body), http.StatusUnprocessableEntity); p.Error.At != at {
			t.Errorf("%q: at %q, want %q: %s", body, p.Error.At, at, p.Detail)
		}
	}
	wantProblem(t, h.ask(http.MethodPost, "/api/devices/import?format=csv", ""), http.StatusBadRequest)
	wantProblem(t, h.ask(http.MethodPost, "/api/devices/import?format=xml", "x"), http.StatusBadRequest)
	wantProblem(t, h.direct("/api/devices/export?format=xml", "X-User", "7"), http.StatusBadRequest)
	if _, ids := readDevices(t, h.direct("/api/devices", "X-User", "7")); ids != "pump/1 pump/2" {
		t.Errorf("there are %s", ids)
	}
}

func TestAListOfDevicesIsNarrowed(t *testing.T) {
	h := openHub(t)
	h.ask(http.MethodPost, "/api/devices", `[{"device_type":"pump","device_id":"1","owner":"7","groups":[{"id":"a"}],"name":"Hall"},
		{"device_type":"pump","device_id":"2","owner":"8","is_active":false},{"device_type":"valve","device_id":"1","device_code":"hallo"}]`)
	h.device("pump", "3", `{"t":1}`)
	for q, want := range map[string]string{
		"?owner=7": "pump/1", "?group=a": "pump/1", "?active=false": "pump/2", "?active=true&type=pump": "pump/1 pump/3", "?status=online": "pump/3",
		"?text=HALL": "pump/1 valve/1", "?text=hall&type=valve": "valve/1", "?owner=7&group=b": "", "?status=offline&limit=1&after=pump/1": "pump/2",
	} {
		if _, got := readDevices(t, h.direct("/api/devices"+q, "X-User", "7")); got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
	h.asked(h.direct("/api/devices?type=pump", "X-User", "7"), http.StatusOK, map[string]string{"cursor": `"iot_pump:1"`})
	h.asked(h.direct("/api/devices?limit=4", "X-User", "7"), http.StatusOK, map[string]string{"cursor": `"iot_pump:1,iot_valve:0"`})
	h.asked(h.direct("/api/devices?type=pump"), http.StatusOK, map[string]string{"cursor": `""`, "devices": "[]"})
	for _, q := range []string{"?status=fine", "?active=perhaps", "?owner=%00", "?text=" + strings.Repeat("x", 300)} {
		wantProblem(t, h.direct("/api/devices"+q, "X-User", "7"), http.StatusBadRequest)
	}
}
