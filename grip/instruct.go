package grip

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Instruct is what a response tells the proxy to do with the connection. The
// zero Instruct tells nothing: the response is passed on.
//
// Without a Hold but with a next link, the proxy sends the body and fetches
// the link at once. Such a reply names the Channels and Meta too: Pushpin before
// 1.41 applies to the body of a next link the filters of the reply before it.
type Instruct struct {
	Hold      Hold
	Channels  []Channel         // need a Hold or a next link
	KeepAlive KeepAlive         // needs a Hold of mode stream
	Meta      map[string]string // read by filters; see [SetMeta]
	Links     []Link            // at most one of each relation
	Status    Status

	// ExposeHeaders, where not empty, names the response headers that the
	// client receives; a proxy removes all others.
	ExposeHeaders []string
}

// Response is the answer to the client in an instruct that travels as JSON.
type Response struct {
	Code    int    // 100 to 999; 0 means 200
	Reason  string // empty means the code's usual phrase
	Headers http.Header
	Body    []byte // any bytes
}

// WriteHeader sets the Grip headers of a response. Headers of earlier
// instructions are replaced. On an error the header is left as it was.
func (in Instruct) WriteHeader(h http.Header) error {
	out, err := in.headers()
	if err != nil {
		return fmt.Errorf("GRIP instruct: %w", err)
	}
	for _, name := range []string{
		HeaderHold, HeaderTimeout, HeaderChannel, HeaderKeepAlive,
		HeaderSetMeta, HeaderLink, HeaderStatus, HeaderExposeHeaders,
	} {
		h.Del(name)
	}
	maps.Copy(h, out)
	return nil
}

// WriteJSON is the other form of an instruct: the response that it returns as
// a body of type [TypeInstruct], to be sent with status 200, and headers set
// for what JSON has no word for: links, keep-alives, and channels and meta that
// are not of a hold. Only this form can hold for channels that a header cannot
// carry. Status must be zero, since the response has its own code. On an error
// the header is left as it was.
func (in Instruct) WriteJSON(h http.Header, r Response) (body []byte, err error) {
	body, err = in.json(r)
	if err != nil {
		return nil, fmt.Errorf("GRIP instruct: %w", err)
	}
	// The hold and its channels are in the body; their headers would be read first and add to them.
	beside := Instruct{Links: in.Links, ExposeHeaders: in.ExposeHeaders}
	if in.Hold.Mode == "" {
		beside.Channels, beside.Meta = in.Channels, in.Meta
	}
	if !in.KeepAlive.IsZero() {
		beside.Hold, beside.KeepAlive = Hold{Mode: in.Hold.Mode}, in.KeepAlive
	}
	if err := beside.WriteHeader(h); err != nil {
		return nil, err
	}
	h.Del(HeaderHold)
	h.Set("Content-Type", TypeInstruct)
	return body, nil
}

func (in Instruct) validate() error {
	if err := in.Hold.validate(); err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	rels := make(map[LinkRel]bool, len(in.Links))
	for _, link := range in.Links {
		if rels[link.Rel] {
			return fmt.Errorf("more than one link of relation %q", link.Rel)
		}
		rels[link.Rel] = true
	}
	switch {
	case len(in.Channels) > 0 && in.Hold.Mode == "" && !rels[RelNext]:
		return errors.New("channels without a hold or a next link")
	case !in.KeepAlive.IsZero() && in.Hold.Mode != HoldStream:
		return errors.New("keep-alive without a stream hold")
	}
	names := make(map[string]bool, len(in.Channels))
	for _, c := range in.Channels {
		if names[c.Name] {
			return fmt.Errorf("channel %q is named twice", c.Name)
		}
		names[c.Name] = true
		if c.PrevID != "" && in.Hold.Mode == HoldStream && !rels[RelNext] {
			return fmt.Errorf("channel %q: a prev-id in a stream hold needs a next link", c.Name)
		}
	}
	return nil
}

func (in Instruct) headers() (http.Header, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	h := http.Header{}
	if in.Hold.Mode != "" {
		h.Set(HeaderHold, string(in.Hold.Mode))
	}
	if in.Hold.Timeout != 0 {
		h.Set(HeaderTimeout, string(appendSeconds(nil, in.Hold.Timeout)))
	}
	if err := in.channelHeader(h); err != nil {
		return nil, err
	}
	if !in.KeepAlive.IsZero() {
		value, err := in.KeepAlive.Header()
		if err != nil {
			return nil, err
		}
		h.Set(HeaderKeepAlive, value)
	}
	if len(in.Meta) > 0 {
		value, err := SetMeta(in.Meta)
		if err != nil {
			return nil, err
		}
		h.Set(HeaderSetMeta, value)
	}
	for _, link := range in.Links {
		value, err := link.Header()
		if err != nil {
			return nil, err
		}
		h.Add(HeaderLink, value)
	}
	if in.Status != (Status{}) {
		value, err := in.Status.Header()
		if err != nil {
			return nil, err
		}
		h.Set(HeaderStatus, value)
	}
	return h, in.exposeHeader(h)
}

func (in Instruct) channelHeader(h http.Header) error {
	var value []byte
	for _, c := range in.Channels {
		if len(value) > 0 {
			value = append(value, ", "...)
		}
		var err error
		if value, err = c.appendHeader(value); err != nil {
			return err
		}
	}
	if len(value) > 0 {
		h.Set(HeaderChannel, string(value))
	}
	return nil
}

func (in Instruct) exposeHeader(h http.Header) error {
	if i := slices.IndexFunc(in.ExposeHeaders, func(name string) bool { return !validToken(name) }); i >= 0 {
		return fmt.Errorf("exposed header name %q is not a token", in.ExposeHeaders[i])
	}
	if len(in.ExposeHeaders) > 0 {
		h.Set(HeaderExposeHeaders, strings.Join(in.ExposeHeaders, ", "))
	}
	return nil
}

func (in Instruct) json(r Response) ([]byte, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	if in.Status != (Status{}) {
		return nil, errors.New("a status belongs to the response where the instruct is JSON")
	}
	out := []byte{'{'}
	if in.Hold.Mode != "" {
		var err error
		if out, err = in.appendHold(out); err != nil {
			return nil, err
		}
		out = append(out, ',')
	}
	out, err := r.appendJSON(out)
	if err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	return append(out, '}'), nil
}

func (in Instruct) appendHold(dst []byte) ([]byte, error) {
	dst = append(dst, `"hold":{"mode":"`...)
	dst = append(dst, in.Hold.Mode...)
	dst = append(dst, `","channels":[`...)
	for i, c := range in.Channels {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = c.appendJSON(dst); err != nil {
			return nil, err
		}
	}
	dst = append(dst, ']')
	if in.Hold.Timeout != 0 {
		dst = append(dst, `,"timeout":`...)
		dst = appendSeconds(dst, in.Hold.Timeout)
	}
	if len(in.Meta) > 0 {
		for name, value := range in.Meta {
			if err := validateMeta(name, value); err != nil {
				return nil, err
			}
		}
		dst = append(dst, `,"meta":`...)
		dst = appendStringMap(dst, in.Meta)
	}
	return append(dst, '}'), nil
}

func (r Response) appendJSON(dst []byte) ([]byte, error) {
	code := cmp.Or(r.Code, http.StatusOK)
	if err := validateStatus(code, r.Reason); err != nil {
		return nil, err
	}
	if err := validateHeaders(r.Headers); err != nil {
		return nil, err
	}
	dst = append(dst, `"response":{"code":`...)
	dst = strconv.AppendInt(dst, int64(code), 10)
	if r.Reason != "" {
		dst = append(dst, `,"reason":`...)
		dst = appendJSONString(dst, r.Reason)
	}
	if len(r.Headers) > 0 {
		dst = append(dst, `,"headers":`...)
		dst = appendHeaders(dst, r.Headers)
	}
	dst = append(dst, ',')
	dst = appendContent(dst, "body", r.Body)
	return append(dst, '}'), nil
}
