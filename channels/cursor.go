package channels

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Seq counts the events of one channel: 1, 2, 3… in the order in which they were committed. 0 is the
// place before a channel's first event. Numbers are never given twice, also not after trimming; where a
// Log cannot prove that it still holds everything it ever gave out, it jumps ahead (see Log), so
// numbers rise but need not be dense. They stay below 2^53, so that JavaScript can hold them.
type Seq int64

// MaxSeq bounds a Seq: the largest integer that a JavaScript number holds exactly.
const MaxSeq Seq = 1<<53 - 1

// A Position is a place in one channel: everything up to and including Seq has been seen.
type Position struct {
	Channel Channel
	Seq     Seq
}

// String returns the position as it stands in cursors: "name:12", the name percent-encoded.
func (p Position) String() string { return p.Channel.Escape() + ":" + p.Seq.String() }

// String returns the number in decimal.
func (s Seq) String() string { return strconv.FormatInt(int64(s), 10) }

// ParseSeq reads a decimal number from 0 to MaxSeq, without sign or blanks.
func ParseSeq(s string) (Seq, error) {
	n, err := strconv.ParseUint(s, 10, 53)
	if err != nil || len(s) > 16 {
		return 0, fmt.Errorf("sequence %q: not a whole number from 0 to %d", clip(s), int64(MaxSeq))
	}
	return Seq(n), nil
}

// A Cursor is where a viewer of several channels stands: one Position per channel, in the stream's
// order. It is the SSE id of the event streams, "a:3,b:7". The zero value stands nowhere.
type Cursor []Position

// Bounds of a cursor that ParseCursor reads.
const (
	// MaxCursorBytes bounds the text.
	MaxCursorBytes = 16 << 10
	// MaxCursorChannels bounds the channels; streams have far fewer.
	MaxCursorChannels = 256
)

var errCursor = errors.New("want name:number[,name:number…]")

// ParseCursor reads the text form. Channels may be internal: whether the reader may see them is decided
// where positions are used. It refuses empty text and a channel that is named twice, unless the later position is before the
// earlier one: that one counts.
func ParseCursor(s string) (Cursor, error) {
	if len(s) > MaxCursorBytes {
		return nil, fmt.Errorf("cursor: longer than %d bytes", MaxCursorBytes)
	}
	parts := strings.Split(s, ",")
	if len(parts) > MaxCursorChannels {
		return nil, fmt.Errorf("cursor: more than %d channels", MaxCursorChannels)
	}
	cursor := make(Cursor, 0, len(parts))
	for _, part := range parts {
		name, number, ok := strings.Cut(part, ":")
		if !ok {
			return nil, fmt.Errorf("cursor %q: %w", clip(s), errCursor)
		}
		channel, err := unescape(name)
		if err != nil {
			return nil, fmt.Errorf("cursor: %w", err)
		}
		seq, err := ParseSeq(number)
		if err != nil {
			return nil, fmt.Errorf("cursor: channel %q: %w", clip(name), err)
		}
		if before, twice := cursor.Find(channel); twice && seq >= before {
			return nil, fmt.Errorf("cursor: channel %q is named twice", clip(name))
		}
		cursor.Set(channel, seq)
	}
	return cursor, nil
}

// String returns the text form; the empty cursor is the empty string.
func (c Cursor) String() string { return string(c.Append(nil)) }

// Append appends the text form to dst.
func (c Cursor) Append(dst []byte) []byte {
	for i, p := range c {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, p.Channel.Escape()...)
		dst = append(dst, ':')
		dst = strconv.AppendInt(dst, int64(p.Seq), 10)
	}
	return dst
}

// Find returns the position in the channel, if the cursor has one.
func (c Cursor) Find(channel Channel) (Seq, bool) {
	for _, p := range c {
		if p.Channel == channel {
			return p.Seq, true
		}
	}
	return 0, false
}

// Set moves the position of the channel, or adds it at the end.
func (c *Cursor) Set(channel Channel, seq Seq) {
	for i, p := range *c {
		if p.Channel == channel {
			(*c)[i].Seq = seq
			return
		}
	}
	*c = append(*c, Position{channel, seq})
}
