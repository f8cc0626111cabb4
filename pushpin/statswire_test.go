package pushpin

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A publisher's greeting and READY, as libzmq 4.3 sends them.
func publisherHello() []byte {
	greeting := make([]byte, greetingBytes)
	greeting[0], greeting[8], greeting[9], greeting[10], greeting[11] = 0xff, 1, 0x7f, 3, 1
	copy(greeting[12:], "NULL")
	return []byte(string(greeting) + "\x04\x26\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB\x08Identity\x00\x00\x00\x00")
}

// subscribeTo subscribes to a publisher that sends these bytes and then waits for the end.
func subscribeTo(t *testing.T, says []byte) (messages []string, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Write(says)
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}()
	s, err := subscribe(t.Context(), "tcp://"+l.Addr().String(), subPrefix)
	if err != nil {
		return nil, err
	}
	defer s.close()
	err = s.receive(t.Context(), func(m []byte) { messages = append(messages, string(m)) })
	return messages, err
}

func TestMessagesOfAPublisherAreRead(t *testing.T) {
	long := append([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 5)...)
	says := bytes.Join([][]byte{
		publisherHello(), []byte("\x00\x03one"), []byte("\x04\x0b\x04PING\x00\x00ctxt"), []byte("\x04\x05\x04SOME"),
		[]byte("\x01\x01a\x00\x01b"), append(long, "three"...), []byte("\x00\x00"),
	}, nil)
	got, err := subscribeTo(t, says)
	if want := "one|three|"; strings.Join(got, "|") != want || err == nil {
		t.Errorf("got %q and %v, want %q and the end", strings.Join(got, "|"), err, want)
	}
}

func TestWhoSpeaksSomethingElseIsLeft(t *testing.T) {
	hello := publisherHello()
	huge := append([]byte{flagLong}, binary.BigEndian.AppendUint64(nil, 1<<62)...)
	curve := bytes.Replace(hello, []byte("NULL\x00"), []byte("CURVE"), 1)
	old := bytes.Clone(hello)
	old[10] = 1
	for name, says := range map[string][]byte{
		"nothing":             {},
		"HTTP":                []byte("HTTP/1.1 400 Bad Request\r\nServer: condure\r\nContent-Length: 0\r\n\r\n" + strings.Repeat(" ", 64)),
		"an old version":      old,
		"another mechanism":   curve,
		"no READY":            append(bytes.Clone(hello[:greetingBytes]), "\x00\x01a"...),
		"an enormous READY":   append(bytes.Clone(hello[:greetingBytes]), huge...),
		"an enormous message": append(bytes.Clone(hello), huge...),
		"unknown flags":       append(bytes.Clone(hello), 0x80, 0),
		"a cut message":       append(bytes.Clone(hello), 0, 200, 'a'),
	} {
		if got, err := subscribeTo(t, says); err == nil || len(got) > 0 {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestASilentPublisherIsLeftWhenTheCallerEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := subscribe(ctx, "tcp://"+l.Addr().String(), subPrefix); err == nil {
		t.Error("it says that it is subscribed")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(publisherHello()[greetingBytes:])
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00\x03abc"))
	f.Add([]byte("\x02\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in := bytes.NewReader(data)
		for {
			_, body, err := readFrame(in)
			if err != nil {
				return
			}
			if len(body) > maxStatsFrame {
				t.Fatalf("a body of %d bytes", len(body))
			}
		}
	})
}

func FuzzSubscription(f *testing.F) {
	for _, s := range statisticSamples() {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseSubscription(data)
		if err == nil && (s.channel == "" || s.mode == "" || s.subscribers < 0 || s.subscribers > maxSubscribers || s.ttl < 0 || s.ttl > maxStatsTTL) {
			t.Fatalf("%+v", s)
		}
	})
}

func statisticSamples() []string {
	return []string{
		`sub J{"channel":"events-x","from":"p_1","mode":"stream","subscribers":3,"ttl":60}`,
		`sub T80:4:from,3:p_1,4:mode,6:stream,7:channel,8:events-x,11:subscribers,1:3#3:ttl,2:60#}`,
		`sub J{"channel":"events-x","mode":"ws","unavailable":true}`,
		`sub T55:4:mode,2:ws,7:channel,8:events-x,11:unavailable,4:true!}`,
	}
}

func TestStatisticsAreRead(t *testing.T) {
	for _, text := range statisticSamples() {
		want := subscription{channel: "events-x", mode: "stream", subscribers: 3, ttl: time.Minute}
		if strings.Contains(text, "unavailable") {
			want = subscription{channel: "events-x", mode: "ws"}
		}
		if got, err := parseSubscription([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "sub ", "sub X{}", "conn J{}", "sub J", "sub J[]", `sub J{"channel":1}`, `sub J{}`, `sub J{"channel":"c"}`,
		`sub J{"channel":"c","mode":"ws","subscribers":-1,"ttl":60}`, `sub J{"channel":"c","mode":"ws","subscribers":1}`,
		`sub J{"channel":"c","mode":"ws","subscribers":1e300,"ttl":60}`, `sub J{"channel":"c","mode":"ws","subscribers":1,"ttl":1e300}`,
		"sub T", "sub T0:}", "sub T0:,", "sub T3:abc}", "sub T999999999999:}", "sub T5:1:a,}", "sub T10:1:a,1:b,1:}", "sub T-1:}",
		"sub T51:4:mode,2:ws,7:channel,1:c,11:subscribers,3:NaN#3:ttl,2:60#}",
		"sub T0:}0:}",
	} {
		if got, err := parseSubscription([]byte(text)); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
