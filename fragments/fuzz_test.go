package fragments_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// FuzzADeviceStaysInItsPlace: whatever a device is called and says, the message has the templates' tags and no others.
func FuzzADeviceStaysInItsPlace(f *testing.F) {
	f.Add("p1", "25.3")
	f.Add(`'"<],*\`, `</hx-partial><script>alert(1)</script>`)
	f.Add("a\nb", "\r\n\nid: 5\ndata: x")
	tag := regexp.MustCompile(`<[^>]*>?`)
	f.Fuzz(func(t *testing.T, id, value string) {
		s := open(t, "pump/a.html", `<b title="{{.Data.v}}">{{.Data.v}}</b>`)
		data, err := json.Marshal(map[string]string{"v": value})
		if err != nil || !utf8.ValidString(id) {
			return
		}
		d, err := devices.Broadcast(channels.DeviceRef{Type: "pump", ID: id}, "data", data, noon)
		if err != nil {
			return
		}
		e := &channels.Event{Draft: d, Positions: []channels.Position{{Channel: "iot_pump", Seq: 1}}}
		for _, form := range channels.HTMLForms() {
			text := s.sse(form, e)
			var tags []string
			for _, found := range tag.FindAllString(text, -1) {
				tags = append(tags, strings.Fields(strings.Trim(found, "<>"))[0])
			}
			want := map[channels.Form]string{channels.FormHTML2: "b /b", channels.FormHTML4: "hx-partial b /b /hx-partial"}[form]
			if strings.Join(tags, " ") != want || strings.Count(text, "\nid: ")+strings.Count(text[:4], "id: ") != 1 {
				t.Errorf("as %s: %q", form, text)
			}
		}
	})
}
