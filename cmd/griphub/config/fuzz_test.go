package config

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
)

// FuzzFile holds any file to this: it gives either a configuration, which can be printed, written and read again as the
// same, or problems that each take one line.
func FuzzFile(f *testing.F) {
	f.Add([]byte(everySecret))
	f.Add([]byte("listen: :1\nlisten: :2\n"))
	f.Add([]byte("mqtt:\n  topics: [{topic: a/{b}, kind: state}]\n"))
	f.Add([]byte("streams: [{path: \"/a/{id}\", channels: [\"x-{id}\"]}]\n"))
	f.Add([]byte("channels: &a [*a]\n"))
	f.Add([]byte("<<: {}\n? [a]\n: b\n"))
	f.Add([]byte("%YAML 1.1\n---\nassets: {dir: !!str x}\n...\n---\n"))
	f.Add([]byte("\xff\xfea\x00:\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, problems := decodeBytes(data)
		if len(problems) > 0 {
			checkProblems(t, problems)
			return
		}
		if err := Print(io.Discard, c); err != nil {
			t.Fatalf("print: %v", err)
		}
		var written bytes.Buffer
		if err := encode(&written, differences(c)); err != nil {
			t.Fatalf("write: %v", err)
		}
		again, problems := decodeBytes(written.Bytes())
		if len(problems) > 0 {
			t.Fatalf("what was written does not load: %v\n%s", problems, written.Bytes())
		}
		if got, want := values(t, again), values(t, c); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

// decodeBytes is Load of a file that holds the data, without any file.
func decodeBytes(data []byte) (Config, Problems) {
	c := Default()
	d := newDecoder(source{name: DefaultFile, isFile: true})
	if !d.document(reflect.ValueOf(&c).Elem(), data) {
		return c, d.problems
	}
	c.origins = d.origins
	return c, append(d.problems, c.problems(false, d.wrong)...)
}

// FuzzVariable does the same with the text of one variable of each kind.
func FuzzVariable(f *testing.F) {
	for _, text := range []string{"", "true", "12", "3.5", "1d2h", "a,b c", "[a, {b: c}]", "[{match: '**', read: public}]", "http://a,http://b", "base64:AA"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		eachValue(reflect.ValueOf(&Config{}).Elem(), "", func(f field, value reflect.Value) {
			d := newDecoder(source{})
			d.variable(value, f, envName(f.path), text)
			if len(d.problems) > 0 {
				checkProblems(t, d.problems)
			}
		})
	})
}

func checkProblems(t *testing.T, err error) {
	t.Helper()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("the error is %T: %v", err, err)
	}
	for _, problem := range problems {
		if line := problem.String(); strings.ContainsAny(line, "\r\n") || problem.Message == "" {
			t.Fatalf("a problem that does not take one line: %q", line)
		}
	}
}
