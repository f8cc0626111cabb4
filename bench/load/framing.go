package load

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// A framing takes what a server sends after its response header apart.
type framing interface {
	// next hands the content in the next part of the connection's bytes to content. The slices are of use until it returns.
	next(part []byte, content func([]byte)) error
}

// plain is a body that ends with its connection.
type plain struct{}

func (plain) next(part []byte, content func([]byte)) error {
	content(part)
	return nil
}

// errEnded tells that the server has ended the stream in order.
var errEnded = errors.New("the server has ended the stream")

// maxLine bounds the lines of a chunked body's framing.
const maxLine = 256

// chunked is a body in chunks (RFC 9112, section 7.1).
type chunked struct {
	line []byte // of the framing, as far as it has come
	left int    // bytes of the chunk that are still to come
	tail bool   // the line that is awaited is the empty one after a chunk
}

func (c *chunked) next(part []byte, content func([]byte)) error {
	for len(part) > 0 {
		if c.left > 0 {
			n := min(c.left, len(part))
			content(part[:n])
			part, c.left = part[n:], c.left-n
			c.tail = c.left == 0
			continue
		}
		end := bytes.IndexByte(part, '\n')
		if end < 0 {
			end = len(part) - 1
		}
		c.line = append(c.line, part[:end+1]...)
		part = part[end+1:]
		if len(c.line) > maxLine {
			return errors.New("chunked body: a line is too long")
		}
		if c.line[len(c.line)-1] != '\n' {
			return nil
		}
		if err := c.endLine(); err != nil {
			return err
		}
	}
	return nil
}

// endLine reads the line that has come to its end.
func (c *chunked) endLine() error {
	line := string(bytes.TrimSpace(c.line))
	c.line = c.line[:0]
	if c.tail {
		c.tail = false
		if line != "" {
			return fmt.Errorf("chunked body: %q after a chunk", line)
		}
		return nil
	}
	n, err := strconv.ParseUint(line, 16, 31)
	if err != nil {
		return fmt.Errorf("chunked body: size %q", line)
	}
	if n == 0 {
		return errEnded
	}
	c.left = int(n)
	return nil
}

// frames are a WebSocket's, from a server: without masks (RFC 6455, section 5.2).
type frames struct {
	header []byte // of the next frame, as far as it has come
	left   uint64 // bytes of the frame that are still to come
	opcode byte
}

const (
	opClose   = 8
	opControl = 8 // this bit is set in the opcodes of control frames
)

func (f *frames) next(part []byte, content func([]byte)) error {
	for len(part) > 0 {
		if f.left > 0 {
			n := min(f.left, uint64(len(part)))
			if f.opcode&opControl == 0 {
				content(part[:n])
			}
			part, f.left = part[n:], f.left-n
			continue
		}
		f.header, part = append(f.header, part[0]), part[1:]
		if err := f.endHeader(); err != nil {
			return err
		}
	}
	return nil
}

// endHeader reads the header if all of it has come.
func (f *frames) endHeader() error {
	const masked, length16, length64 = 0x80, 126, 127
	h := f.header
	if len(h) < 2 {
		return nil
	}
	if h[1]&masked != 0 {
		return errors.New("a frame of the server is masked")
	}
	length, extra := uint64(h[1]), h[2:]
	switch {
	case length == length16 && len(extra) < 2, length == length64 && len(extra) < 8:
		return nil
	case length == length16:
		length = uint64(binary.BigEndian.Uint16(extra))
	case length == length64:
		length = binary.BigEndian.Uint64(extra)
	}
	f.opcode, f.left, f.header = h[0]&0x0f, length, h[:0]
	if f.opcode == opClose {
		return errEnded
	}
	return nil
}
