package grip_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/griphub/griphub/grip"
)

// A backend tells the proxy to hold a request, and later publishes to
// everyone who is held.
func Example() {
	proxy, err := grip.ParseURL("http://localhost:5561?iss=backend&key=changeme")
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier := grip.NewVerifier([]grip.Proxy{proxy})

	events := func(w http.ResponseWriter, r *http.Request) {
		if err := verifier.Verify(r.Header.Get(grip.HeaderSig), time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusNotImplemented)
			return
		}
		hold := grip.Instruct{
			Hold:      grip.Hold{Mode: grip.HoldStream},
			Channels:  []grip.Channel{{Name: "news", PrevID: "41"}},
			KeepAlive: grip.KeepAlive{Data: []byte(":\n\n"), Timeout: 20 * time.Second},
			Links:     []grip.Link{{URI: "/events?after=41", Rel: grip.RelNext}},
		}
		if err := hold.WriteHeader(w.Header()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, "event: stream-open\ndata:\n\n")
	}

	// The proxy passes on a client's request, signed.
	request := httptest.NewRequest(http.MethodGet, "/events", nil)
	sig, err := proxy.Key.Sign("pushpin", time.Now().Add(time.Hour))
	if err != nil {
		fmt.Println(err)
		return
	}
	request.Header.Set(grip.HeaderSig, sig)
	response := httptest.NewRecorder()
	events(response, request)
	for _, name := range []string{grip.HeaderHold, grip.HeaderChannel, grip.HeaderKeepAlive, grip.HeaderLink} {
		fmt.Printf("%s: %s\n", name, response.Header().Get(name))
	}

	// The backend publishes.
	body, err := grip.AppendItems(nil, []grip.Item{{
		Channel: "news", ID: "42", PrevID: "41",
		HTTPStream: &grip.HTTPStream{Content: []byte("data: hello\n\n")},
		WSMessage:  &grip.WSMessage{Content: []byte("hello")},
	}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("POST %s\n%s\n", proxy.PublishURL(), body)

	// Output:
	// Grip-Hold: stream
	// Grip-Channel: news; prev-id=41
	// Grip-Keep-Alive: :\n\n; format=cstring; timeout=20
	// Grip-Link: </events?after=41>; rel=next
	// POST http://localhost:5561/publish/
	// {"items":[{"channel":"news","id":"42","prev-id":"41","formats":{"http-stream":{"content":"data: hello\n\n"},"ws-message":{"content":"hello"}}}]}
}

// A WebSocket-over-HTTP request is answered with events of its own.
func ExampleDecodeWSEvents() {
	events, err := grip.DecodeWSEvents([]byte("OPEN\r\nTEXT 5\r\nhello\r\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	var answer []grip.WSEvent
	for _, e := range events {
		switch e.Type {
		case grip.EventOpen:
			subscribe, err := grip.SubscribeEvent("news")
			if err != nil {
				fmt.Println(err)
				return
			}
			answer = append(answer, grip.OpenEvent(), subscribe)
		case grip.EventText:
			answer = append(answer, grip.TextEvent("you said "+string(e.Content)))
		}
	}
	body, err := grip.EncodeWSEvents(answer)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%q\n", body)
	// Output:
	// "OPEN\r\nTEXT 27\r\nc:{\"type\":\"subscribe\",\"channel\":\"news\"}\r\nTEXT 10\r\nm:you said hello\r\n"
}
