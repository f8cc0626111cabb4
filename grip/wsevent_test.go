package grip

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestWSEventsThereAndBack(t *testing.T) {
	for wire, events := range map[string][]WSEvent{
		"":                            nil,
		"OPEN\r\n":                    {OpenEvent()},
		"TEXT 0\r\n\r\n":              {{Type: EventText, Content: []byte{}, HasContent: true}},
		"TEXT\r\n":                    {{Type: EventText}},
		"PING\r\nPONG 1\r\nx\r\n":     {{Type: EventPing}, {Type: EventPong, Content: []byte("x"), HasContent: true}},
		"BINARY 3\r\n\r\n\xff\r\n":    {{Type: EventBinary, Content: []byte("\r\n\xff"), HasContent: true}},
		"TEXT 7\r\nCLOSE\r\n\r\n":     {{Type: EventText, Content: []byte("CLOSE\r\n"), HasContent: true}},
		"CLOSE\r\nDISCONNECT\r\n":     {{Type: EventClose}, {Type: EventDisconnect}},
		"CLOSE 4\r\n\x03\xe8ok\r\n":   {{Type: EventClose, Content: []byte("\x03\xe8ok"), HasContent: true}},
		"TEXT 6\r\nm:Grü\r\nOPEN\r\n": {{Type: EventText, Content: []byte("m:Grü"), HasContent: true}, OpenEvent()},
	} {
		got, err := DecodeWSEvents([]byte(wire))
		if err != nil || !reflect.DeepEqual(got, events) {
			t.Errorf("%q is read as %v, %v", wire, got, err)
		}
		back, err := EncodeWSEvents(events)
		if err != nil || string(back) != wire {
			t.Errorf("%v is written as %q, %v", events, back, err)
		}
	}
}

func TestDecodeWSEventsCountsBytes(t *testing.T) {
	events, err := DecodeWSEvents([]byte("TEXT 14\r\n" + strings.Repeat("é", 10) + "\r\nCLOSE\r\n"))
	if err != nil || len(events) != 2 || events[1].Type != EventClose {
		t.Errorf("read %v, %v", events, err)
	}
}

func TestDecodeWSEventsAcceptsLengthsAsSendersWriteThem(t *testing.T) {
	for _, length := range []string{"a", "A", "0a", "000000a"} {
		events, err := DecodeWSEvents([]byte("TEXT " + length + "\r\n0123456789\r\n"))
		if err != nil || len(events) != 1 || len(events[0].Content) != 10 {
			t.Errorf("length %s: %v, %v", length, events, err)
		}
	}
}

func TestDecodeWSEventsRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"no line end":              "OPEN",
		"line feed alone":          "OPEN\n",
		"empty line":               "\r\n",
		"line end at the end":      "OPEN\r\n\r\n",
		"unknown type":             "HELLO\r\n",
		"lower case":               "open\r\n",
		"blank before":             " OPEN\r\n",
		"length beyond the body":   "TEXT ff\r\nhello\r\n",
		"length one beyond":        "TEXT 6\r\nhello\r\n",
		"content without line end": "TEXT 5\r\nhello",
		"half a line end":          "TEXT 5\r\nhello\r",
		"length one short":         "TEXT 4\r\nhello\r\n",
		"content run into a type":  "TEXT 5\r\nhelloCLOSE\r\n",
		"negative length":          "TEXT -5\r\nhello\r\n",
		"signed length":            "TEXT +5\r\nhello\r\n",
		"prefixed length":          "TEXT 0x5\r\nhello\r\n",
		"no digit":                 "TEXT zz\r\nhello\r\n",
		"digits and junk":          "TEXT 5 junk\r\nhello\r\n",
		"two blanks":               "TEXT  5\r\nhello\r\n",
		"blank and no length":      "TEXT \r\nhello\r\n",
		"length with underscore":   "TEXT 0_5\r\nhello\r\n",
		"overflowing length":       "TEXT ffffffffffffffff\r\nhello\r\n",
		"length as long as an int": "TEXT 7fffffff\r\nhello\r\n",
		"OPEN with content":        "OPEN 1\r\nx\r\n",
		"good events, then bad":    "OPEN\r\nTEXT 5\r\nhello\r\nTEXT",
	} {
		if events, err := DecodeWSEvents([]byte(body)); err == nil || events != nil {
			t.Errorf("%s: read %v, %v", name, events, err)
		}
	}
}

func TestDecodeWSEventsErrorsStayShort(t *testing.T) {
	_, err := DecodeWSEvents(bytes.Repeat([]byte("x"), 1<<20))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("error of a megabyte of nonsense: %.300v", err)
	}
}

func TestDecodedContentCannotGrowIntoItsNeighbour(t *testing.T) {
	events, err := DecodeWSEvents([]byte("TEXT 1\r\na\r\nTEXT 1\r\nb\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	_ = append(events[0].Content, "overwritten"...)
	if string(events[1].Content) != "b" {
		t.Errorf("appending to one content changed the next to %q", events[1].Content)
	}
}

func TestAppendWSEventRefuses(t *testing.T) {
	for name, e := range map[string]WSEvent{
		"no type":                 {},
		"type with a line end":    {Type: "TEXT 1\r\nx\r\nCLOSE"},
		"unknown type":            {Type: "HELLO"},
		"OPEN with content":       {Type: EventOpen, Content: []byte("x")},
		"DISCONNECT with content": {Type: EventDisconnect, HasContent: true},
	} {
		if got, err := AppendWSEvent([]byte("before"), e); err == nil || string(got) != "before" {
			t.Errorf("%s: wrote %q, %v", name, got, err)
		}
	}
	if got, err := EncodeWSEvents([]WSEvent{OpenEvent(), {}}); err == nil || got != nil {
		t.Errorf("wrote %q, %v", got, err)
	}
}

func TestMessagesToTheClientAreMarked(t *testing.T) {
	got, err := EncodeWSEvents([]WSEvent{TextEvent(""), TextEvent("c:{}"), BinaryEvent([]byte{0xff})})
	if want := "TEXT 2\r\nm:\r\nTEXT 6\r\nm:c:{}\r\nBINARY 3\r\nm:\xff\r\n"; err != nil || string(got) != want {
		t.Errorf("wrote %q, %v, want %q", got, err, want)
	}
}

func TestCloseEvents(t *testing.T) {
	for name, c := range map[string]struct {
		code   int
		reason string
		wire   string
	}{
		"no code":         {0, "", "CLOSE\r\n"},
		"normal":          {CloseNormal, "", "CLOSE 2\r\n\x03\xe8\r\n"},
		"own with reason": {4403, "forbidden", "CLOSE b\r\n\x11\x33forbidden\r\n"},
	} {
		e, err := CloseEvent(c.code, c.reason)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if wire, err := AppendWSEvent(nil, e); err != nil || string(wire) != c.wire {
			t.Errorf("%s: wrote %q, %v", name, wire, err)
		}
		code, reason, err := CloseStatus(e)
		if c.code == 0 {
			c.code = CloseNoStatus
		}
		if err != nil || code != c.code || reason != c.reason {
			t.Errorf("%s: read %d %q, %v", name, code, reason, err)
		}
	}
}

func TestCloseEventsThatMayNotBe(t *testing.T) {
	for _, code := range []int{-1, 1, 999, 1004, 1005, 1006, 1015, 5000, 65536} {
		if e, err := CloseEvent(code, ""); err == nil {
			t.Errorf("code %d became %q", code, e.Content)
		}
	}
	for _, reason := range []string{"\xff", strings.Repeat("x", 124)} {
		if e, err := CloseEvent(1000, reason); err == nil {
			t.Errorf("reason %q became %q", reason, e.Content)
		}
	}
	for _, e := range []WSEvent{{Type: EventText}, {Type: EventClose, Content: []byte{3}}, {Type: EventClose, Content: []byte("\x03\xe8\xff")}} {
		if code, reason, err := CloseStatus(e); err == nil {
			t.Errorf("%v was read as %d %q", e, code, reason)
		}
	}
}

func TestControlMessages(t *testing.T) {
	for want, make := range map[string]func() (WSEvent, error){
		`c:{"type":"subscribe","channel":"a\"b"}`:                         func() (WSEvent, error) { return SubscribeEvent(`a"b`) },
		`c:{"type":"subscribe","channel":"a","filters":["skip-self"]}`:    func() (WSEvent, error) { return SubscribeEvent("a", FilterSkipSelf) },
		`c:{"type":"unsubscribe","channel":"a"}`:                          func() (WSEvent, error) { return UnsubscribeEvent("a") },
		`c:{"type":"detach"}`:                                             DetachEvent,
		`c:{"type":"session","id":"s"}`:                                   func() (WSEvent, error) { return SessionEvent("s") },
		`c:{"type":"session"}`:                                            func() (WSEvent, error) { return SessionEvent("") },
		`c:{"type":"set-meta","name":"user","value":"7"}`:                 func() (WSEvent, error) { return SetMetaEvent("user", "7") },
		`c:{"type":"set-meta","name":"user"}`:                             func() (WSEvent, error) { return SetMetaEvent("user", "") },
		`c:{"type":"keep-alive"}`:                                         func() (WSEvent, error) { return KeepAliveEvent(WSKeepAlive{}) },
		`c:{"type":"keep-alive","message-type":"ping","content":""}`:      func() (WSEvent, error) { return KeepAliveEvent(WSKeepAlive{Type: WSPing}) },
		`c:{"type":"flush-delayed"}`:                                      FlushDelayedEvent,
		`c:{"type":"send-delayed","message-type":"text","content":"x"}`:   func() (WSEvent, error) { return SendDelayedEvent("", []byte("x"), 0) },
		`c:{"type":"send-delayed","message-type":"binary","content":"x"}`: func() (WSEvent, error) { return SendDelayedEvent(WSBinary, []byte("x"), 0) },
		`c:{"type":"keep-alive","message-type":"binary","content-bin":"/w==","timeout":20,"mode":"interval"}`: func() (WSEvent, error) {
			return KeepAliveEvent(WSKeepAlive{Content: []byte("\xff"), Timeout: 20 * time.Second, Mode: KeepAliveInterval})
		},
	} {
		e, err := make()
		if err != nil || e.Type != EventText || string(e.Content) != want {
			t.Errorf("wrote %s %s, %v, want %s", e.Type, e.Content, err, want)
		}
	}
}

func TestControlMessagesThatAProxyWouldIgnore(t *testing.T) {
	six := []string{"a", "b", "c", "d", "e", "f"}
	for name, make := range map[string]func() (WSEvent, error){
		"no channel":               func() (WSEvent, error) { return SubscribeEvent("") },
		"channel not UTF-8":        func() (WSEvent, error) { return SubscribeEvent("\xff") },
		"six filters":              func() (WSEvent, error) { return SubscribeEvent("a", six...) },
		"empty filter":             func() (WSEvent, error) { return SubscribeEvent("a", "") },
		"unsubscribe from nothing": func() (WSEvent, error) { return UnsubscribeEvent("") },
		"session not UTF-8":        func() (WSEvent, error) { return SessionEvent("\xff") },
		"nameless meta":            func() (WSEvent, error) { return SetMetaEvent("", "x") },
		"meta not UTF-8":           func() (WSEvent, error) { return SetMetaEvent("a", "\xff") },
		"keep-alive mode":          func() (WSEvent, error) { return KeepAliveEvent(WSKeepAlive{Mode: "always"}) },
		"keep-alive type":          func() (WSEvent, error) { return KeepAliveEvent(WSKeepAlive{Type: "close"}) },
		"keep-alive text":          func() (WSEvent, error) { return KeepAliveEvent(WSKeepAlive{Type: WSText, Content: []byte("\xff")}) },
		"negative timeout":         func() (WSEvent, error) { return SendDelayedEvent("", nil, -1) },
		"message beyond a frame":   func() (WSEvent, error) { return SendDelayedEvent("", bytes.Repeat([]byte("x"), 16384), 0) },
	} {
		if e, err := make(); err == nil {
			t.Errorf("%s: wrote %.100s", name, e.Content)
		}
	}
}
