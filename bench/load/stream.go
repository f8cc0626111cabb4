package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"
)

// A Target is what one member of the audience watches.
type Target struct {
	// URL is a stream's, or with the scheme ws a WebSocket's.
	URL string
	// Channel is the number of the channel that the stream is of.
	Channel int
}

// A stream is one member of the audience. What has no other remark is of its own goroutine.
type stream struct {
	of      *Audience
	target  Target
	address *url.URL

	next    uint64 // the mark that is expected
	scanner scanner
	ids     lastID

	// Of the connection.
	header  []byte // of the response, as far as it has come; nil when it has ended
	framing framing

	open atomic.Bool
	warm atomic.Int32 // unmeasured events on this connection
	conn atomic.Pointer[net.TCPConn]
}

// reopenAfter is how long a stream waits that was cut before the measurement, or refused.
const reopenAfter = 100 * time.Millisecond

// run keeps the stream open until ctx ends or, in the measurement, the server ends it and it is none that resumes.
func (s *stream) run(ctx context.Context) {
	for {
		err := s.watch(ctx)
		wasOpen := s.open.Load()
		s.opened(false)
		if ctx.Err() != nil {
			return
		}
		s.of.failed(err)
		if s.of.dropping.Load() {
			s.of.awaitReopening(ctx)
			continue
		}
		if s.of.measuring.Load() {
			if wasOpen && !s.of.resumes {
				s.of.closed.Add(1)
				return
			}
			s.of.refused.Add(1)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopenAfter):
		}
	}
}

func (s *stream) opened(yes bool) {
	if s.open.Swap(yes) == yes {
		return
	}
	if yes {
		s.of.open.Add(1)
	} else {
		s.of.open.Add(-1)
	}
}

// watch opens a connection and reads it to its end.
func (s *stream) watch(ctx context.Context) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	s.conn.Store(conn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	impatient := time.AfterFunc(unanswered, func() {
		if !s.open.Load() {
			conn.Close()
		}
	})
	defer impatient.Stop()
	s.warm.Store(0)
	s.header, s.framing, s.scanner = make([]byte, 0, 512), nil, scanner{}
	s.ids.line = s.ids.line[:0]
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var end error
	err = raw.Read(func(fd uintptr) bool {
		end = s.drain(int(fd))
		return end != nil
	})
	return errors.Join(end, err)
}

// unanswered is how long a stream waits for its beginning before it asks anew: Pushpin 1.36 lets one in some ten thousands wait for more
// than a minute. It is longer than a storm takes, since Pushpin goes on with what nobody waits for any more.
const unanswered = 60 * time.Second

// connect dials and asks, as one of at most so many at the same time.
func (s *stream) connect(ctx context.Context) (*net.TCPConn, error) {
	select {
	case s.of.dialing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.of.dialing }()
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address.Host)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(s.request()); err != nil {
		conn.Close()
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

func (s *stream) request() []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", s.address.RequestURI(), s.address.Host)
	if s.address.Scheme == "ws" {
		// The key is of no use but to caches, of which there is none.
		b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"...)
	} else {
		b = append(b, "Accept: text/event-stream\r\n"...)
	}
	if s.ids.last != "" {
		b = fmt.Appendf(b, "Last-Event-ID: %s\r\n", s.ids.last)
	}
	return append(b, "\r\n"...)
}

// drain reads what the connection has. A short read has emptied it: the kernel will tell when there is more.
func (s *stream) drain(fd int) error {
	buf := s.of.buffers.Get().(*[]byte)
	defer s.of.buffers.Put(buf)
	for {
		n, err := syscall.Read(fd, *buf)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case errors.Is(err, syscall.EAGAIN):
			return nil
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		}
		if err := s.take((*buf)[:n]); err != nil {
			return err
		}
		if n < len(*buf) {
			return nil
		}
	}
}

// take reads the next part of the connection's bytes.
func (s *stream) take(part []byte) error {
	if s.framing == nil {
		var err error
		if part, err = s.takeHeader(part); err != nil || len(part) == 0 {
			return err
		}
	}
	now := Now()
	counted := tally{now: now}
	err := s.framing.next(part, func(content []byte) {
		s.opened(true)
		if s.of.resumes {
			s.ids.take(content)
		}
		s.scanner.scan(content, func(m Mark) { s.count(m, &counted) })
	})
	s.of.add(&counted)
	return err
}

// maxHeader bounds a response's header.
const maxHeader = 32 << 10

// takeHeader reads the header, and returns what follows it.
func (s *stream) takeHeader(part []byte) (rest []byte, err error) {
	s.header = append(s.header, part...)
	end := bytes.Index(s.header, []byte("\r\n\r\n"))
	if end < 0 {
		if len(s.header) > maxHeader {
			return nil, errors.New("the response's header does not end")
		}
		return nil, nil
	}
	header := bytes.ToLower(s.header[:end])
	rest = s.header[end+4:]
	s.header = nil
	_, status, _ := bytes.Cut(header, []byte(" "))
	switch {
	case s.address.Scheme == "ws" && bytes.HasPrefix(status, []byte("101")):
		s.framing = &frames{}
		s.opened(true)
	case s.address.Scheme == "ws" || !bytes.HasPrefix(status, []byte("200")):
		return nil, fmt.Errorf("%s: %.500s", s.address, header)
	case bytes.Contains(header, []byte("\r\ntransfer-encoding: chunked")):
		s.framing = &chunked{}
	default:
		s.framing = plain{}
	}
	return rest, nil
}

// A tally is what one read has brought.
type tally struct {
	now                   int64
	delivered, duplicated uint64
}

func (s *stream) count(m Mark, t *tally) {
	if m.N == 0 {
		s.warm.Add(1)
		return
	}
	if m.N < s.next {
		t.duplicated++
		return
	}
	// What was skipped is missing in the end, unless this event stands for it.
	if s.of.newest {
		t.delivered += m.N - s.next
	}
	s.next = m.N + 1
	t.delivered++
	s.of.latency.Add(time.Duration(t.now - m.At))
}

// lastID remembers the id of the last event, as an EventSource does.
type lastID struct {
	last string
	line []byte
}

func (l *lastID) take(part []byte) {
	for len(part) > 0 {
		end := bytes.IndexByte(part, '\n')
		if end < 0 {
			l.line = append(l.line, part...)
			return
		}
		l.line = append(l.line, part[:end]...)
		if id, ok := bytes.CutPrefix(l.line, []byte("id: ")); ok {
			l.last = string(id)
		}
		l.line, part = l.line[:0], part[end+1:]
	}
}
