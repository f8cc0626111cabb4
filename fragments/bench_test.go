package fragments_test

import (
	"encoding/json"
	"testing"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/fragments"
)

func BenchmarkItems(b *testing.B) {
	dir := b.TempDir()
	write(b, dir, "pump/temperature.html", `{{if has .Data "temperature"}}<b>{{number .Data.temperature 1}} °C</b>{{end}}`,
		"pump/card.html", `{{stat . "temperature" "°C"}}{{chart . "temperature"}}<p>{{.Status}} {{time .Time}}</p>`)
	l, err := fragments.Open(dir, fragments.Options{})
	if err != nil {
		b.Fatal(err)
	}
	e := event(b, "pump", "p1", "data", `{"temperature":25.3,"humidity":80.1}`)
	e.Private = json.RawMessage(`{"state":{"status":"online","values":{"temperature":25.3,"humidity":80.1}}}`)
	b.ReportAllocs()
	for b.Loop() {
		if items := l.AppendItems(nil, e, "", anybody); len(items) != 2*len(channels.HTMLForms()) {
			b.Fatal(len(items))
		}
	}
}
