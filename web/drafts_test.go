package web_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/web"
)

func readAll(in io.Reader) (drafts []channels.Draft, err error) {
	r := web.NewDraftReader(in, time.Now)
	for {
		d, err := r.Next()
		if errors.Is(err, io.EOF) {
			return drafts, nil
		}
		if err != nil {
			return drafts, err
		}
		drafts = append(drafts, d)
	}
}

func TestDraftsAreReadAsTheyArrive(t *testing.T) {
	in, out := io.Pipe()
	r := web.NewDraftReader(in, time.Now)
	for _, line := range []string{`{"channel":"a","data":1}` + "\n", `{"channel":"a","data":2}` + "\n"} {
		go func() { _, _ = out.Write([]byte(line)) }()
		d, err := r.Next()
		if err != nil || !strings.Contains(line, string(d.Data)+"}") {
			t.Fatalf("%+v, %v", d, err)
		}
	}
	go func() { _ = out.Close() }()
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestAFailingInputIsNoEnd(t *testing.T) {
	broken := errors.New("the connection broke")
	for _, text := range []string{"", " ", `{"channel":"a"}`, `[{"channel":"a"}`, `{"channel":`, `[`} {
		drafts, err := readAll(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)))
		var draft *channels.DraftError
		if !errors.Is(err, broken) || !errors.As(err, &draft) || draft.Index != len(drafts) {
			t.Errorf("%q: %d drafts, %v", text, len(drafts), err)
		}
	}
}

// FuzzDraftReader holds that what is read can be judged, and that errors say where.
func FuzzDraftReader(f *testing.F) {
	for _, seed := range []string{
		`{"channel":"a","data":1}`, `[{"user":7},{"global":true}]`, "{\"device\":\"a/b\"}\n{\"system\":true}", `[`, `[]`, `{`, `null`, `[null]`,
		`{"channel":"a","raw":true,"data":"x","skip_users":[1,"b"],"private_data":{},"id":"k","event":""}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		drafts, err := readAll(strings.NewReader(text))
		var draft *channels.DraftError
		if err != nil && (!errors.As(err, &draft) || draft.Index != len(drafts)) {
			t.Fatalf("%q: %d drafts, %v", text, len(drafts), err)
		}
		var invalid *channels.InvalidError
		if err != nil && !errors.As(err, &invalid) {
			t.Fatalf("%q: %v", text, err)
		}
		for i := range drafts {
			if err := drafts[i].Validate(); err != nil && !errors.As(err, &invalid) {
				t.Fatalf("%q: %v", text, err)
			}
			for _, c := range drafts[i].Channels {
				if c.Internal() && drafts[i].Scope == channels.ScopeChannel {
					t.Fatalf("%q names %s", text, c)
				}
			}
		}
	})
}
