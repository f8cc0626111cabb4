package fastlytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// item is what the reference of the publish API has of a message. content-filters, meta and no-seq are GRIP's: Fastly calls the API
// compatible with GRIP, and libraries for GRIP send them.
type item struct {
	Channel string  `json:"channel"`
	ID      *string `json:"id"`
	PrevID  *string `json:"prev-id"`
	Formats struct {
		Response *response `json:"http-response"`
		Stream   *content  `json:"http-stream"`
		Message  *content  `json:"ws-message"`
	} `json:"formats"`
	Meta  map[string]string `json:"meta"`
	NoSeq bool              `json:"no-seq"`
}

type content struct {
	grip
	Content    *string `json:"content"`
	ContentBin []byte  `json:"content-bin"`
	Type       string  `json:"type"`
	Code       int     `json:"code"`
	Reason     string  `json:"reason"`
}

type response struct {
	grip
	Code    int               `json:"code"`
	Reason  string            `json:"reason"`
	Headers map[string]string `json:"headers"`
	Body    *string           `json:"body"`
	BodyBin []byte            `json:"body-bin"`
}

// grip is what every format may have beyond the reference.
type grip struct {
	Action         string   `json:"action"`
	ContentFilters []string `json:"content-filters"`
}

func (g grip) acts() bool { return g.Action != "" && g.Action != "send" }

// check tells what is wrong with the body of a publish request, and how many items it has.
func (f *Fanout) check(body []byte) (items int, err error) {
	var request struct {
		Items *[]item `json:"items"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return 0, err
	}
	if request.Items == nil || decoder.More() {
		return 0, errors.New("items is required")
	}
	for i := range *request.Items {
		if err := f.checkItem(&(*request.Items)[i]); err != nil {
			return 0, fmt.Errorf("items[%d]: %w", i, err)
		}
	}
	return len(*request.Items), nil
}

func (f *Fanout) checkItem(it *item) error {
	stream, message, response := it.Formats.Stream, it.Formats.Message, it.Formats.Response
	switch {
	case it.Channel == "":
		return errors.New("channel is required")
	case it.PrevID != nil && it.ID == nil:
		return errors.New("prev-id without id")
	case stream == nil && message == nil && response == nil:
		return errors.New("formats: at least one is required")
	}
	for name, c := range map[string]*content{"http-stream": stream, "ws-message": message} {
		if c == nil {
			continue
		}
		if err := f.checkAction(c.Action, c.Content != nil || c.ContentBin != nil); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if response != nil {
		if err := f.checkAction(response.Action, response.Body != nil || response.BodyBin != nil); err != nil {
			return fmt.Errorf("http-response: %w", err)
		}
	}
	return nil
}

func (f *Fanout) checkAction(action string, content bool) error {
	switch {
	case grip{Action: action}.acts() && !f.hints:
		return fmt.Errorf("action %q is not supported", action)
	case !grip{Action: action}.acts() && !content:
		return errors.New("content is required")
	}
	return nil
}
