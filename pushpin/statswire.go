package pushpin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// What follows is as much of ZMTP 3.1 (rfc.zeromq.org/spec/37) as a subscriber needs who does not authenticate. The
// libraries there are believe any length that a peer announces.

const (
	// maxStatsFrame bounds a frame, in bytes. A statistic has a channel's name in it, and little else.
	maxStatsFrame = 64 << 10
	// statsDialTimeout bounds the making of a connection, and statsWrite that of a packet.
	statsDialTimeout, statsWrite = 5 * time.Second, 5 * time.Second
	// statsPing is how often the publisher is asked whether it lives, and statsSilence how long nothing may come.
	statsPing, statsSilence = 4 * time.Second, 12 * time.Second
)

// The bits of a frame's first byte.
const (
	flagMore    = 1
	flagLong    = 2
	flagCommand = 4
)

// greetingBytes is the length of a greeting: signature, version, mechanism, role and filler.
const greetingBytes = 64

// A subscriber is a connection to a PUB socket.
type subscriber struct {
	conn net.Conn
	in   *bufio.Reader
}

// subscribe connects to a ZeroMQ endpoint, tcp://HOST:PORT or ipc://PATH, and subscribes to the messages that begin with
// the prefix.
func subscribe(ctx context.Context, endpoint, prefix string) (*subscriber, error) {
	ctx, cancel := context.WithTimeout(ctx, statsDialTimeout)
	defer cancel()
	conn, err := dialEndpoint(ctx, endpoint)
	if err != nil {
		return nil, err
	}
	s := &subscriber{conn, bufio.NewReader(conn)}
	// A peer that accepts and says nothing is given up, and so is everything when ctx ends.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	if err := s.greet(prefix); err != nil {
		stop()
		return nil, errors.Join(err, conn.Close())
	}
	stop()
	if err := conn.SetDeadline(time.Time{}); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

func dialEndpoint(ctx context.Context, endpoint string) (net.Conn, error) {
	if address, ok := strings.CutPrefix(endpoint, "tcp://"); ok {
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	path, ok := strings.CutPrefix(endpoint, "ipc://")
	if !ok {
		return nil, fmt.Errorf("%q: want tcp://HOST:PORT or ipc://PATH", endpoint)
	}
	// A socket's path may have 108 bytes, on some systems 104. A longer one is reached by its directory's descriptor.
	const longest = 103
	if len(path) <= longest {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return new(net.Dialer).DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)))
}

// greet exchanges greetings and READY commands, and subscribes.
func (s *subscriber) greet(prefix string) error {
	greeting := make([]byte, greetingBytes)
	greeting[0], greeting[9] = 0xff, 0x7f
	greeting[10], greeting[11] = 3, 1
	copy(greeting[12:], "NULL")
	if _, err := s.conn.Write(greeting); err != nil {
		return err
	}
	var theirs [greetingBytes]byte
	if _, err := io.ReadFull(s.in, theirs[:]); err != nil {
		return fmt.Errorf("read the greeting: %w", err)
	}
	mechanism := string(bytes.TrimRight(theirs[12:32], "\x00"))
	switch {
	case theirs[0] != 0xff || theirs[9] != 0x7f || theirs[10] < 3:
		return errors.New("the other side does not speak ZMTP 3")
	case mechanism != "NULL":
		return fmt.Errorf("the other side wants the mechanism %.20q", mechanism)
	}
	ready := append([]byte("\x05READY\x0bSocket-Type"), 0, 0, 0, 3)
	if err := s.write(flagCommand, append(ready, "SUB"...)); err != nil {
		return err
	}
	flags, body, err := s.readFrame()
	switch {
	case err != nil:
		return fmt.Errorf("read READY: %w", err)
	case flags&flagCommand == 0 || !bytes.HasPrefix(body, []byte("\x05READY")):
		return errors.New("the other side does not begin with READY")
	}
	// ZMTP 3.0 subscribes by a message that begins with 1, which those who speak 3.1 take as well.
	return s.write(0, append([]byte{1}, prefix...))
}

func (s *subscriber) write(flags byte, body []byte) error {
	if err := s.conn.SetWriteDeadline(time.Now().Add(statsWrite)); err != nil {
		return err
	}
	_, err := s.conn.Write(append([]byte{flags, byte(len(body))}, body...))
	return err
}

// readFrame returns the next frame, whose body holds until the next call.
func (s *subscriber) readFrame() (flags byte, body []byte, err error) {
	return readFrame(s.in)
}

func readFrame(in io.Reader) (flags byte, body []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return 0, nil, err
	}
	flags = head[0]
	if flags&^(flagMore|flagLong|flagCommand) != 0 {
		return 0, nil, fmt.Errorf("frame flags %#x: unknown", flags)
	}
	size := uint64(head[1])
	if flags&flagLong != 0 {
		if _, err := io.ReadFull(in, head[2:]); err != nil {
			return 0, nil, cutOff(err)
		}
		size = binary.BigEndian.Uint64(head[1:])
	}
	if size > maxStatsFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes, the most is %d", size, maxStatsFrame)
	}
	body = make([]byte, size)
	if _, err := io.ReadFull(in, body); err != nil {
		return 0, nil, cutOff(err)
	}
	return flags, body, nil
}

// cutOff is the error of a frame that ends too early.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// receive gives every message of one frame to take, until ctx ends or the connection does. A publisher that stands
// still is given up.
func (s *subscriber) receive(ctx context.Context, take func(message []byte)) error {
	defer context.AfterFunc(ctx, func() { _ = s.conn.SetReadDeadline(time.Unix(1, 0)) })()
	pinging, stop := context.WithCancel(ctx)
	pinged := make(chan struct{})
	go func() {
		defer close(pinged)
		s.ping(pinging)
	}()
	defer func() { stop(); <-pinged }()
	for partial := false; ; {
		if err := s.conn.SetReadDeadline(time.Now().Add(statsSilence)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		flags, body, err := s.readFrame()
		if err != nil {
			return err
		}
		switch {
		case flags&flagCommand != 0:
			if err := s.command(body); err != nil {
				return err
			}
		case !partial && flags&flagMore == 0:
			take(body)
		default:
			// Statistics have one frame; what has more is something else.
			partial = flags&flagMore != 0
		}
	}
}

// ping asks for signs of life. A publisher has nothing else to say while nobody comes or goes.
func (s *subscriber) ping(ctx context.Context) {
	ticker := time.NewTicker(statsPing)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			// TTL 0: the publisher need not expect another.
			if s.write(flagCommand, []byte("\x04PING\x00\x00")) != nil {
				return // receive finds out
			}
		}
	}
}

// maxPingContext bounds what of a PING comes back in the PONG (ZMTP 3.1).
const maxPingContext = 16

// command answers a PING.
func (s *subscriber) command(body []byte) error {
	text, ok := bytes.CutPrefix(body, []byte("\x04PING"))
	if !ok || len(text) < 2 {
		return nil
	}
	text = text[2:]
	return s.write(flagCommand, append([]byte("\x04PONG"), text[:min(len(text), maxPingContext)]...))
}

func (s *subscriber) close() error { return s.conn.Close() }
