package fragments

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/griphub/griphub/channels"
)

// A set is what a directory of templates holds. It does not change.
type set struct {
	// types has the templates of each type of devices in the order of their names.
	types map[string][]file
	stamp string
}

// A file is one template.
type file struct {
	name, path string
	template   *template.Template
	// aims tells that the template says itself where in the page its parts go.
	aims bool
}

// MessageName is the name of the template whose fragment is the message itself: htmx 2 knows it as the event "message", and
// htmx 4 swaps it into the element that is connected.
const MessageName = "message"

// fileName is what an SSE event, an attribute sse-swap and a CSS string can all hold as it is.
var fileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)

const extension = ".html"

// load parses all templates. dir is what errors call the directory.
func load(files fs.FS, dir string) (*set, error) {
	seen, err := stamp(files)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	s := &set{types: make(map[string][]file), stamp: seen}
	shared := template.New("").Funcs(functions())
	names, err := htmlFiles(files)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	// First those of no type, which the others may use.
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/")) })
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
		if !strings.Contains(name, "/") {
			if _, err := shared.New(name).Parse(string(text)); err != nil {
				return nil, wrongFile(dir, name, plain(err))
			}
			continue
		}
		if err := s.add(shared, name, string(text)); err != nil {
			return nil, wrongFile(dir, name, plain(err))
		}
	}
	return s, nil
}

// add parses one template of a type.
func (s *set) add(shared *template.Template, name, text string) error {
	f := file{name: strings.TrimSuffix(path.Base(name), extension), path: name}
	if !fileName.MatchString(f.name) || channels.ReservedType(f.name) {
		return errors.New("the name cannot be an event's: letters, digits, \"_\", \".\" and \"-\", and none that the stream protocol uses")
	}
	own, err := shared.Clone()
	if err != nil {
		return err
	}
	if f.template, err = own.New(name).Parse(text); err != nil {
		return err
	}
	// Mistakes in the mixture of HTML and actions show when the template is first executed. That a value is missing is
	// none.
	var wrong *template.Error
	if err := f.template.Execute(io.Discard, &Data{}); errors.As(err, &wrong) {
		return err
	}
	f.aims = strings.Contains(text, "hx-swap-oob") || strings.Contains(text, "<hx-partial")
	deviceType := path.Dir(name)
	s.types[deviceType] = append(s.types[deviceType], f)
	return nil
}

// named returns the type's template of that name, nil where there is none.
func (s *set) named(deviceType, name string) *file {
	list := s.types[deviceType]
	if i := slices.IndexFunc(list, func(f file) bool { return f.name == name }); i >= 0 {
		return &list[i]
	}
	return nil
}

// plain is the error without what the template packages write before the place.
func plain(err error) error {
	text := err.Error()
	for _, prefix := range []string{"template: ", "html/template:", "html/template: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return errors.New(text)
}

// htmlFiles lists the templates: those in the directory, and those in its directories.
func htmlFiles(files fs.FS) ([]string, error) {
	var names []string
	for _, pattern := range []string{"*" + extension, "*/*" + extension} {
		found, err := fs.Glob(files, pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	return names, nil
}

// stamp changes whenever a template does. It fails where there is no directory.
func stamp(files fs.FS) (string, error) {
	if _, err := fs.ReadDir(files, "."); err != nil {
		return "", err
	}
	names, err := htmlFiles(files)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, name := range names {
		info, err := fs.Stat(files, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%q %d %d\n", name, info.Size(), info.ModTime().UnixNano())
	}
	return b.String(), nil
}
