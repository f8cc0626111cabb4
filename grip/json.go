package grip

import (
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"
)

// The JSON that GRIP needs is written by hand: items are encoded once per
// event on the hot path, where reflection and maps would dominate.

// appendJSONString appends s as a JSON string; s must be UTF-8.
func appendJSONString[T string | []byte](dst []byte, s T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		start = i + 1
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// appendContent appends "name":"…", or "name-bin":"…" in base64 for content
// that is not UTF-8 and so cannot be a JSON string.
func appendContent(dst []byte, name string, content []byte) []byte {
	if !utf8.Valid(content) {
		return appendBase64(dst, name+"-bin", content)
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":`...)
	return appendJSONString(dst, content)
}

func appendBase64(dst []byte, name string, content []byte) []byte {
	dst = append(dst, '"')
	dst = append(dst, name...)
	dst = append(dst, `":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, content)
	return append(dst, '"')
}

func appendStringList(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, s)
	}
	return append(dst, ']')
}

// appendStringMap appends m with its keys in order, so that equal items have
// equal bytes.
func appendStringMap(dst []byte, m map[string]string) []byte {
	// Few items have more than a handful of meta values; these stay on the stack.
	var few [8]string
	keys := slices.AppendSeq(few[:0], maps.Keys(m))
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, key := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendJSONString(dst, key)
		dst = append(dst, ':')
		dst = appendJSONString(dst, m[key])
	}
	return append(dst, '}')
}

// appendHeaders appends a list of pairs, the form that can repeat a name.
func appendHeaders(dst []byte, h http.Header) []byte {
	dst = append(dst, '[')
	start := len(dst)
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			dst = appendComma(dst, start)
			dst = appendStringList(dst, []string{name, value})
		}
	}
	return append(dst, ']')
}

// appendComma appends a comma unless nothing follows start yet.
func appendComma(dst []byte, start int) []byte {
	if len(dst) > start {
		dst = append(dst, ',')
	}
	return dst
}
