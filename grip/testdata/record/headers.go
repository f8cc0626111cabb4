package main

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/griphub/griphub/grip"
)

func (r *recorder) recordKeepAlives() error {
	for _, data := range []string{
		".", "event: keep-alive\ndata:\n\n", ":\n\n", "a;b", " edges ", "\n edge ", `back\slash`, `\x41;`, "\x00\xff", "Grüße, \"quoted\" <x>", "tab\tin", "\r\n",
	} {
		path := r.scenePath()
		in := grip.Instruct{
			Hold:      grip.Hold{Mode: grip.HoldStream},
			Channels:  []grip.Channel{{Name: "ch" + path}},
			KeepAlive: grip.KeepAlive{Data: []byte(data), Timeout: time.Second},
		}
		header, err := in.KeepAlive.Header()
		if err != nil {
			return err
		}
		c, err := r.holdWith(path, in)
		if err != nil {
			return err
		}
		got := c.after(len("open\n"), 2*time.Second)
		c.cancel()
		r.add("keep-alive", text([]byte(data)), header, 0, got)
	}
	return nil
}

// recordMeta lets the filter var-subst show what Pushpin read.
func (r *recorder) recordMeta() error {
	for _, value := range []string{"7", `a "quoted" \ value`, "a, b; c=d", " edges ", "Grüße", "a%b", "<>"} {
		path := r.scenePath()
		meta := map[string]string{"user": value, "other": "x"}
		header, err := grip.SetMeta(meta)
		if err != nil {
			return err
		}
		c, err := r.holdWith(path, grip.Instruct{
			Hold:     grip.Hold{Mode: grip.HoldStream},
			Channels: []grip.Channel{{Name: "ch" + path, Filters: []string{grip.FilterVarSubst}}},
			Meta:     meta,
		})
		if err != nil {
			return err
		}
		if err := r.publish(grip.Item{Channel: "ch" + path, HTTPStream: &grip.HTTPStream{Content: []byte("%(user)s")}}); err != nil {
			return err
		}
		got := c.after(len("open\n"), 2*time.Second)
		c.cancel()
		r.add("meta", value, header, 0, got)
	}
	return nil
}

// recordChannels shows which names survive Grip-Channel beside another channel.
func (r *recorder) recordChannels() error {
	for _, name := range []string{"plain", "with blank", "Grüße", "a=b", "a%2Cb", "it's", "<a>", `back\slash`, "a:b/c?d#e@f", "(a)[b]{c}"} {
		path := r.scenePath()
		name += " " + strings.TrimPrefix(path, "/scene/")
		in := grip.Instruct{
			Hold:     grip.Hold{Mode: grip.HoldStream},
			Channels: []grip.Channel{{Name: name, PrevID: `1=%\'<é`}, {Name: "ch" + path}},
			Links:    []grip.Link{{URI: path + "/next", Rel: grip.RelNext}},
		}
		h := http.Header{}
		if err := in.WriteHeader(h); err != nil {
			return err
		}
		c, err := r.holdWith(path, in)
		if err != nil {
			return err
		}
		for i, channel := range []string{name, "ch" + path} {
			item := grip.Item{Channel: channel, HTTPStream: &grip.HTTPStream{Content: []byte("got it\n")}}
			if i == 0 {
				item.ID, item.PrevID = "2", `1=%\'<é`
			}
			if err := r.publish(item); err != nil {
				return err
			}
		}
		got := c.after(len("open\n"), 2*time.Second)
		c.cancel()
		r.add("channel", name, h.Get(grip.HeaderChannel), 0, got)
	}
	return nil
}

// recordLinks shows at which address Pushpin follows a link.
func (r *recorder) recordLinks() error {
	for i, query := range []string{"a=b", "a=b;c", "a=b,c", `a="b"`, "a=<b>", "a=Grüße", "a=b c", "a=%2C%3B", `a={b}|\^`, "a=b#frag", "t=eyJh.eyJi.c-d_e&x=1"} {
		path := r.scenePath()
		link := grip.Link{URI: path + "/next?" + query, Rel: grip.RelNext, Timeout: time.Hour}
		header, err := link.Header()
		if err != nil {
			return err
		}
		requested := make(chan string, 4)
		r.backend.on(path, hold(grip.Instruct{Links: []grip.Link{link}}, "open\n"))
		r.backend.on(path+"/next", func(_ http.ResponseWriter, req *http.Request) { requested <- req.RequestURI })
		c, err := r.open(path)
		if err != nil {
			return err
		}
		var got string
		select {
		case got = <-requested:
		case <-time.After(2 * time.Second):
		}
		c.cancel()
		r.add("link", fmt.Sprintf("%d %s", i, link.URI), header, 0, []byte(got))
	}
	return nil
}

// recordBuildID shows positions rendered for channels with difficult names.
func (r *recorder) recordBuildID() error {
	for _, name := range []string{"plain", "a(b)c", `a\b`, "a%b", "a%%b", "Grüße"} {
		path := r.scenePath()
		channel := name + " " + strings.TrimPrefix(path, "/scene/")
		format := string(grip.AppendBuildID(nil, name+"%:")) + grip.IDFormatPosition(channel)
		c, err := r.holdWith(path, grip.Instruct{
			Hold:     grip.Hold{Mode: grip.HoldStream},
			Channels: []grip.Channel{{Name: channel, PrevID: "1", Filters: []string{grip.FilterBuildID}}},
			Links:    []grip.Link{{URI: path + "/next", Rel: grip.RelNext}},
			Meta:     map[string]string{grip.MetaIDFormat: format},
		})
		if err != nil {
			return err
		}
		content := grip.AppendBuildID([]byte("id=%I "), "100% %I %(x)s")
		err = r.publish(grip.Item{Channel: channel, ID: "2", PrevID: "1", HTTPStream: &grip.HTTPStream{Content: content}})
		if err != nil {
			return err
		}
		got := c.after(len("open\n"), 2*time.Second)
		c.cancel()
		r.add("build-id", name, format, 0, got)
	}
	return nil
}
