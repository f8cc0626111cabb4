package web

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/griphub/griphub/channels"
)

// A Place is where something stands in a text that was read. Lines and columns count from 1, columns in bytes.
type Place struct{ Line, Column int }

// A PlaceError tells where in the text a mistake is: the byte at which it stops being JSON, otherwise the event's first.
type PlaceError struct {
	Place
	// Err is an *channels.InvalidError, or why the text could not be read.
	Err error
}

// Error returns "line {line}, column {column}: …".
func (e *PlaceError) Error() string {
	return fmt.Sprintf("line %d, column %d: %v", e.Line, e.Column, e.Err)
}

// Unwrap returns Err.
func (e *PlaceError) Unwrap() error { return e.Err }

// A DraftReader reads events from a JSON object, an array of objects, or objects one after the other (JSON lines).
type DraftReader struct {
	text *placedText
	in   *bufio.Reader
	now  func() time.Time
	// decoder begins at the byte start of the text; nil before the first byte that is no blank.
	decoder *json.Decoder
	start   int64
	inArray bool
	index   int
}

// NewDraftReader reads from r; now is the clock.
func NewDraftReader(r io.Reader, now func() time.Time) *DraftReader {
	text := &placedText{in: r, place: Place{1, 1}}
	return &DraftReader{text: text, in: bufio.NewReader(text), now: now}
}

// Next returns the next event, not yet validated in all its parts, or io.EOF after the last. Errors about what was read
// are *PlaceError inside *channels.DraftError; nothing can be read after an error.
func (r *DraftReader) Next() (channels.Draft, error) {
	draft, err := r.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return draft, &channels.DraftError{Index: r.index, Err: &PlaceError{r.text.place, err}}
	}
	r.index++
	return draft, err
}

// Place is where the event that Next has returned begins.
func (r *DraftReader) Place() Place { return r.text.place }

func (r *DraftReader) next() (channels.Draft, error) {
	if r.decoder == nil {
		if err := r.begin(); err != nil {
			return channels.Draft{}, err
		}
	}
	r.text.pass(r.offset())
	if r.inArray && !r.decoder.More() {
		return channels.Draft{}, r.end()
	}
	var form DraftForm
	if err := r.decoder.Decode(&form); err != nil {
		if errors.Is(err, io.EOF) && !r.inArray {
			return channels.Draft{}, io.EOF
		}
		return channels.Draft{}, r.malformed(err)
	}
	r.text.passBetween()
	return form.Draft(r.now())
}

// begin looks whether an array begins.
func (r *DraftReader) begin() error {
	for ; ; r.start++ {
		b, err := r.in.ReadByte()
		if err != nil {
			return err
		}
		if strings.IndexByte(" \t\r\n", b) >= 0 {
			continue
		}
		if err := r.in.UnreadByte(); err != nil {
			return err
		}
		r.decoder = json.NewDecoder(r.in)
		r.decoder.DisallowUnknownFields()
		if r.inArray = b == '['; r.inArray {
			_, err := r.decoder.Token()
			return err
		}
		return nil
	}
}

// end reads the array's bracket and sees that nothing follows.
func (r *DraftReader) end() error {
	if _, err := r.decoder.Token(); err != nil {
		return r.malformed(err)
	}
	if _, err := r.decoder.Token(); !errors.Is(err, io.EOF) {
		r.text.pass(r.offset())
		return &channels.InvalidError{Field: "body", Reason: "something follows the array"}
	}
	return io.EOF
}

// offset is how many bytes of the text the decoder has taken.
func (r *DraftReader) offset() int64 { return r.start + r.decoder.InputOffset() }

// malformed says in a publisher's words what encoding/json found, and goes to where it is.
func (r *DraftReader) malformed(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		r.text.pass(r.offset() + r.wrongByte(syntax))
		return &channels.InvalidError{Field: "body", Reason: "not JSON: " + syntax.Error()}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		r.text.passAll()
		return &channels.InvalidError{Field: "body", Reason: "the JSON is cut off"}
	}
	r.text.passBetween()
	unknown, isUnknown := strings.CutPrefix(err.Error(), "json: unknown field ")
	switch {
	case errors.As(err, &kind):
		return &channels.InvalidError{Field: cmp.Or(kind.Field, "body"), Reason: "want another type than " + kind.Value}
	case isUnknown:
		return &channels.InvalidError{Field: strings.Trim(unknown, `"`), Reason: "not a field of an event"}
	}
	return err
}

// wrongByte is how far behind what the decoder has taken the text stops being JSON. The decoder does not say it: the
// offsets in its errors do not count what stands between an array's elements. So the value is read once more by itself;
// where that finds another mistake, the decoder's was the value's first byte.
func (r *DraftReader) wrongByte(found *json.SyntaxError) int64 {
	rest, err := io.ReadAll(r.decoder.Buffered())
	var value any
	var again *json.SyntaxError
	if err == nil && errors.As(json.Unmarshal(rest, &value), &again) && again.Error() == found.Error() {
		return max(again.Offset-1, 0)
	}
	return 0
}

// A placedText is a text of which a part is passed, and the place where the rest begins.
type placedText struct {
	in io.Reader
	// rest is what was read and is not passed; it begins at the offset and the place.
	rest   []byte
	offset int64
	place  Place
}

// Read reads on, and keeps what it reads until it is passed.
func (t *placedText) Read(p []byte) (int, error) {
	n, err := t.in.Read(p)
	t.rest = append(t.rest, p[:n]...)
	return n, err
}

// pass goes to the offset.
func (t *placedText) pass(offset int64) {
	n := min(int(offset-t.offset), len(t.rest))
	passed := t.rest[:n]
	if lines := bytes.Count(passed, []byte{'\n'}); lines > 0 {
		t.place = Place{t.place.Line + lines, n - bytes.LastIndexByte(passed, '\n')}
	} else {
		t.place.Column += n
	}
	t.offset += int64(n)
	t.rest = t.rest[:copy(t.rest, t.rest[n:])]
}

// passBetween goes over what may stand between two events.
func (t *placedText) passBetween() {
	t.pass(t.offset + int64(len(t.rest)-len(bytes.TrimLeft(t.rest, " \t\r\n,"))))
}

func (t *placedText) passAll() { t.pass(t.offset + int64(len(t.rest))) }
