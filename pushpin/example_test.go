package pushpin_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// A Client is given events and brings them to every proxy. Here the control port only prints.
func ExampleClient() {
	control := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); len(body) > len(`{"items":[]}`) {
			fmt.Printf("%s %s\n", r.URL.Path, body)
		}
	}))
	defer control.Close()
	proxy, err := grip.ParseURL(control.URL + "?iss=pushpin&key=changeme")
	if err != nil {
		fmt.Println(err)
		return
	}
	client := pushpin.NewClient([]grip.Proxy{proxy}, pushpin.Options{
		Render: func(dst []grip.Item, e *channels.Event) []grip.Item {
			return append(dst, grip.Item{Channel: "news", HTTPStream: &grip.HTTPStream{Content: append(e.Data, '\n')}})
		},
	})

	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- client.Run(ctx) }()

	client.Send([]channels.Event{{Draft: channels.Draft{Data: []byte(`"hello"`)}}})
	fmt.Println(client.Flush(ctx))
	cancel()
	fmt.Println(<-done)
	// Output:
	// /publish/ {"items":[{"channel":"news","formats":{"http-stream":{"content":"\"hello\"\n"}}}]}
	// <nil>
	// <nil>
}
