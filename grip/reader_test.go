package grip

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// The proxy's side of the headers, for properties: it reads as Pushpin does,
// quirks included.

// readList splits a header at the commas that are outside of quotes.
func readList(header string) []string {
	var list []string
	start, quoted := 0, false
	for i := 0; i < len(header); i++ {
		switch c := header[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			list = append(list, trimBlanks(header[start:i]))
			start = i + 1
		}
	}
	return append(list, trimBlanks(header[start:]))
}

// readParam is one name=value after a semicolon.
type readParam struct{ name, value string }

// readElement cuts at semicolons, whether quoted or not.
func readElement(element string) (first string, params []readParam) {
	parts := strings.Split(element, ";")
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(part, "=")
		params = append(params, readParam{trimBlanks(name), trimBlanks(value)})
	}
	return trimBlanks(parts[0]), params
}

func readChannels(header string) []Channel {
	var channels []Channel
	for _, element := range readList(header) {
		name, params := readElement(element)
		c := Channel{Name: name}
		for _, p := range params {
			switch p.name {
			case "prev-id":
				c.PrevID = p.value
			case "filter":
				c.Filters = append(c.Filters, p.value)
			}
		}
		channels = append(channels, c)
	}
	return channels
}

// readMeta reads name="value" elements; ok is false where they are not that.
func readMeta(header string) (meta map[string]string, ok bool) {
	meta = make(map[string]string)
	for _, element := range readList(header) {
		name, quoted, found := strings.Cut(element, `="`)
		if !found {
			return nil, false
		}
		var value strings.Builder
		i := 0
		for ; i < len(quoted) && quoted[i] != '"'; i++ {
			if quoted[i] == '\\' {
				i++
			}
			value.WriteByte(quoted[i])
		}
		if i != len(quoted)-1 {
			return nil, false
		}
		meta[name] = value.String()
	}
	return meta, true
}

// readKeepAlive returns the data that would be sent.
func readKeepAlive(header string) (data string, ok bool) {
	data, params := readElement(header)
	format := "raw"
	for _, p := range params {
		if p.name == "format" {
			format = p.value
		}
	}
	switch format {
	case "raw":
		return data, data != ""
	case "base64":
		b, err := base64.StdEncoding.DecodeString(data)
		return string(b), err == nil
	case "cstring":
		return readCString(data)
	}
	return "", false
}

func readCString(s string) (string, bool) {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			return "", false
		}
		switch s[i] {
		case '\\':
			out.WriteByte('\\')
		case 'r':
			out.WriteByte('\r')
		case 'n':
			out.WriteByte('\n')
		case 'x':
			if i+2 >= len(s) {
				return "", false
			}
			n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			out.WriteByte(byte(n))
			i += 2
		}
	}
	return out.String(), true
}
