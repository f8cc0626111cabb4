package devices

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Bounds of a payload. What is beyond them is refused.
const (
	maxDepth  = 32
	maxFields = 256
)

// A field is one member of a JSON object. Its literals are those of the payload, so that 25.30 stays
// 25.30, without white space around and inside them.
type field struct {
	name    string // decoded
	literal []byte // the name as it was written, with its quotes
	value   []byte
}

// parseObject reads one JSON object (RFC 8259) and nothing after it, in a single pass. Fields keep their
// order; of a name that stands twice the last value wins, at the place of the first, as it does in the
// readers of Python and JavaScript. The fields share one copy of the payload.
func parseObject(payload []byte) ([]field, error) {
	s := scanner{in: payload}
	switch {
	case len(bytes.TrimSpace(payload)) == 0:
		return nil, errors.New("the payload is empty")
	case !utf8.Valid(payload):
		return nil, errors.New("the payload is not UTF-8")
	}
	s.out = make([]byte, 0, len(payload))
	s.space()
	if s.peek() != '{' {
		return nil, errors.New("the payload is not a JSON object")
	}
	fields, err := s.fields(1)
	if err != nil {
		return nil, err
	}
	if s.space(); s.at < len(s.in) {
		return nil, s.unexpected()
	}
	return fields, nil
}

// parseArray splits a literal that a scanner has validated into its elements, or tells that it is no array.
func parseArray(literal []byte) (elements [][]byte, ok bool) {
	s := scanner{in: literal, out: make([]byte, 0, len(literal))}
	if s.peek() != '[' {
		return nil, false
	}
	for s.at++; s.peek() != ']'; {
		if s.peek() == ',' {
			s.at++
		}
		start := len(s.out)
		if err := s.value(1); err != nil {
			return nil, false
		}
		elements = append(elements, s.out[start:])
	}
	return elements, true
}

// unquote decodes a string literal that a scanner has validated. ok is false for other literals.
func unquote(literal []byte) (text string, ok bool) {
	if len(literal) < 2 || literal[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(literal, '\\') < 0 {
		return string(literal[1 : len(literal)-1]), true
	}
	err := json.Unmarshal(literal, &text)
	return text, err == nil
}

// appendQuoted appends text as a JSON string. Beyond what JSON demands nothing is escaped.
func appendQuoted(dst []byte, text string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// scanner validates JSON and copies it to out without white space. out never outgrows in, so that slices
// of it stay where they are.
type scanner struct {
	in  []byte
	at  int
	out []byte
}

// peek returns the next byte, 0 at the end: no JSON token starts with it.
func (s *scanner) peek() byte {
	if s.at < len(s.in) {
		return s.in[s.at]
	}
	return 0
}

func (s *scanner) space() {
	for s.at < len(s.in) {
		switch s.in[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) unexpected() error {
	if s.at >= len(s.in) {
		return errors.New("the payload is not JSON: it ends too early")
	}
	r, _ := utf8.DecodeRune(s.in[s.at:])
	return fmt.Errorf("the payload is not JSON: unexpected %q at byte %d", r, s.at+1)
}

// take copies the next byte if it is c.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.out = append(s.out, c)
	s.at++
	return true
}

// fields reads an object member by member. It stands on the "{".
func (s *scanner) fields(depth int) ([]field, error) {
	fields := make([]field, 0, 8)
	err := s.members(depth, func(literal, value []byte) error {
		name, _ := unquote(literal)
		for i := range fields {
			if fields[i].name == name {
				fields[i].value = value
				return nil
			}
		}
		if len(fields) == maxFields {
			return fmt.Errorf("the payload has more than %d fields", maxFields)
		}
		fields = append(fields, field{name, literal, value})
		return nil
	})
	return fields, err
}

// members reads an object and hands each member's literals to each.
func (s *scanner) members(depth int, each func(name, value []byte) error) error {
	if !s.take('{') {
		return s.unexpected()
	}
	if s.space(); s.take('}') {
		return nil
	}
	for {
		s.space()
		start := len(s.out)
		if err := s.text(); err != nil {
			return err
		}
		name := s.out[start:len(s.out):len(s.out)]
		if s.space(); !s.take(':') {
			return s.unexpected()
		}
		start = len(s.out)
		if err := s.value(depth); err != nil {
			return err
		}
		if err := each(name, s.out[start:len(s.out):len(s.out)]); err != nil {
			return err
		}
		if s.space(); s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.unexpected()
		}
	}
}

func (s *scanner) value(depth int) error {
	s.space()
	switch c := s.peek(); {
	case c == '"':
		return s.text()
	case c == '{' || c == '[':
		if depth == maxDepth {
			return fmt.Errorf("the payload is nested deeper than %d levels", maxDepth)
		}
		if c == '{' {
			return s.members(depth+1, func(_, _ []byte) error { return nil })
		}
		return s.elements(depth + 1)
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.unexpected()
}

func (s *scanner) elements(depth int) error {
	s.take('[')
	if s.space(); s.take(']') {
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		if s.space(); s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.unexpected()
		}
	}
}

func (s *scanner) word(word string) error {
	for i := range len(word) {
		if !s.take(word[i]) {
			return s.unexpected()
		}
	}
	return nil
}

// text copies a string. Its bytes are known to be UTF-8.
func (s *scanner) text() error {
	if s.peek() != '"' {
		return s.unexpected()
	}
	start := s.at
	for s.at++; s.at < len(s.in); s.at++ {
		switch c := s.in[s.at]; {
		case c == '"':
			s.at++
			s.out = append(s.out, s.in[start:s.at]...)
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.unexpected()
		}
	}
	return s.unexpected()
}

// escape moves from a backslash to the last byte of its escape.
func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return nil
	case 'u':
		for range 4 {
			s.at++
			c := s.peek()
			if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F') {
				return s.unexpected()
			}
		}
		return nil
	}
	return s.unexpected()
}

func (s *scanner) number() error {
	s.take('-')
	if !s.take('0') {
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.take('.') {
		if err := s.digits(); err != nil {
			return err
		}
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		return s.digits()
	}
	return nil
}

// digits copies one digit or more.
func (s *scanner) digits() error {
	start := s.at
	for s.at < len(s.in) && '0' <= s.in[s.at] && s.in[s.at] <= '9' {
		s.at++
	}
	if s.at == start {
		return s.unexpected()
	}
	s.out = append(s.out, s.in[start:s.at]...)
	return nil
}
