package e2e

import (
	"strings"
	"testing"
)

func TestARecordTellsWhatAViewerShouldNotHaveSeen(t *testing.T) {
	open := Event{Type: "stream-open", ID: "a:3,b:7"}
	event := func(id string) Event { return Event{Type: "message", ID: id} }
	for name, c := range map[string]struct {
		events  []Event
		problem string
	}{
		"all is well":                {[]Event{open, event("a:4,b:7"), {Type: "keep-alive", ID: "a:4,b:7"}, event("a:4,b:8")}, ""},
		"well again after a cut":     {[]Event{open, event("a:4,b:7"), {Type: "stream-open", ID: "a:4,b:7"}, event("a:5,b:7")}, ""},
		"an event twice":             {[]Event{open, event("a:4,b:7"), event("a:4,b:7")}, "moves no channel"},
		"two steps at once":          {[]Event{open, event("a:4,b:8")}, "moves two channels"},
		"opened again elsewhere":     {[]Event{open, event("a:4,b:7"), {Type: "stream-open", ID: "a:6,b:7"}}, "left a at 4 and opened again at 6"},
		"a channel nobody asked for": {[]Event{open, event("a:3,b:7,c:1")}, "did not open c"},
		"no id":                      {[]Event{open, event("")}, "not name:number"},
		"history lost":               {[]Event{open, {Type: "stream-reset"}}, "stream-reset"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := strings.Join(RecordStream(c.events).problems, "; ")
			if (c.problem == "") != (problems == "") || !strings.Contains(problems, c.problem) {
				t.Errorf("problems %q, want %q", problems, c.problem)
			}
		})
	}
}

func TestARecordOfMessagesTellsGaps(t *testing.T) {
	r := RecordMessages([]string{`{"event":"pong"}`, `{"event":"data","id":"a:4","prev":"a:3"}`, `{"event":"data","id":"a:6","prev":"a:5"}`})
	if len(r.problems) != 1 || !strings.Contains(r.problems[0], "a:6 came after a:4") {
		t.Errorf("problems %q", r.problems)
	}
}
