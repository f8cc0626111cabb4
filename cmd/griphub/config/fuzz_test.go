package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzFile holds Load to this: any file gives either a configuration, which can be printed, written and read again as the
// same, or problems that each take one line.
func FuzzFile(f *testing.F) {
	f.Add([]byte(everySecret))
	f.Add([]byte("listen: :1\nlisten: :2\n"))
	f.Add([]byte("mqtt:\n  topics: [{topic: a/{b}, kind: data}]\n"))
	f.Add([]byte("streams: [{path: \"/a/{id}\", channels: [\"x-{id}\"]}]\n"))
	f.Add([]byte("channels: &a [*a]\n"))
	f.Add([]byte("<<: {}\n? [a]\n: b\n"))
	f.Add([]byte("%YAML 1.1\n---\nassets: {dir: !!str x}\n...\n---\n"))
	f.Add([]byte("\xff\xfea\x00:\x00"))
	f.Add([]byte("secret_file: griphub.yaml\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "griphub.yaml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Options{File: path})
		if err != nil {
			checkProblems(t, err)
			return
		}
		if err := Print(&bytes.Buffer{}, c); err != nil {
			t.Fatalf("print: %v", err)
		}
		again := reload(t, dir, c)
		if got, want := values(t, again), values(t, c); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

// FuzzVariable does the same with the text of one variable of each kind.
func FuzzVariable(f *testing.F) {
	for _, text := range []string{"", "true", "12", "3.5", "1d2h", "a,b c", "[a, {b: c}]", "[{match: '**', read: public}]", "http://a,http://b", "base64:AA"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		t.Chdir(t.TempDir())
		for _, name := range envNames() {
			if name == fileVariable || strings.HasSuffix(name, "_FILE") {
				continue
			}
			if _, err := Load(Options{Environ: []string{name + "=" + text}}); err != nil {
				checkProblems(t, err)
			}
		}
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
