package grip

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestInstructHeadersOfAStream(t *testing.T) {
	in := Instruct{
		Hold: Hold{Mode: HoldStream},
		Channels: []Channel{
			{Name: "events-room", PrevID: "7", Filters: []string{FilterBuildID, FilterSkipUsers, FilterRequireSub}},
			{Name: "user-3"},
		},
		KeepAlive: KeepAlive{Data: []byte("event: keep-alive\ndata:\n\n"), Timeout: 20 * time.Second},
		Meta:      map[string]string{MetaUser: "3", MetaIDFormat: "room:" + IDFormatPosition("events-room")},
		Links: []Link{
			{URI: "/events/?channel=room&es-meta=a;b", Rel: RelNext, Timeout: 90 * time.Second},
			{URI: "/gone", Rel: RelGone},
		},
		Status:        Status{Code: 203, Reason: "Partly"},
		ExposeHeaders: []string{"X-A", "X-B"},
	}
	h := http.Header{"Content-Type": {"text/event-stream"}, HeaderTimeout: {"1"}}
	if err := in.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	want := http.Header{
		"Content-Type":      {"text/event-stream"},
		HeaderHold:          {"stream"},
		HeaderChannel:       {"events-room; prev-id=7; filter=build-id; filter=skip-users; filter=require-sub, user-3"},
		HeaderKeepAlive:     {`event: keep-alive\ndata:\n\n; format=cstring; timeout=20`},
		HeaderSetMeta:       {`id_format="room:%(events-room)s", user="3"`},
		HeaderLink:          {"</events/?channel=room&es-meta=a%3Bb>; rel=next; timeout=90", "</gone>; rel=gone"},
		HeaderStatus:        {"203 Partly"},
		HeaderExposeHeaders: {"X-A, X-B"},
	}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("headers are\n%v, want\n%v", h, want)
	}
}

func TestInstructHeadersOfALongPoll(t *testing.T) {
	in := Instruct{
		Hold:     Hold{Mode: HoldResponse, Timeout: 24100 * time.Millisecond},
		Channels: []Channel{{Name: "a", PrevID: "1"}},
	}
	h := http.Header{}
	if err := in.WriteHeader(h); err != nil {
		t.Fatal(err)
	}
	want := http.Header{HeaderHold: {"response"}, HeaderTimeout: {"25"}, HeaderChannel: {"a; prev-id=1"}}
	if !reflect.DeepEqual(h, want) {
		t.Errorf("headers are %v, want %v", h, want)
	}
}

func TestZeroInstructWritesNothing(t *testing.T) {
	h := http.Header{HeaderHold: {"stream"}}
	if err := (Instruct{}).WriteHeader(h); err != nil || len(h) != 0 {
		t.Errorf("headers are %v, error %v", h, err)
	}
}

func TestInstructRefuses(t *testing.T) {
	stream, next := Hold{Mode: HoldStream}, []Link{{URI: "/n", Rel: RelNext}}
	channel := func(c Channel) Instruct { return Instruct{Hold: stream, Channels: []Channel{c}, Links: next} }
	for name, in := range map[string]Instruct{
		"unknown mode":              {Hold: Hold{Mode: "streams"}},
		"timeout of a stream":       {Hold: Hold{Mode: HoldStream, Timeout: time.Second}},
		"timeout without hold":      {Hold: Hold{Timeout: time.Second}},
		"negative timeout":          {Hold: Hold{Mode: HoldResponse, Timeout: -1}},
		"endless timeout":           {Hold: Hold{Mode: HoldResponse, Timeout: 1<<63 - 1}},
		"channels without hold":     {Channels: []Channel{{Name: "a"}}},
		"channel twice":             {Hold: stream, Channels: []Channel{{Name: "a"}, {Name: "b"}, {Name: "a"}}},
		"channel without name":      channel(Channel{}),
		"channel with comma":        channel(Channel{Name: "a, b"}),
		"channel with semicolon":    channel(Channel{Name: "a; filter=x"}),
		"channel with quote":        channel(Channel{Name: `a"b`}),
		"channel with newline":      channel(Channel{Name: "a\r\nX: y"}),
		"channel with NUL":          channel(Channel{Name: "a\x00"}),
		"channel with edge blank":   channel(Channel{Name: " a"}),
		"channel not UTF-8":         channel(Channel{Name: "\xff"}),
		"prev-id with semicolon":    channel(Channel{Name: "a", PrevID: "1; filter=x"}),
		"prev-id with newline":      channel(Channel{Name: "a", PrevID: "1\nX: y"}),
		"prev-id with edge blank":   channel(Channel{Name: "a", PrevID: "1 "}),
		"filter with comma":         channel(Channel{Name: "a", Filters: []string{"x, b"}}),
		"empty filter":              channel(Channel{Name: "a", Filters: []string{""}}),
		"six filters":               channel(Channel{Name: "a", Filters: []string{"a", "b", "c", "d", "e", "f"}}),
		"prev-id without next link": {Hold: stream, Channels: []Channel{{Name: "a", PrevID: "1"}}},
		"two next links":            {Links: append(next, next...)},
		"link of unknown relation":  {Links: []Link{{URI: "/n", Rel: "prev"}}},
		"link without URI":          {Links: []Link{{Rel: RelNext}}},
		"gone link with timeout":    {Links: []Link{{URI: "/n", Rel: RelGone, Timeout: 1}}},
		"keep-alive without hold":   {KeepAlive: KeepAlive{Data: []byte("x")}},
		"keep-alive of a long-poll": {Hold: Hold{Mode: HoldResponse}, KeepAlive: KeepAlive{Data: []byte("x")}},
		"keep-alive without data":   {Hold: stream, KeepAlive: KeepAlive{Timeout: time.Second}},
		"keep-alive of empty data":  {Hold: stream, KeepAlive: KeepAlive{Data: []byte{}}},
		"keep-alive mode":           {Hold: stream, KeepAlive: KeepAlive{Data: []byte("x"), Mode: "always"}},
		"keep-alive timeout":        {Hold: stream, KeepAlive: KeepAlive{Data: []byte("x"), Timeout: -time.Second}},
		"meta name":                 {Hold: stream, Meta: map[string]string{"a b": "x"}},
		"meta value with newline":   {Hold: stream, Meta: map[string]string{"a": "x\r\ny"}},
		"meta value not UTF-8":      {Hold: stream, Meta: map[string]string{"a": "\xff"}},
		"status code":               {Status: Status{Code: 99}},
		"status reason":             {Status: Status{Code: 200, Reason: "a\nb"}},
		"status reason alone":       {Status: Status{Reason: "OK"}},
		"exposed header":            {ExposeHeaders: []string{"A, B"}},
	} {
		h := http.Header{"X": {"y"}, HeaderHold: {"response"}}
		if err := in.WriteHeader(h); err == nil {
			t.Errorf("%s: wrote %v", name, h)
		} else if len(h) != 2 {
			t.Errorf("%s: the header became %v", name, h)
		}
	}
}

func TestInstructAsJSON(t *testing.T) {
	in := Instruct{
		Hold:     Hold{Mode: HoldResponse, Timeout: 30 * time.Second},
		Channels: []Channel{{Name: "a, b;\n\"c\""}, {Name: "d", PrevID: "1", Filters: []string{FilterSkipSelf}}},
		Meta:     map[string]string{"user": "7"},
		Links:    []Link{{URI: "/gone", Rel: RelGone}},
	}
	h := http.Header{"Content-Type": {"text/plain"}, HeaderHold: {"stream"}}
	body, err := in.WriteJSON(h, Response{Code: 404, Reason: "Gone", Headers: http.Header{"A": {"1"}}, Body: []byte("none")})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"hold":{"mode":"response","channels":[{"name":"a, b;\n\"c\""},` +
		`{"name":"d","prev-id":"1","filters":["skip-self"]}],"timeout":30,"meta":{"user":"7"}},` +
		`"response":{"code":404,"reason":"Gone","headers":[["A","1"]],"body":"none"}}`
	if string(body) != want {
		t.Errorf("wrote %s\nwant  %s", body, want)
	}
	if wantHeader := (http.Header{"Content-Type": {TypeInstruct}, HeaderLink: {"</gone>; rel=gone"}}); !reflect.DeepEqual(h, wantHeader) {
		t.Errorf("headers are %v, want %v", h, wantHeader)
	}
}

func TestInstructAsJSONPutsTheKeepAliveIntoItsHeader(t *testing.T) {
	in := Instruct{Hold: Hold{Mode: HoldStream}, KeepAlive: KeepAlive{Data: []byte("."), Mode: KeepAliveIdle}}
	h := http.Header{}
	body, err := in.WriteJSON(h, Response{})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"hold":{"mode":"stream","channels":[]},"response":{"code":200,"body":""}}`; string(body) != want {
		t.Errorf("wrote %s, want %s", body, want)
	}
	if want := (http.Header{"Content-Type": {TypeInstruct}, HeaderKeepAlive: {".; mode=idle"}}); !reflect.DeepEqual(h, want) {
		t.Errorf("headers are %v, want %v", h, want)
	}
}

func TestInstructWithoutHoldNamesWhatFiltersItsBody(t *testing.T) {
	in := Instruct{
		Channels: []Channel{{Name: "a", PrevID: "1", Filters: []string{FilterBuildID}}},
		Meta:     map[string]string{"user": "7"},
		Links:    []Link{{URI: "/n", Rel: RelNext}},
	}
	want := http.Header{
		HeaderChannel: {"a; prev-id=1; filter=build-id"}, HeaderSetMeta: {`user="7"`}, HeaderLink: {"</n>; rel=next"},
	}
	h := http.Header{}
	if err := in.WriteHeader(h); err != nil || !reflect.DeepEqual(h, want) {
		t.Errorf("headers are %v, %v, want %v", h, err, want)
	}
	h, want["Content-Type"] = http.Header{}, []string{TypeInstruct}
	body, err := in.WriteJSON(h, Response{})
	if err != nil || !reflect.DeepEqual(h, want) || string(body) != `{"response":{"code":200,"body":""}}` {
		t.Errorf("beside JSON %s headers are %v, %v, want %v", body, h, err, want)
	}
}

func TestInstructAsJSONRefuses(t *testing.T) {
	hold := Hold{Mode: HoldResponse}
	for name, c := range map[string]struct {
		in Instruct
		r  Response
	}{
		"status in two places":       {Instruct{Status: Status{Code: 404}}, Response{}},
		"response code":              {Instruct{}, Response{Code: 42}},
		"response header":            {Instruct{}, Response{Headers: http.Header{"A": {"x\r\n"}}}},
		"unnamed channel":            {Instruct{Hold: hold, Channels: []Channel{{}}}, Response{}},
		"position of a strange name": {Instruct{Hold: hold, Channels: []Channel{{Name: "a,b", PrevID: "1"}}}, Response{}},
		"meta name":                  {Instruct{Hold: hold, Meta: map[string]string{"": "x"}}, Response{}},
		"link":                       {Instruct{Links: []Link{{Rel: RelNext}}}, Response{}},
		"channels without hold":      {Instruct{Channels: []Channel{{Name: "a"}}}, Response{}},
	} {
		h := http.Header{"X": {"y"}}
		if body, err := c.in.WriteJSON(h, c.r); err == nil {
			t.Errorf("%s: wrote %s", name, body)
		} else if len(h) != 1 || body != nil {
			t.Errorf("%s: the header became %v", name, h)
		}
	}
}

func TestInstructJSONIsJSON(t *testing.T) {
	body, err := Instruct{}.WriteJSON(http.Header{}, Response{Body: []byte("\xff")})
	if err != nil || !json.Valid(body) || !strings.Contains(string(body), `"body-bin":"/w=="`) {
		t.Errorf("wrote %s, %v", body, err)
	}
}

func TestKeepAliveChoosesTheMostReadableFormat(t *testing.T) {
	for data, want := range map[string]string{
		".":          ".",
		": ping":     ": ping",
		":\n\n":      `:\n\n; format=cstring`,
		`a\b`:        `a\\b; format=cstring`,
		"a;b":        "YTti; format=base64",
		" a":         "IGE=; format=base64",
		"a\n ":       "YQog; format=base64",
		"\n":         `\n; format=cstring`,
		"\x00":       "AA==; format=base64",
		"\xff":       "/w==; format=base64",
		"\v":         "Cw==; format=base64",
		"Grüße, \"x": "Grüße, \"x",
	} {
		got, err := KeepAlive{Data: []byte(data)}.Header()
		if err != nil || got != want {
			t.Errorf("%q is written %q, %v, want %q", data, got, err, want)
		}
	}
	got, err := KeepAlive{Data: []byte("."), Timeout: 500 * time.Millisecond, Mode: KeepAliveInterval}.Header()
	if want := ".; timeout=1; mode=interval"; err != nil || got != want {
		t.Errorf("written %q, %v, want %q", got, err, want)
	}
}

func TestLinkEscapesWhatWouldEndIt(t *testing.T) {
	for uri, want := range map[string]string{
		"/a?b=c&d=%3B#e":    "</a?b=c&d=%3B#e>; rel=next",
		"/a;b,c":            "</a%3Bb%2Cc>; rel=next",
		`/"<>`:              "</%22%3C%3E>; rel=next",
		"/a b\r\nX: y":      "</a%20b%0D%0AX:%20y>; rel=next",
		"/ü\xff\x7f":        "</%C3%BC%FF%7F>; rel=next",
		"https://h:1/~x!*'": "<https://h:1/~x!*'>; rel=next",
	} {
		got, err := Link{URI: uri, Rel: RelNext}.Header()
		if err != nil || got != want {
			t.Errorf("%q is written %q, %v, want %q", uri, got, err, want)
		}
	}
}

func TestBuildIDEscape(t *testing.T) {
	for given, want := range map[string]string{"": "", "plain": "plain", "%": "%%", "100% %I%": "100%% %%I%%"} {
		if got := string(EscapeBuildID([]byte(given))); got != want {
			t.Errorf("%q became %q, want %q", given, got, want)
		}
		if got := string(AppendBuildID([]byte("x"), given)); got != "x"+want {
			t.Errorf("%q was appended as %q", given, got)
		}
	}
	plain := []byte("plain")
	if got := EscapeBuildID(plain); &got[0] != &plain[0] {
		t.Error("content without a percent sign was copied")
	}
	if got := IDFormatPosition(`a)b\c%(d`); got != `%(a\)b\\c%(d)s` {
		t.Errorf("position is %s", got)
	}
}
