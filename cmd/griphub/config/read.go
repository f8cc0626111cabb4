package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Limits on what is read, in bytes. A configuration is written by hand; what exceeds them is not one.
const (
	maxFileSize   = 1 << 20
	maxSecretSize = 64 << 10
)

// findFile chooses the configuration file. If nobody asked for one and the default is not there, there is none.
func findFile(flag, variable string) string {
	if name := cmp.Or(flag, variable); name != "" {
		return name
	}
	if _, err := os.Stat(DefaultFile); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return DefaultFile
}

func readLimited(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data, nil
}

// reason is why a file could not be used, without the name, which the problem says already.
func reason(err error) string {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return "cannot be read: " + failed.Err.Error()
	}
	return err.Error()
}

// parseYAML returns the root of the only document, or nil if there is none. Nodes keep lines and columns, and building them
// expands no alias.
func parseYAML(data []byte) (*yaml.Node, *Problem) {
	documents := yaml.NewDecoder(bytes.NewReader(data))
	var first, second yaml.Node
	if err := documents.Decode(&first); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxProblem(err)
	}
	if err := documents.Decode(&second); err == nil {
		return nil, &Problem{Line: second.Line, Column: second.Column, Message: "a second YAML document; only one is read"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxProblem(err)
	}
	return first.Content[0], nil
}

// syntaxProblem takes the line out of the message of the YAML library.
func syntaxProblem(err error) *Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if strings.HasPrefix(message, "unknown anchor") {
		// The library quotes what follows the star, and that may be a secret.
		return &Problem{Message: "not valid YAML: a value that begins with * must stand in quotes"}
	}
	problem := &Problem{Message: "not valid YAML: " + message}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		number, text, _ := strings.Cut(rest, ": ")
		if line, err := strconv.Atoi(number); err == nil {
			problem.Line, problem.Message = line, "not valid YAML: "+text
		}
	}
	return problem
}

// secretFile is the promise that a secret will be read from a file, unless a stronger source gives the secret itself.
type secretFile struct {
	name   string
	dst    reflect.Value
	field  field
	source source
	node   *yaml.Node
}

// read puts what the file holds into the key's value.
func (s secretFile) read(d *decoder) error {
	data, err := readLimited(s.name, maxSecretSize)
	if err != nil {
		return err
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return errors.New("is empty")
	}
	if s.dst.Kind() != reflect.Slice {
		return set(s.dst, s.field, s.source.dir, text)
	}
	words := strings.Fields(text)
	entries := reflect.MakeSlice(s.dst.Type(), len(words), len(words))
	s.dst.Set(entries)
	for i, word := range words {
		entry, f := entries.Index(i), s.field
		if short, ok := entryField(entry.Type(), f.path); ok {
			d.defaults(entry, fmt.Sprintf("%s[%d]", f.path, i))
			entry, f = entry.Field(short.index), short
		}
		if err := set(entry, f, s.source.dir, word); err != nil {
			return err
		}
	}
	return nil
}
