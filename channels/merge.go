package channels

import (
	"bytes"
	"strings"

	"github.com/griphub/griphub/grip"
)

// idLine is the line of an item's content in which the proxy writes each viewer's id. No other line of it begins like that: those
// of data begin with "data:", and names of events hold no line breaks.
const idLine = "id: %I\n"

// MergeStreams returns the content of one item that shows streams what several items of a channel show, which follow one another: a
// proxy takes as long to write one event to a viewer as many.
//
// The id that the proxy writes is that of the last event, for all of them. So those before it take the channel back to their own
// numbers, in the form that Cursor describes: a viewer that is cut off in the middle comes back to where it was, and neither misses
// an event nor sees one twice. prefix is the deployment's GRIP prefix.
func MergeStreams(items []grip.Item, prefix string) []byte {
	var content []byte
	for i := range items {
		item := &items[i]
		one := item.HTTPStream.Content
		at := idAt(one)
		if at < 0 || i == len(items)-1 {
			content = append(content, one...)
			continue
		}
		end := at + len(idLine) - 1
		content = append(content, one[:end]...)
		if name, ok := FromGrip(strings.TrimPrefix(item.Channel, prefix)); ok {
			content = append(content, ',')
			content = grip.AppendBuildID(content, name.Escape())
			content = append(append(content, ':'), item.ID...)
		}
		content = append(content, one[end:]...)
	}
	return content
}

// idAt is where the id's line begins; -1 where there is none.
func idAt(content []byte) int {
	if bytes.HasPrefix(content, []byte(idLine)) {
		return 0
	}
	if at := bytes.Index(content, []byte("\n"+idLine)); at >= 0 {
		return at + 1
	}
	return -1
}
