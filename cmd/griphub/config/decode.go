package config

import (
	"fmt"
	"maps"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// source is one place that values come from.
type source struct {
	// name begins the line of a problem: the file's name, "environment", "flags". Empty marks the defaults.
	name string
	// dir is what relative file names are relative to; empty is the working directory.
	dir string
	// isFile tells that positions are lines of a file.
	isFile bool
	// variable, if set, is the environment variable that the value of the key path is read from.
	variable, path string
}

// called is what the source calls the key of a path.
func (s source) called(path string) string {
	if s.variable == "" {
		return path
	}
	return s.variable + strings.TrimPrefix(path, s.path)
}

// origin is where a value was given.
type origin struct {
	file         string
	variable     string
	line, column int
}

// String is what stands beside the value when the configuration is printed.
func (o origin) String() string {
	switch {
	case o.variable != "":
		return o.variable
	case o.line > 0:
		return fmt.Sprintf("%s:%d", o.file, o.line)
	default:
		return o.file
	}
}

// decoder puts nodes into a Config, one source after the other, and collects everything that is wrong.
type decoder struct {
	source   source
	problems Problems
	origins  map[string]origin
	files    map[string]secretFile
	// wrong holds the keys that a problem was found with, of which nothing more needs to be said.
	wrong map[string]bool
}

func newDecoder(from source) *decoder {
	return &decoder{
		source:  from,
		origins: make(map[string]origin),
		files:   make(map[string]secretFile),
		wrong:   make(map[string]bool),
	}
}

// textNode is a value that was not written as YAML.
func textNode(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}

// maxProblems bounds what is reported, and with it the work that a hostile file can cause.
const maxProblems = 100

func (d *decoder) full() bool { return len(d.problems) >= maxProblems }

func (d *decoder) fail(path string, node *yaml.Node, format string, args ...any) {
	if d.full() {
		return
	}
	if path != "" {
		d.wrong[path] = true
		d.wrong[strings.TrimSuffix(path, fileSuffix)] = true // a secret that its file does not give is not missing as well
	}
	at := d.origin(node)
	d.problems = append(d.problems, Problem{
		File: at.file, Line: at.line, Column: at.column,
		Key:     d.source.called(path),
		Message: fmt.Sprintf(format, args...),
	})
}

func (d *decoder) origin(node *yaml.Node) origin {
	at := origin{file: d.source.name, variable: d.source.variable}
	if d.source.isFile && node != nil {
		at.line, at.column = node.Line, node.Column
	}
	return at
}

// given notes where a value was given, which makes a weaker source's promise to read it from a file void.
func (d *decoder) given(path string, node *yaml.Node) {
	delete(d.files, path)
	if d.source.name != "" {
		d.origins[path] = d.origin(node)
	}
}

// forget drops what weaker sources said about the entries of a list that is being replaced.
func (d *decoder) forget(list string) {
	below := func(path string) bool { return strings.HasPrefix(path, list+"[") }
	maps.DeleteFunc(d.origins, func(path string, _ origin) bool { return below(path) })
	maps.DeleteFunc(d.files, func(path string, _ secretFile) bool { return below(path) })
}

// section decodes a mapping into a struct.
func (d *decoder) section(dst reflect.Value, path string, node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		return // a section whose keys are all commented out
	}
	if node.Kind != yaml.MappingNode {
		d.fail(path, node, "want a section of keys, not %s", kindName(node))
		return
	}
	known := make(map[string]field)
	for _, f := range fieldsOf(dst.Type(), path) {
		known[f.name] = f
	}
	seen := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(node.Content) && !d.full(); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.fail(path, key, "a key must be a plain word, not %s", kindName(key))
			continue
		}
		keyPath := join(path, printable(key.Value))
		if first, twice := seen[key.Value]; twice {
			d.fail(keyPath, key, "given twice; first in line %d", first.Line)
			continue
		}
		seen[key.Value] = key
		if f, ok := known[key.Value]; ok {
			d.value(dst.Field(f.index), f, f.path, value)
			continue
		}
		name, isFile := strings.CutSuffix(key.Value, fileSuffix)
		f, ok := known[name]
		if !isFile || !ok || !holdsSecret(f.typ) {
			d.fail(keyPath, key, "unknown key%s", suggestion(path, key.Value, known))
			continue
		}
		if mappingHas(node, name) {
			d.fail(keyPath, key, "give either %s or %s, not both", f.path, keyPath)
			continue
		}
		d.secretFile(dst.Field(f.index), f, value)
	}
}

// secretFile notes that a secret comes from a file. The file is read last of all: a stronger source may make it needless.
func (d *decoder) secretFile(dst reflect.Value, f field, node *yaml.Node) {
	path := f.path + fileSuffix
	if !d.plain(path, node) {
		return
	}
	if node.Kind != yaml.ScalarNode || node.Value == "" {
		d.fail(path, node, "want the name of a file, not %s", kindName(node))
		return
	}
	d.forget(f.path)
	d.given(f.path, node)
	d.files[f.path] = secretFile{name: relativeTo(d.source.dir, node.Value), dst: dst, field: f, source: d.source, node: node}
}

func mappingHas(node *yaml.Node, name string) bool {
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return true
		}
	}
	return false
}

// value decodes one key's value.
func (d *decoder) value(dst reflect.Value, f field, path string, node *yaml.Node) {
	if !d.plain(path, node) {
		return
	}
	switch dst.Kind() {
	case reflect.Struct:
		if short, ok := entryField(dst.Type(), path); ok && node.Kind == yaml.ScalarNode {
			d.value(dst.Field(short.index), short, short.path, node)
			return
		}
		d.section(dst, path, node)
	case reflect.Slice:
		d.list(dst, f, path, node)
	default:
		d.scalar(dst, f, path, node)
	}
}

// plain refuses the parts of YAML that a configuration does not need: aliases, which let a small file stand for a huge one,
// and tags.
func (d *decoder) plain(path string, node *yaml.Node) bool {
	switch {
	case node.Kind == yaml.AliasNode || node.Anchor != "":
		d.fail(path, node, "anchors and aliases are not supported; write the value out, in quotes if it begins with & or *")
	case node.Style&yaml.TaggedStyle != 0:
		d.fail(path, node, "tags are not supported; put the value in quotes if it begins with an exclamation mark")
	default:
		return true
	}
	return false
}

// list decodes a sequence. It replaces what a weaker source gave; lists are never merged.
func (d *decoder) list(dst reflect.Value, f field, path string, node *yaml.Node) {
	if node.Kind != yaml.SequenceNode {
		hint := ""
		if node.ShortTag() == "!!null" {
			hint = "; write [] for an empty one"
		}
		d.fail(path, node, "want a list, not %s%s", kindName(node), hint)
		return
	}
	if !strings.Contains(path, "[") {
		d.forget(path)
	}
	d.given(path, node)
	if len(node.Content) == 0 {
		dst.SetZero() // an empty list is the same as none
		return
	}
	items := reflect.MakeSlice(dst.Type(), len(node.Content), len(node.Content))
	dst.Set(items)
	for i, item := range node.Content {
		if d.full() {
			return
		}
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		if items.Index(i).Kind() == reflect.Struct {
			d.defaults(items.Index(i), itemPath)
			if item.ShortTag() == "!!null" {
				d.fail(itemPath, item, "empty entry")
				continue
			}
			d.origins[itemPath] = d.origin(item)
		}
		d.value(items.Index(i), f, itemPath, item)
	}
}

// scalar decodes text, a number, a duration or a truth value.
func (d *decoder) scalar(dst reflect.Value, f field, path string, node *yaml.Node) {
	if node.Kind != yaml.ScalarNode {
		d.fail(path, node, "want %s, not %s", typeName(dst.Type(), f.isPath()), kindName(node))
		return
	}
	if node.ShortTag() == "!!null" {
		d.fail(path, node, "has no value; write \"\" for an empty one, or remove the key")
		return
	}
	if err := set(dst, f, d.source.dir, node.Value); err != nil {
		d.fail(path, node, "%s", err)
		return
	}
	d.given(path, node)
}

// defaults gives every key of a section, and of the sections in it, the value that holds when nobody says otherwise.
func (d *decoder) defaults(dst reflect.Value, path string) {
	from := d.source
	d.source = source{dir: from.dir}
	defer func() { d.source = from }()
	eachValue(dst, path, func(f field, value reflect.Value) {
		if text, ok := f.tag.Lookup("default"); ok {
			d.text(value, f, text)
		}
	})
}

// text decodes a value that was given as text rather than as YAML: by a tag, the environment or a flag.
func (d *decoder) text(dst reflect.Value, f field, text string) {
	node := textNode(text)
	if dst.Kind() == reflect.Slice {
		list, err := parseList(text, dst.Type().Elem())
		if err != nil {
			d.fail(f.path, node, "%s", err)
			return
		}
		node = list
	}
	d.value(dst, f, f.path, node)
}

// eachValue visits every key of a section that the environment and flags can set, sections in it included.
func eachValue(section reflect.Value, path string, visit func(f field, value reflect.Value)) {
	for _, f := range fieldsOf(section.Type(), path) {
		if f.typ.Kind() == reflect.Struct {
			eachValue(section.Field(f.index), f.path, visit)
			continue
		}
		visit(f, section.Field(f.index))
	}
}
