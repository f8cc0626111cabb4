package grip

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"unicode/utf8"
)

// ParseItems reads the body of a publish request, as a control port would. It
// accepts formats beside the item's other fields as well as under "formats",
// ignores fields that it does not know, and refuses what [AppendItems] would
// not write. It is for tools and tests; nothing on the way of an event needs it.
func ParseItems(body []byte) ([]Item, error) {
	if !utf8.Valid(body) { // encoding/json would replace what is not
		return nil, errors.New("publish request: not UTF-8")
	}
	var request struct {
		Items []wireItem `json:"items"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if err := decoder.Decode(&request); err != nil {
		return nil, fmt.Errorf("publish request: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("publish request: more than one JSON value")
	}
	if request.Items == nil {
		return nil, errors.New("publish request: no items")
	}
	items := make([]Item, len(request.Items))
	for i, wire := range request.Items {
		it, err := wire.item()
		if err == nil {
			_, err = it.AppendJSON(nil)
		}
		if err != nil {
			return nil, fmt.Errorf("publish request: item %d: %w", i, err)
		}
		items[i] = it
	}
	return items, nil
}

type wireItem struct {
	Channel string            `json:"channel"`
	ID      string            `json:"id"`
	PrevID  string            `json:"prev-id"`
	NoSeq   bool              `json:"no-seq"`
	Size    int               `json:"size"`
	Meta    map[string]string `json:"meta"`
	Formats *wireFormats      `json:"formats"`
	wireFormats
}

type wireFormats struct {
	HTTPStream   *wireFormat `json:"http-stream"`
	HTTPResponse *wireFormat `json:"http-response"`
	WSMessage    *wireFormat `json:"ws-message"`
}

// wireFormat has the fields of all formats.
type wireFormat struct {
	Action         Action          `json:"action"`
	Content        *string         `json:"content"`
	ContentBin     *string         `json:"content-bin"`
	ContentFilters []string        `json:"content-filters"`
	Code           int             `json:"code"`
	Reason         string          `json:"reason"`
	Headers        json.RawMessage `json:"headers"`
	Body           *string         `json:"body"`
	BodyBin        *string         `json:"body-bin"`
	BodyPatch      json.RawMessage `json:"body-patch"`
	Type           WSType          `json:"type"`
}

func (w wireItem) item() (Item, error) {
	it := Item{Channel: w.Channel, ID: w.ID, PrevID: w.PrevID, NoSeq: w.NoSeq, Size: w.Size, Meta: w.Meta}
	formats := &w.wireFormats
	if w.Formats != nil {
		formats = w.Formats
	}
	var err error
	if f := formats.HTTPStream; f != nil {
		if it.HTTPStream, err = f.httpStream(); err != nil {
			return Item{}, fmt.Errorf("http-stream: %w", err)
		}
	}
	if f := formats.HTTPResponse; f != nil {
		if it.HTTPResponse, err = f.httpResponse(); err != nil {
			return Item{}, fmt.Errorf("http-response: %w", err)
		}
	}
	if f := formats.WSMessage; f != nil {
		if it.WSMessage, err = f.wsMessage(); err != nil {
			return Item{}, fmt.Errorf("ws-message: %w", err)
		}
	}
	return it, nil
}

func (w *wireFormat) sends() bool { return w.Action == "" || w.Action == ActionSend }

func (w *wireFormat) httpStream() (*HTTPStream, error) {
	content, err := wireContent(w.Content, w.ContentBin)
	if err != nil {
		return nil, err
	}
	if w.sends() && content == nil {
		return nil, errors.New("no content")
	}
	return &HTTPStream{Action: w.Action, Content: content, ContentFilters: w.ContentFilters}, nil
}

func (w *wireFormat) httpResponse() (*HTTPResponse, error) {
	body, err := wireContent(w.Body, w.BodyBin)
	if err != nil {
		return nil, err
	}
	if w.sends() && body == nil && w.BodyPatch == nil {
		return nil, errors.New("no body")
	}
	headers, err := parseWireHeaders(w.Headers)
	if err != nil {
		return nil, err
	}
	return &HTTPResponse{
		Action: w.Action, Code: w.Code, Reason: w.Reason, Headers: headers,
		Body: body, BodyPatch: w.BodyPatch, ContentFilters: w.ContentFilters,
	}, nil
}

func (w *wireFormat) wsMessage() (*WSMessage, error) {
	content, err := wireContent(w.Content, w.ContentBin)
	if err != nil {
		return nil, err
	}
	kind := w.Type
	if kind == "" && w.ContentBin != nil {
		kind = WSBinary
	}
	if w.sends() && content == nil && kind != WSPing && kind != WSPong {
		return nil, errors.New("no content")
	}
	return &WSMessage{
		Action: w.Action, Type: kind, Content: content,
		Code: w.Code, Reason: w.Reason, ContentFilters: w.ContentFilters,
	}, nil
}

// wireContent prefers the base64 form, as proxies do, and returns nil for neither.
func wireContent(text, encoded *string) ([]byte, error) {
	switch {
	case encoded != nil:
		decoded, err := base64.StdEncoding.DecodeString(*encoded)
		if err != nil {
			return nil, errors.New("malformed base64")
		}
		return append([]byte{}, decoded...), nil
	case text != nil:
		return []byte(*text), nil
	}
	return nil, nil
}

// parseWireHeaders reads an object, or a list of pairs.
func parseWireHeaders(raw json.RawMessage) (http.Header, error) {
	if raw == nil {
		return nil, nil
	}
	var object map[string]string
	if err := json.Unmarshal(raw, &object); err == nil {
		h := make(http.Header, len(object))
		for name, value := range object {
			h[name] = []string{value}
		}
		return h, nil
	}
	var pairs [][]string
	if err := json.Unmarshal(raw, &pairs); err != nil {
		return nil, errors.New("headers are neither an object of strings nor a list of pairs")
	}
	h := make(http.Header, len(pairs))
	for _, pair := range pairs {
		if len(pair) != 2 {
			return nil, fmt.Errorf("header of %d elements is not a pair", len(pair))
		}
		h[pair[0]] = append(h[pair[0]], pair[1])
	}
	return h, nil
}
