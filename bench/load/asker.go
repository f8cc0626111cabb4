package load

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// An Asker makes the same request again and again on one connection, as a proxy does that opens streams.
type Asker struct {
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
	ask     *http.Request
	body    bytes.Buffer
}

// NewAsker connects. cursor is the value of Last-Event-ID, empty for none.
func NewAsker(ctx context.Context, address, cursor string) (*Asker, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	ask, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	ask.Header.Set("Accept", "text/event-stream")
	if cursor != "" {
		ask.Header.Set("Last-Event-ID", cursor)
	}
	var request bytes.Buffer
	if err := ask.Write(&request); err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	return &Asker{conn: conn, reader: bufio.NewReaderSize(conn, bufferBytes), request: request.Bytes(), ask: ask}, nil
}

// Close ends the connection.
func (a *Asker) Close() { _ = a.conn.Close() }

// Ask makes the request, and tells how many marks the answer has.
func (a *Asker) Ask() (marks uint64, err error) {
	if _, err := a.conn.Write(a.request); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(a.reader, a.ask)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	a.body.Reset()
	if _, err := io.Copy(&a.body, resp.Body); err != nil {
		return 0, err
	}
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %s: %.500s", a.ask.URL, resp.Status, a.body.Bytes())
	}
	return uint64(bytes.Count(a.body.Bytes(), []byte(markName))), nil
}
