package grip

import (
	"bytes"
	"strings"
)

// EscapeBuildID doubles each percent sign, so that content passes the filter
// build-id or var-subst as it is. Content that holds no percent sign is
// returned itself, not a copy.
//
// The filter's %I stands for the position of the receiving connection in items
// only. In the body of a response it makes the proxy end the stream.
func EscapeBuildID(content []byte) []byte {
	n := bytes.Count(content, []byte("%"))
	if n == 0 {
		return content
	}
	return AppendBuildID(make([]byte, 0, len(content)+n), content)
}

// AppendBuildID appends content as [EscapeBuildID] does.
func AppendBuildID[T string | []byte](dst []byte, content T) []byte {
	start := 0
	for i := range len(content) {
		if content[i] == '%' {
			dst = append(dst, content[start:i+1]...)
			dst = append(dst, '%')
			start = i + 1
		}
	}
	return append(dst, content[start:]...)
}

// IDFormatPosition is the part of a hold's id_format that stands for the
// position on a channel: %(name)s, with the name escaped. All channels that an
// id_format names need a PrevID, else the proxy closes the stream. Other text
// of an id_format is escaped by [AppendBuildID].
func IDFormatPosition(channel string) string {
	return "%(" + strings.NewReplacer(`\`, `\\`, `)`, `\)`).Replace(channel) + ")s"
}
