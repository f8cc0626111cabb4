// Package fanout joins package grip to the fanout libraries, go-pubcontrol
// v1.3.0 and go-gripcontrol v1.2.0: an application that builds their items can
// publish them through grip, and items of grip can be published through their
// clients.
//
// Only their data types are used. Their parsers, signature check and encoders
// have defects that grip does not repeat; the tests of this package name them.
package fanout

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/fanout/go-gripcontrol"
	"github.com/fanout/go-pubcontrol"
	"github.com/griphub/griphub/grip"
)

const wsMessage = "ws-message"

// FromFormats makes an item of formats: those of go-gripcontrol, and any other
// whose Export is a GRIP format as a control port takes it.
func FromFormats(channel, id, prevID string, formats ...pubcontrol.Formatter) (grip.Item, error) {
	raw := slices.ContainsFunc(formats, func(f pubcontrol.Formatter) bool {
		_, ok := f.(*gripcontrol.WebSocketMessageFormat)
		return ok
	})
	return fromItem(channel, pubcontrol.NewItem(formats, id, prevID), raw)
}

// FromItem makes an item of a pubcontrol.Item. Such an item does not give out
// its formats, only what they export, so the content-bin of a ws-message is
// taken for the bytes themselves, which is what go-gripcontrol puts there. Use
// [FromFormats] where a format of your own puts base64.
func FromItem(channel string, item *pubcontrol.Item) (grip.Item, error) {
	return fromItem(channel, item, true)
}

func fromItem(channel string, item *pubcontrol.Item, rawBinary bool) (grip.Item, error) {
	exported, err := export(item)
	if err != nil {
		return grip.Item{}, fmt.Errorf("fanout item: %w", err)
	}
	exported["channel"] = channel
	if message, ok := exported[wsMessage].(map[string]any); ok {
		exported[wsMessage] = repairMessage(message, rawBinary)
	}
	body, err := json.Marshal(map[string]any{"items": []any{exported}})
	if err != nil {
		return grip.Item{}, fmt.Errorf("fanout item: %w", err)
	}
	items, err := grip.ParseItems(body)
	if err != nil {
		return grip.Item{}, fmt.Errorf("fanout item: %w", err)
	}
	return items[0], nil
}

// export is Item.Export without its panics, which nil items and formats cause.
func export(item *pubcontrol.Item) (exported map[string]any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("export: %v", r)
		}
	}()
	return item.Export()
}

// repairMessage encodes what go-gripcontrol exports as bare bytes.
func repairMessage(message map[string]any, rawBinary bool) map[string]any {
	message = maps.Clone(message)
	encode := func(content string) {
		delete(message, "content")
		message["content-bin"] = base64.StdEncoding.EncodeToString([]byte(content))
	}
	if content, ok := message["content-bin"].(string); ok && rawBinary {
		encode(content)
	} else if content, ok := message["content"].(string); ok && !utf8.ValidString(content) {
		encode(content)
	}
	return message
}

// ToItem makes a pubcontrol.Item, to be published on it.Channel, which such an
// item does not hold. What it has no field for (meta, no-seq, size) is carried
// as further formats, because it exports formats beside its own fields, which
// is where control ports look for the three.
func ToItem(it grip.Item) (*pubcontrol.Item, error) {
	wire, err := it.AppendJSON(nil)
	if err != nil {
		return nil, fmt.Errorf("fanout item: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(wire, &fields); err != nil {
		return nil, fmt.Errorf("fanout item: %w", err)
	}
	formats, ok := fields["formats"].(map[string]any)
	if !ok {
		return nil, errors.New("fanout item: no formats")
	}
	if message, ok := formats[wsMessage].(map[string]any); ok && message["content-bin"] != nil {
		message["content-bin"] = it.WSMessage.Content // bytes, which json.Marshal encodes, and FromItem can tell
	}
	for _, name := range []string{"meta", "no-seq", "size"} {
		if value, ok := fields[name]; ok {
			formats[name] = value
		}
	}
	var formatters []pubcontrol.Formatter
	for _, name := range slices.Sorted(maps.Keys(formats)) {
		formatters = append(formatters, format{name, formats[name]})
	}
	return pubcontrol.NewItem(formatters, it.ID, it.PrevID), nil
}

// format is a pubcontrol.Formatter with its export ready.
type format struct {
	name  string
	value any
}

func (f format) Name() string { return f.name }
func (f format) Export() any  { return f.value }
