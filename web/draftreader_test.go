package web_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/web"
)

func TestMistakesHaveAPlaceInTheText(t *testing.T) {
	ok := `{"channel":"a"}`
	for text, want := range map[string]web.Place{
		`nonsense`:                         {1, 2}, // "n" could begin null
		`{"channel":"a"`:                   {1, 15},
		"{\n}":                             {1, 1},
		"\n\n  {}":                         {3, 3},
		`{"channel":"a",}`:                 {1, 16},
		"{\"channel\":\"a\"\n{}":           {2, 1},
		ok + "\n" + ok + "\n{\"x\":1}":     {3, 1},
		ok + "\r\n\r\n  {\"data\" 1}":      {3, 11},
		ok + ok + `{"channel":7}`:          {1, 31},
		`[` + ok + `,` + ok + ` nonsense]`: {1, 34},
		"[\n" + ok + ",\n" + ok + "\n,\n  {\"data\":tru}]": {5, 14},
		"[\n" + ok + ",\n,":        {3, 1},
		"[" + ok + "]\n x":         {2, 2},
		"[\n  {},":                 {2, 3},
		"[\n  " + ok + "\n  " + ok: {3, 3},
		"[" + strings.Repeat(ok+",\n", 5000) + "{\"a\":\"\x01\"}]": {5001, 7},
		strings.Repeat(" \n", 9000) + ok + ok + "\n{]":             {9002, 2},
	} {
		for _, in := range []io.Reader{strings.NewReader(text), iotest.OneByteReader(strings.NewReader(text))} {
			_, err := readAll(in)
			var placed *web.PlaceError
			if !errors.As(err, &placed) || placed.Place != want {
				t.Errorf("%.60q: %v, want %v", text, err, want)
			}
		}
	}
}

func TestEventsHaveAPlaceInTheText(t *testing.T) {
	r := web.NewDraftReader(strings.NewReader("[ {\"channel\":\"a\"} ,\n\n {\n\"channel\":\"b\"\n},{\"channel\":\"c\"}]"), time.Now)
	for _, want := range []web.Place{{1, 3}, {3, 2}, {5, 3}} {
		if _, err := r.Next(); err != nil || r.Place() != want {
			t.Errorf("at %v, want %v, %v", r.Place(), want, err)
		}
	}
}

func TestWhatTheLogRefusesHasItsPlaceToo(t *testing.T) {
	h := openHub(t)
	w := h.postEvents("{\"channel\":\"a\"}\n{\"channel\":\"a\",\"event\":\"keep-alive\"}\n")
	p := wantProblem(t, w, 422)
	if p.Error.At != "[1].event" || p.Error.Line != 2 || p.Error.Column != 1 {
		t.Errorf("the place is %+v", p.Error)
	}
	if p := wantProblem(t, h.postEvents("{\"channel\":\"a\",\n\"data\":[1,}"), 400); p.Error.Line != 2 || p.Error.Column != 11 {
		t.Errorf("the place is %+v", p.Error)
	}
}

func TestDataIsNestedWithinReason(t *testing.T) {
	h := openHub(t)
	nested := func(levels int) string { return strings.Repeat(`[`, levels) + strings.Repeat(`]`, levels) }
	readPublished(t, h.postEvents(`{"channel":"a","data":`+nested(channels.MaxDepth)+`,"private_data":`+nested(channels.MaxDepth)+`}`))
	readPublished(t, h.postEvents(`{"channel":"a","data":"`+strings.Repeat(`[\"{`, 1000)+`"}`))
	for body, at := range map[string]string{
		`{"channel":"a","data":` + nested(channels.MaxDepth+1) + `}`:                                                                       "[0].data",
		`{"channel":"a","private_data":{"a":` + nested(channels.MaxDepth) + `}}`:                                                           "[0].private_data",
		`{"channel":"a","data":{"\\":` + strings.Repeat(`{"a":`, channels.MaxDepth) + `1` + strings.Repeat(`}`, channels.MaxDepth+1) + `}`: "[0].data",
	} {
		if p := wantProblem(t, h.postEvents(body), 422); p.Error.At != at {
			t.Errorf("%.40s: %+v", body, p.Error)
		}
	}
	if p := wantProblem(t, h.postEvents(`{"channel":"a","data":`+nested(100_000)+`}`), 400); p.Error.Code != "bad-request" {
		t.Errorf("%+v", p.Error)
	}
}
