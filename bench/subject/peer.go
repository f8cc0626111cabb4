package subject

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// A Peer is another server that runs already: anything with event streams and publishing over HTTP. In its fields "{channel}" is a
// channel's name, and in Body "{data}" is an event's data, both in the form that the place asks for.
type Peer struct {
	Name string `json:"name"`
	// StreamURL is the URL of a channel's event stream: "http://127.0.0.1:3000/.well-known/mercure?topic={channel}".
	StreamURL string `json:"stream"`
	// SocketURL is the URL of a channel's WebSocket, with ws; empty where there is none.
	SocketURL string `json:"socket"`
	// PublishURL takes an event a request.
	PublishURL string `json:"publish"`
	// Body is the request's: "topic={channel}&data={data}".
	Body string `json:"body"`
	// ContentType is the body's, by default that of a form. In a form the data is encoded as one, else it stands as it is.
	ContentType string `json:"content_type"`
	// Authorization is the header of that name.
	Authorization string `json:"authorization"`
}

const formType = "application/x-www-form-urlencoded"

// ReadPeers reads a JSON file with an array of peers.
func ReadPeers(file string) ([]Peer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var peers []Peer
	if err := json.Unmarshal(text, &peers); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for i, p := range peers {
		if p.Name == "" || p.StreamURL == "" || p.PublishURL == "" {
			return nil, fmt.Errorf("%s: peer %d needs name, stream and publish", file, i)
		}
	}
	return peers, nil
}

type peer struct {
	Peer
	client *http.Client
}

// Start starts nothing.
func (p Peer) Start(context.Context, Site) (Subject, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 100
	p.ContentType = cmp.Or(p.ContentType, formType)
	return &peer{p, &http.Client{Transport: transport, Timeout: startPatience}}, nil
}

func fill(template string, channel int) string {
	return strings.ReplaceAll(template, "{channel}", rawChannel(channel))
}

func (p *peer) Stream(channel int) string { return fill(p.StreamURL, channel) }
func (p *peer) Socket(channel int) string { return fill(p.SocketURL, channel) }

func (p *peer) Publish(ctx context.Context, events []Event) error {
	for _, e := range events {
		data := string(e.Data)
		if p.ContentType == formType {
			data = url.QueryEscape(data)
		}
		body := strings.ReplaceAll(fill(p.Body, e.Channel), "{data}", data)
		if err := send(ctx, p.client, fill(p.PublishURL, e.Channel), p.ContentType, p.Authorization, []byte(body)); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) Stop() error {
	p.client.CloseIdleConnections()
	return nil
}
