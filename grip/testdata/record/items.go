package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/griphub/griphub/grip"
)

type itemCase struct {
	name string
	item grip.Item
}

var binary = []byte{0x00, 0xff, 0xfe, '\r', '\n', 0x80}

const tricky = "\u0000\u0001\t\r\n\"\\/\u007f\u0080\u2028\ufeff\ufffe\uffff\U0001F30D%I%"

func streamCases() []itemCase {
	stream := func(f grip.HTTPStream) grip.Item { return grip.Item{HTTPStream: &f} }
	with := func(change func(*grip.Item)) grip.Item {
		it := stream(grip.HTTPStream{Content: []byte("with")})
		change(&it)
		return it
	}
	return []itemCase{
		{"stream", stream(grip.HTTPStream{Content: []byte("data: Grüße\n\n")})},
		{"stream send", stream(grip.HTTPStream{Action: grip.ActionSend, Content: []byte("sent")})},
		{"stream empty", stream(grip.HTTPStream{})},
		{"stream binary", stream(grip.HTTPStream{Content: binary})},
		{"stream tricky text", stream(grip.HTTPStream{Content: []byte(tricky)})},
		{"stream no filters demanded", stream(grip.HTTPStream{Content: []byte("x"), ContentFilters: []string{}})},
		{"stream close", stream(grip.HTTPStream{Action: grip.ActionClose})},
		{"stream hint", stream(grip.HTTPStream{Action: grip.ActionHint})},
		{"stream id", with(func(it *grip.Item) { it.ID = "a" })},
		{"stream id and prev-id", with(func(it *grip.Item) { it.ID, it.PrevID = "b", "a" })},
		{"stream no-seq", with(func(it *grip.Item) { it.ID, it.PrevID, it.NoSeq = "b", "a", true })},
		{"stream size", with(func(it *grip.Item) { it.Size = 12 })},
		{"stream meta", with(func(it *grip.Item) { it.Meta = map[string]string{"skip_users": "1,2", "sender": "", "ü": "\""} })},
		{"stream of all formats", with(func(it *grip.Item) {
			it.HTTPResponse = &grip.HTTPResponse{}
			it.WSMessage = &grip.WSMessage{Content: []byte("m")}
		})},
	}
}

func responseCases() []itemCase {
	response := func(f grip.HTTPResponse) grip.Item { return grip.Item{HTTPResponse: &f} }
	return []itemCase{
		{"response", response(grip.HTTPResponse{Body: []byte("Grüße")})},
		{"response empty", response(grip.HTTPResponse{})},
		{"response binary", response(grip.HTTPResponse{Body: binary})},
		{"response status", response(grip.HTTPResponse{Code: 404, Reason: "Not Here", Body: []byte("none")})},
		{"response headers", response(grip.HTTPResponse{Headers: http.Header{"X-Test": {"a", "b, \"c\""}}, Body: []byte("h")})},
		{"response patch", response(grip.HTTPResponse{BodyPatch: []byte(`[{"op":"replace","path":"/held","value":"new"}]`)})},
		{"response no filters demanded", response(grip.HTTPResponse{Body: []byte("x"), ContentFilters: []string{}})},
		{"response hint", response(grip.HTTPResponse{Action: grip.ActionHint})},
	}
}

func wsCases() []itemCase {
	ws := func(f grip.WSMessage) grip.Item { return grip.Item{WSMessage: &f} }
	return []itemCase{
		{"ws text", ws(grip.WSMessage{Content: []byte("Grüße")})},
		{"ws typed text", ws(grip.WSMessage{Type: grip.WSText, Content: []byte("typed")})},
		{"ws empty", ws(grip.WSMessage{})},
		{"ws tricky text", ws(grip.WSMessage{Content: []byte(tricky)})},
		{"ws binary", ws(grip.WSMessage{Type: grip.WSBinary, Content: []byte("text as binary")})},
		{"ws empty binary", ws(grip.WSMessage{Type: grip.WSBinary})},
		{"ws not UTF-8", ws(grip.WSMessage{Content: binary})},
		{"ws ping", ws(grip.WSMessage{Type: grip.WSPing, Content: []byte("p")})},
		{"ws empty ping", ws(grip.WSMessage{Type: grip.WSPing})},
		{"ws pong", ws(grip.WSMessage{Type: grip.WSPong, Content: binary})},
		{"ws no filters demanded", ws(grip.WSMessage{Content: []byte("x"), ContentFilters: []string{}})},
		{"ws close", ws(grip.WSMessage{Action: grip.ActionClose})},
		{"ws close with code", ws(grip.WSMessage{Action: grip.ActionClose, Code: 4001, Reason: "Grüße"})},
	}
}

// recordItems publishes every format and action to a client of its own.
func (r *recorder) recordItems() error {
	for _, c := range streamCases() {
		connect := r.holdStream
		if c.item.HTTPStream.Action == grip.ActionHint {
			connect = r.holdLinkedStream
		}
		if err := r.recordItem(c, connect); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for _, c := range responseCases() {
		if err := r.recordItem(c, r.holdResponse); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	for _, c := range wsCases() {
		if err := r.recordItem(c, r.holdWebSocket); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return nil
}

func (r *recorder) recordItem(c itemCase, connect func(path, channel string) (*client, error)) error {
	path := r.scenePath()
	c.item.Channel = "ch" + path
	client, err := connect(path, c.item.Channel)
	if err != nil {
		return err
	}
	defer client.cancel()
	before := client.len()
	body, err := grip.AppendItems(nil, []grip.Item{c.item})
	if err != nil {
		return err
	}
	status, answer, err := r.proxy.post("/publish/", body)
	if err != nil {
		return err
	}
	got := client.after(before, 700*time.Millisecond)
	if status != http.StatusOK {
		got = []byte(answer)
	}
	r.add("item", c.name, string(body), status, got)
	return nil
}

func (r *recorder) holdStream(path, channel string) (*client, error) {
	return r.holdWith(path, grip.Instruct{
		Hold:     grip.Hold{Mode: grip.HoldStream},
		Channels: []grip.Channel{{Name: channel}},
	})
}

// holdLinkedStream returns after the request that the first subscriber of a
// channel causes, so that a later one has another cause.
func (r *recorder) holdLinkedStream(path, channel string) (*client, error) {
	c, err := r.holdWith(path, grip.Instruct{
		Hold:     grip.Hold{Mode: grip.HoldStream},
		Channels: []grip.Channel{{Name: channel}},
		Links:    []grip.Link{{URI: path + "/next", Rel: grip.RelNext}},
	})
	if err != nil {
		return nil, err
	}
	err = r.awaitRequest(path+"/next", 1)
	c.after(len("open\n"), time.Second)
	return c, err
}

// holdWith opens a stream and waits for its first bytes.
func (r *recorder) holdWith(path string, in grip.Instruct) (*client, error) {
	r.backend.on(path, hold(in, "open\n"))
	r.backend.on(path+"/next", hold(in, "<next link>"))
	c, err := r.open(path)
	if err != nil {
		return nil, err
	}
	if first := c.after(0, 2*time.Second); !strings.HasPrefix(string(first), "open\n") {
		return nil, fmt.Errorf("stream began with %q", first)
	}
	return c, nil
}

func (r *recorder) holdResponse(path, channel string) (*client, error) {
	in := grip.Instruct{Hold: grip.Hold{Mode: grip.HoldResponse}, Channels: []grip.Channel{{Name: channel}}}
	asked := 0
	r.backend.on(path, func(w http.ResponseWriter, req *http.Request) {
		if asked++; asked > 1 {
			hold(grip.Instruct{}, "<asked again>")(w, req)
			return
		}
		hold(in, `{"held":"old"}`)(w, req)
	})
	c := r.poll(path)
	if err := r.awaitRequest(path, 1); err != nil {
		return nil, err
	}
	time.Sleep(200 * time.Millisecond) // until it is held
	return c, nil
}

func (r *recorder) holdWebSocket(path, channel string) (*client, error) {
	subscribe, err := grip.SubscribeEvent(channel)
	if err != nil {
		return nil, err
	}
	r.backend.on(path, answerWebSocket(subscribe, grip.TextEvent("open")))
	c, _, err := r.dial(path)
	if err != nil {
		return nil, err
	}
	if first := c.after(0, 2*time.Second); string(first) != "<text>open" {
		return nil, fmt.Errorf("connection began with %q", first)
	}
	time.Sleep(100 * time.Millisecond) // until it is subscribed
	return c, nil
}

// recordRefusals shows that what grip refuses to write is what Pushpin
// refuses to take.
func (r *recorder) recordRefusals() error {
	for _, c := range []struct{ name, item string }{
		{"no channel", `{"formats":{"http-stream":{"content":""}}}`},
		{"no format", `{"channel":"c","formats":{}}`},
		{"unknown action", `{"channel":"c","formats":{"http-stream":{"action":"open"}}}`},
		{"stream no content", `{"channel":"c","formats":{"http-stream":{}}}`},
		{"response no body", `{"channel":"c","formats":{"http-response":{}}}`},
		{"response code", `{"channel":"c","formats":{"http-response":{"code":1000,"body":""}}}`},
		{"ws no content", `{"channel":"c","formats":{"ws-message":{}}}`},
		{"ws unknown type", `{"channel":"c","formats":{"ws-message":{"type":"texts","content":""}}}`},
		{"ws refresh", `{"channel":"c","formats":{"ws-message":{"action":"refresh"}}}`},
		{"negative size", `{"channel":"c","size":-1,"formats":{"http-stream":{"content":""}}}`},
		{"patch no list", `{"channel":"c","formats":{"http-response":{"body-patch":{}}}}`},
		{"not UTF-8", "{\"channel\":\"\xff\",\"formats\":{\"http-stream\":{\"content\":\"\"}}}"},
		{"meta no string", `{"channel":"c","meta":{"a":1},"formats":{"http-stream":{"content":""}}}`},
		{"one bad of two items", `{"channel":"c","formats":{"http-stream":{"content":""}}},{"channel":"c"}`},
	} {
		body := `{"items":[` + c.item + `]}`
		status, answer, err := r.proxy.post("/publish/", []byte(body))
		if err != nil {
			return err
		}
		r.add("refusal", c.name, text([]byte(body)), status, []byte(answer))
	}
	return nil
}
