package channels

import (
	"bytes"
	"strings"

	"github.com/griphub/griphub/grip"
)

// idLine is the line of an item's content in which the proxy writes each viewer's id. No other line of it begins like that: those
// of data begin with "data:", and names of events hold no line breaks.
const idLine = "id: %I\n"

// MergeStreams returns the content of one item that shows streams what several items of a channel show, one or more, which follow
// one another: a proxy takes as long to write one event to a viewer as many.
//
// Where the proxy writes the id, it is that of the last event, for all of them. So those before it take the channel back to their own
// numbers, in the form that Cursor describes: a viewer that is cut off in the middle comes back to where it was, and neither misses
// an event nor sees one twice. prefix is the deployment's GRIP prefix.
func MergeStreams(items []grip.Item, prefix string) []byte {
	size := 0
	for i := range items {
		size += len(items[i].HTTPStream.Content)
	}
	var back []byte // what stands before an event's own number
	if c, ok := FromGrip(strings.TrimPrefix(items[0].Channel, prefix)); ok {
		back = append(grip.AppendBuildID([]byte{','}, c.Escape()), ':')
	}
	content := make([]byte, 0, size+len(items)*(len(back)+len(items[0].ID)+1))
	for i := range items {
		one := items[i].HTTPStream.Content
		at := idAt(one)
		if at < 0 || back == nil || i == len(items)-1 {
			content = append(content, one...)
			continue
		}
		end := at + len(idLine) - len("\n")
		content = append(append(content, one[:end]...), back...)
		content = append(append(content, items[i].ID...), one[end:]...)
	}
	return content
}

// MergeBatches returns the content of one item that shows WebSockets of FormBatch what several items of a channel show, one or more:
// the messages of all of them in one array.
func MergeBatches(items []grip.Item) []byte {
	var messages [][]byte
	for i := range items {
		content := items[i].WSMessage.Content
		if one := content[len("[") : len(content)-len("]")]; len(one) > 0 {
			messages = append(messages, one)
		}
	}
	return AppendBatch(nil, messages...)
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
