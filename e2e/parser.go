package e2e

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"
)

// An Event is what an EventSource dispatches.
type Event struct {
	// Type is "message" where the stream does not name one.
	Type string
	// Data has the lines of the event, without a line break at the end.
	Data string
	// ID is the event's lastEventId: its own, or that of the last event that had one.
	ID string
	// At is the time of arrival.
	At time.Time
}

// A Comment is a line that starts with a colon. Browsers ignore it.
type Comment struct {
	// Text is what follows the colon.
	Text string
	// At is the time of arrival.
	At time.Time
}

// A parser reads an event stream as the HTML Standard has it (section 9.2.6), and hands on what it finds.
type parser struct {
	event   func(Event)
	comment func(Comment)
	// retry gets the reconnection time.
	retry func(time.Duration)
	// lastID gets the last event ID string at the end of each block, also of one without data.
	lastID func(string)

	data          []byte
	eventType, id string
	// afterCR tells that the last line ended in CR, so that an LF belongs to it. It is looked at only when the next
	// byte is there: that may be much later, and the line is complete without it.
	afterCR bool
}

// read parses the stream to its end. What stands after the last blank line is no event.
func (p *parser) read(stream io.Reader) error {
	in := bufio.NewReader(stream)
	for first := true; ; first = false {
		line, err := p.readLine(in)
		if err != nil {
			return err
		}
		if first {
			line = strings.TrimPrefix(line, "\uFEFF")
		}
		p.line(strings.ToValidUTF8(line, "\uFFFD"))
	}
}

func (p *parser) readLine(in *bufio.Reader) (string, error) {
	var line []byte
	for {
		b, err := in.ReadByte()
		if err != nil {
			return "", err
		}
		skip := p.afterCR && b == '\n'
		p.afterCR = b == '\r'
		switch {
		case skip:
		case b == '\r' || b == '\n':
			return string(line), nil
		default:
			line = append(line, b)
		}
	}
}

func (p *parser) line(line string) {
	if line == "" {
		p.dispatch()
		return
	}
	name, value, _ := strings.Cut(line, ":")
	if name == "" {
		p.comment(Comment{Text: value, At: time.Now()})
		return
	}
	value = strings.TrimPrefix(value, " ")
	switch name {
	case "event":
		p.eventType = value
	case "data":
		p.data = append(append(p.data, value...), '\n')
	case "id":
		if !strings.ContainsRune(value, 0) {
			p.id = value
		}
	case "retry":
		if ms, err := strconv.ParseUint(value, 10, 31); err == nil {
			p.retry(time.Duration(ms) * time.Millisecond)
		}
	}
}

func (p *parser) dispatch() {
	p.lastID(p.id)
	if len(p.data) > 0 {
		e := Event{Type: p.eventType, Data: string(p.data[:len(p.data)-1]), ID: p.id, At: time.Now()}
		if e.Type == "" {
			e.Type = "message"
		}
		p.event(e)
	}
	p.data, p.eventType = p.data[:0], ""
}
