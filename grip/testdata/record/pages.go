package main

import (
	"time"

	"github.com/griphub/griphub/grip"
)

// recordPages shows how bodies are filtered when a stream begins with pages
// that are not held, as it does where there is much to replay.
func (r *recorder) recordPages() error {
	for _, c := range []struct{ name, body string }{
		{"escaped percent", "100%% sure\n"},
		{"given position", "id=%(a:1)I\n"},
		{"position of the hold", "id=%I\n"},
	} {
		path := r.scenePath()
		in := grip.Instruct{
			Channels: []grip.Channel{{Name: "ch" + path, PrevID: "1", Filters: []string{grip.FilterBuildID}}},
			Meta:     map[string]string{grip.MetaIDFormat: "a:" + grip.IDFormatPosition("ch"+path)},
			Links:    []grip.Link{{URI: path + "/next", Rel: grip.RelNext}},
		}
		r.backend.on(path, hold(in, "1 "+c.body))
		in.Links = []grip.Link{{URI: path + "/last", Rel: grip.RelNext}}
		r.backend.on(path+"/next", hold(in, "2 "+c.body))
		in.Hold = grip.Hold{Mode: grip.HoldStream}
		r.backend.on(path+"/last", hold(in, "3 "+c.body))
		client, err := r.open(path)
		if err != nil {
			return err
		}
		got := client.after(0, 2*time.Second)
		client.cancel()
		r.add("page", c.name, c.body, client.status, got)
	}
	return nil
}
