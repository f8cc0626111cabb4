package web_test

import (
	"net/http"
	"slices"
	"strings"

	"github.com/griphub/griphub/grip"
)

// A condition is a hub in a state that some answers need.
type condition string

const (
	healthy   condition = "a hub"
	down      condition = "a hub whose log cannot be read"
	undecided condition = "a hub that cannot tell who asks"
	turning   condition = "a hub whose application turns everybody away"
	forgetful condition = "a hub that keeps no event"
	unsure    condition = "a hub that cannot tell who may read"
	stopping  condition = "a hub that is stopping"
	throttled condition = "a hub that lets publishers send one event an hour"
)

// An exchange is a request and the status it is answered by.
type exchange struct {
	in     condition
	method string
	target string
	status int
	body   string
	fields []string
}

var (
	byUser    = []string{"X-User", "7"}
	byAdmin   = []string{"X-User", "7 admin"}
	byForger  = []string{"X-User", "forged"}
	unproxied = []string{grip.HeaderSig, ""}
	withKey   = []string{"Authorization", keyed}
	asSocket  = []string{"Content-Type", grip.TypeWSEvents}
)

// exchanges are requests for everything that the description promises, in the order in which they are made.
type exchanges []exchange

func (x *exchanges) add(in condition, method, target, body string, status int, fields ...[]string) {
	*x = append(*x, exchange{in, method, target, status, body, slices.Concat(fields...)})
}

func (x *exchanges) get(target string, in condition, status int, fields ...[]string) {
	x.add(in, http.MethodGet, target, "", status, fields...)
}

func (x *exchanges) post(target, body string, in condition, status int, fields ...[]string) {
	x.add(in, http.MethodPost, target, body, status, fields...)
}

func allExchanges() exchanges {
	var x exchanges
	x.streams()
	x.sockets()
	x.logs()
	x.publishing()
	x.events()
	x.viewers()
	x.commands()
	x.edits()
	x.devices()
	x.pages()
	return x
}

// streams are about server-sent events.
func (x *exchanges) streams() {
	for _, target := range []string{"/events?channel=foo", "/events/foo"} {
		x.get(target, healthy, 200)
		x.get(target, healthy, 200, byForger)
		x.get(target, healthy, 400, []string{"Last-Event-ID", "error"})
		x.get(target, down, 200)
		x.get(target, healthy, 501, unproxied)
		x.get(target, undecided, 200)
	}
	for _, target := range []string{"/iot/stream/pump", "/iot/stream/pump/p1", "/realtime/sse"} {
		x.get(target, healthy, 200, byUser)
		x.get(target, healthy, 400, byUser, []string{"Last-Event-ID", "x"})
		x.get(target, healthy, 401, byForger)
		x.get(target, turning, 403)
		x.get(target, down, 200, byUser)
		x.get(target, healthy, 501, unproxied, byUser)
		x.get(target, undecided, 200)
	}
	x.get("/next/forged", healthy, 200)
	x.get("{next}", healthy, 400, []string{grip.HeaderLast, "nonsense"})
	x.get("{next}", down, 500, []string{grip.HeaderLast, "events-foo; last-id=0"})
	x.get("/next/forged", healthy, 501, unproxied)
	x.post("/gone/forged", "", healthy, 200)
	x.post("/gone/forged", "", healthy, 403, []string{"Origin", "https://evil.example"})
	x.post("/gone/forged", "", healthy, 501, unproxied)
}

// sockets are about WebSockets.
func (x *exchanges) sockets() {
	for _, target := range []string{"/ws/events?channel=foo", "/ws/iot/pump", "/ws/iot/pump/p1", "/ws/user"} {
		x.get(target, healthy, 501)
		x.post(target, opening, healthy, 200, asSocket, byUser)
		x.post(target, "nonsense", healthy, 400, asSocket, byUser)
		x.post(target, opening, healthy, 403, asSocket, byUser, []string{"Origin", "https://evil.example"})
		x.post(target, opening, healthy, 415, byUser)
		x.post(target, frame("TEXT", `{"action":"ping","cursor":""}`), down, 500, asSocket, byUser)
		x.post(target, opening, healthy, 501, asSocket, unproxied)
		x.post(target, opening, undecided, 503, asSocket)
	}
}

// logs are about pages of the log.
func (x *exchanges) logs() {
	for _, target := range []string{"/iot/poll/pump", "/iot/poll/pump/p1", "/api/channels/iot_pump/events"} {
		x.get(target, healthy, 200, byUser)
		x.get(target+"?limit=0", healthy, 400, byUser)
		x.get(target, healthy, 401)
		x.get(target, turning, 403)
		x.get(target, forgetful, 409, byUser)
		x.get(target, down, 500, byUser)
		x.get(target, undecided, 503)
	}
	x.get("/api/channels/foo/events?limit=2", healthy, 200)
}

// publishing is about POST /api/publish.
func (x *exchanges) publishing() {
	for _, body := range []string{
		`{"channel":"foo","event":"note","data":{"a":1},"private_data":{},"id":"k","skip_users":[7,"8"]}`, `[{"channels":["a","b"]},{"user":7}]`,
		`{"global":true}`, `{"system":true,"user":"7"}`, `{"device":"pump/p1","event":"data","data":{"t":1}}`, `{"channel":"foo","raw":true,"data":"<b>"}`,
	} {
		x.post("/api/publish", body, healthy, 200, withKey, []string{"Content-Type", "application/json"})
	}
	x.post("/api/publish", "{\"channel\":\"a\"}\n{\"channel\":\"b\"}\n", healthy, 200, byAdmin, []string{"Content-Type", "application/x-ndjson"})
	x.post("/api/publish", `{"channel":"a"`, healthy, 400, withKey)
	x.post("/api/publish", `{"channel":"a"}`, healthy, 401)
	x.post("/api/publish", `{"channel":"a"}`, healthy, 403, []string{"X-User", "7 writes=b"})
	x.post("/api/publish", strings.Repeat(`{"channel":"a"}`, 10_001), healthy, 413, withKey)
	x.post("/api/publish", `{"channel":"a"}`, healthy, 415, withKey, []string{"Content-Type", "text/html"})
	x.post("/api/publish", `{"channel":"@system"}`, healthy, 422, withKey)
	x.post("/api/publish", `{"channel":"a"}`, throttled, 200, withKey, []string{"Content-Type", "application/json"})
	x.post("/api/publish", `{"channel":"a"}`, throttled, 429, withKey)
	x.post("/api/publish", `{"channel":"a"}`, down, 500, withKey)
	x.post("/api/publish", `{"channel":"a"}`, stopping, 503, withKey)
}

// events are about single events.
func (x *exchanges) events() {
	for _, in := range []condition{healthy, throttled} {
		x.post("/api/events/1/replay", "", in, 200, byAdmin)
	}
	x.get("/api/events/1", healthy, 200, byAdmin)
	for _, r := range []struct{ method, target string }{{http.MethodGet, "/api/events/1"}, {http.MethodPost, "/api/events/1/replay"}} {
		add := func(target string, in condition, status int, fields []string) {
			x.add(in, r.method, strings.Replace(r.target, "/1", target, 1), "", status, fields)
		}
		add("/x", healthy, 400, byAdmin)
		add("/1", healthy, 401, nil)
		add("/1", healthy, 403, []string{"X-User", "7 writes=elsewhere"})
		add("/99", healthy, 404, byAdmin)
		add("/1", down, 500, byAdmin)
		add("/1", undecided, 503, nil)
	}
	x.post("/api/events/2/replay", "", throttled, 429, withKey)
}

// viewers are about who watches.
func (x *exchanges) viewers() {
	const kick = `{"user":7,"channel":"foo"}`
	x.post("/api/kick", kick, healthy, 200, withKey, []string{"Content-Type", "application/json"})
	x.post("/api/kick", `{"user":7}x`, healthy, 400, withKey)
	x.post("/api/kick", kick, healthy, 401)
	x.post("/api/kick", kick, healthy, 403, []string{"X-User", "7 writes=foo"})
	x.post("/api/kick", `{"user":7,"channel":"@system"}`, healthy, 422, withKey)
	x.post("/api/kick", kick, down, 500, withKey)
	x.post("/api/kick", kick, stopping, 503, withKey)
	x.get("/api/presence/foo", healthy, 200)
	x.get("/api/presence/%40system", healthy, 400)
	x.get("/api/presence/members_x", healthy, 401)
	x.get("/api/presence/members_x", turning, 403)
	x.get("/api/presence/foo", unsure, 500)
	x.get("/api/presence/foo", forgetful, 501)
	x.get("/api/presence/foo", undecided, 503)
}

// commands are about orders to devices.
func (x *exchanges) commands() {
	const target, command = "/api/devices/pump/p1/commands", `{"command":"go","payload":{"a":1},"id":"order-0001","timeout":"5s"}`
	x.post(target, command, healthy, 200, byAdmin, []string{"Content-Type", "application/json"})
	x.post(target, `{"command":"go","wait":false,"timeout":60}`, healthy, 202, withKey, []string{"Content-Type", "application/json"})
	x.post(target, `{"command":`, healthy, 400, byAdmin)
	x.post(target, command, healthy, 401)
	x.post(target, command, healthy, 403, []string{"X-User", "7 writes=foo"})
	x.post("/api/devices/pump/nobody/commands", command, healthy, 404, byAdmin)
	x.post(target, strings.Replace(command, "go", "stop", 1), healthy, 409, byAdmin)
	x.post(target, `"`+strings.Repeat("x", 70_000)+`"`, healthy, 413, byAdmin)
	x.post(target, `{"command":""}`, healthy, 422, byAdmin)
	x.post(target, command, throttled, 429, withKey)
	x.post(target, command, down, 500, byAdmin)
	x.post(target, command, forgetful, 501, byAdmin)
	x.post(target, command, stopping, 503, byAdmin)
	x.post(target, `{"command":"mute","timeout":0.1}`, healthy, 504, byAdmin)
}

// edits are about changes of the registry. They leave the device p1 as it is.
func (x *exchanges) edits() {
	edit := func(method, target, body string, in condition, status int, fields ...[]string) {
		x.add(in, method, target, body, status, append([][]string{{"Content-Type", "application/json"}}, fields...)...)
	}
	const one, tooLong = `{"device_type":"pump","device_id":"p2"}`, 1<<20 + 1
	edit(http.MethodPost, "/api/devices", one, healthy, 201, withKey)
	edit(http.MethodPost, "/api/devices", `[{"device_type":"pump","device_id":"p3","device_code":"c3"}]`, healthy, 201, withKey)
	edit(http.MethodPost, "/api/devices", one, healthy, 409, withKey)
	edit(http.MethodPatch, "/api/devices/pump/p2", `{"name":"Pump"}`, healthy, 200, withKey)
	edit(http.MethodPatch, "/api/devices/pump/p2", `{"device_code":"c3"}`, healthy, 409, withKey)
	edit(http.MethodPost, "/api/devices/import", one, healthy, 200, withKey, []string{"Content-Type", "application/x-ndjson"})
	edit(http.MethodDelete, "/api/devices/pump/p2", "", healthy, 204, withKey)
	edit(http.MethodPatch, "/api/devices/pump/p2", `{"name":"Pump"}`, healthy, 404, withKey)
	edit(http.MethodDelete, "/api/devices/pump/p2", "", healthy, 404, withKey)
	for _, r := range []struct{ method, target string }{
		{http.MethodPost, "/api/devices"}, {http.MethodPost, "/api/devices/import"}, {http.MethodPatch, "/api/devices/pump/p1"}, {http.MethodDelete, "/api/devices/pump/p1"},
	} {
		if r.method != http.MethodDelete {
			edit(r.method, r.target, "", healthy, 400, withKey)
			edit(r.method, r.target, `{"device_type":"pump","device_id":"p1","latitude":91}`, healthy, 422, withKey)
		}
		if r.target != "/api/devices/import" && r.method != http.MethodDelete {
			edit(r.method, r.target, strings.Repeat(" ", tooLong), healthy, 413, withKey)
		}
		edit(r.method, r.target, one, healthy, 401)
		edit(r.method, r.target, one, healthy, 403, []string{"X-User", "7 writes=**"})
		edit(r.method, r.target, `{"device_type":"pump","device_id":"p1","name":"n"}`, down, 500, withKey)
		edit(r.method, r.target, one, undecided, 503)
	}
}

// devices are about reading the registry.
func (x *exchanges) devices() {
	for _, format := range []string{"csv", "jsonl"} {
		x.get("/api/devices/export?format="+format, healthy, 200, byAdmin)
	}
	x.get("/api/devices/export?format=xml", healthy, 400, byAdmin)
	x.get("/api/devices?limit=1", healthy, 200, byAdmin)
	x.get("/api/devices/pump/p1", healthy, 200, byAdmin)
	x.get("/api/devices?after=x", healthy, 400)
	x.get("/api/devices/pump/p%00", healthy, 400)
	x.get("/api/devices/pump/unknown", healthy, 404, byAdmin)
	for _, target := range []string{"/api/devices", "/api/devices/pump/p1", "/api/devices/export"} {
		x.get(target, healthy, 401, byForger)
		x.get(target, turning, 403)
		x.get(target, down, 500, byAdmin)
		x.get(target, undecided, 503)
	}
}

// pages are about what people look at.
func (x *exchanges) pages() {
	x.get("/", healthy, 200, byAdmin)
	x.get("/", healthy, 401, byForger)
	x.get("/", turning, 403)
	x.get("/", down, 500, byAdmin)
	x.get("/", undecided, 503)
	const component = "/components/pump/p1/n?html=2"
	x.get(component, healthy, 200, byUser)
	x.get("/components/pump/p1/n?html=3", healthy, 400, byUser)
	x.get(component, healthy, 401)
	x.get(component, turning, 403)
	x.get("/components/pump/p1/none?html=4", healthy, 404, byUser)
	x.get(component, down, 500, byUser)
	x.get(component, undecided, 503)
	x.get("/iot/stream/pump?html=4", healthy, 200, byUser)
	for _, name := range []string{"dashboard.js", "dashboard.css", "icon.svg"} {
		x.get("/static/"+name, healthy, 200)
	}
	x.get("/static/nothing.js", healthy, 404)
	for _, target := range []string{"/htmx-griphub.js", "/griphub.js", "/griphub.mjs", "/griphub.d.ts"} {
		x.get(target, healthy, 200)
	}
	x.get("/api/openapi.json", healthy, 200)
	x.get("/api/openapi.yaml", healthy, 200)
}
