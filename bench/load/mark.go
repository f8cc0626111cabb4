package load

import (
	"bytes"
	"strconv"
	"time"
)

// A Mark identifies an event among those of its channel.
type Mark struct {
	// N counts the events of the channel: 1, 2, 3… 0 is an event that is not measured.
	N uint64
	// At is when the event was to be published, in nanoseconds since 1970. A publisher that is behind makes events late.
	At int64
}

// markName is the JSON member that holds the mark. Its text survives every form in which an event travels.
const markName = `"mark":"`

// markBytes bounds the text of a mark.
const markBytes = len(markName) + 2*len("18446744073709551615") + len(`."`)

// AppendJSON appends an object that holds the mark and is size bytes long, or as long as it needs to be.
func (m Mark) AppendJSON(dst []byte, size int) []byte {
	const filler = `","pad":"`
	start := len(dst)
	dst = append(append(dst, '{'), markName...)
	dst = strconv.AppendUint(dst, m.N, 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, m.At, 10)
	if missing := size - (len(dst) - start) - len(filler) - len(`"}`); missing > 0 {
		dst = append(append(dst, filler...), bytes.Repeat([]byte("x"), missing)...)
	}
	return append(dst, `"}`...)
}

// Now is the moment as a Mark holds it.
func Now() int64 { return time.Now().UnixNano() }

// A scanner finds marks in a text that comes in parts, whatever else the text is.
type scanner struct {
	// rest is the end of the parts so far, where a mark had begun there.
	rest []byte
}

// scan calls found with each mark that the next part completes.
func (s *scanner) scan(part []byte, found func(Mark)) {
	if len(s.rest) > 0 {
		part = append(s.rest, part...)
		s.rest = nil
	}
	for {
		i := bytes.Index(part, []byte(markName))
		if i < 0 {
			break
		}
		m, length := parseMark(part[i+len(markName):])
		if length == 0 && len(part)-i < markBytes {
			break
		}
		if length > 0 {
			found(m)
		}
		part = part[i+len(markName)+length:]
	}
	if i := begun(part); i >= 0 {
		s.rest = bytes.Clone(part[i:])
	}
}

// parseMark reads what follows a mark's name. length is 0 where no whole mark is there.
func parseMark(text []byte) (m Mark, length int) {
	end := bytes.IndexByte(text[:min(len(text), markBytes)], '"')
	if end < 0 {
		return m, 0
	}
	point := bytes.IndexByte(text[:end], '.')
	if point < 0 {
		return m, 0
	}
	n, ok := digits(text[:point])
	at, also := digits(text[point+1 : end])
	if !ok || !also {
		return m, 0
	}
	return Mark{n, int64(at)}, end + 1
}

func digits(text []byte) (n uint64, ok bool) {
	for _, b := range text {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + uint64(b-'0')
	}
	return n, len(text) > 0
}

// begun tells where in the text, which holds no whole mark, one may have begun; -1 for nowhere.
func begun(text []byte) int {
	start := max(0, len(text)-markBytes)
	for i := start; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		tail := text[i:]
		if n := min(len(tail), len(markName)); string(tail[:n]) == markName[:n] {
			return i
		}
	}
	return -1
}
