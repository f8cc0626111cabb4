package config

import (
	"reflect"
	"strings"
	"time"
)

// Key describes one configuration key, as the reference documentation lists it.
type Key struct {
	// Path names the key, such as mqtt.url. Keys of list entries have "[]" after the list's name: channels[].match.
	Path string
	// Env is the environment variable that sets the key; empty for sections and for keys of list entries.
	Env string
	// Type is what the value is, in words.
	Type string
	// Default is the value that holds when nobody says otherwise; empty means the type's zero value, or none.
	Default string
	// OneOf lists the allowed words; empty means any.
	OneOf []string
	// Secret tells that the value is masked when it is shown, and that Path + "_file" may name a file that holds it.
	Secret bool
	// Doc explains the key in a sentence or two.
	Doc string
}

// Keys lists all keys in the order of Config, each section before its keys.
func Keys() []Key {
	var keys []Key
	for _, f := range fieldsBelow(reflect.TypeFor[Config](), "") {
		key := Key{
			Path:    f.path,
			Type:    typeName(f.typ, f.isPath()),
			Default: f.tag.Get("default"),
			OneOf:   strings.Fields(f.tag.Get("oneof")),
			Secret:  holdsSecret(f.typ),
			Doc:     f.tag.Get("doc"),
		}
		if f.settable() {
			key.Env = envName(f.path)
		}
		keys = append(keys, key)
	}
	return keys
}

// field is a key together with where its value lives.
type field struct {
	path  string
	name  string
	index int
	typ   reflect.Type
	tag   reflect.StructTag
}

func (f field) isPath() bool { return f.tag.Get("path") == "true" }

// settable tells whether the environment and flags can set the key: everything but sections and keys of list entries.
func (f field) settable() bool {
	return f.typ.Kind() != reflect.Struct && !strings.Contains(f.path, "[]")
}

// fieldsOf lists the keys of one section; path is the section's own.
func fieldsOf(section reflect.Type, path string) []field {
	var fields []field
	for i := range section.NumField() {
		member := section.Field(i)
		name, ok := member.Tag.Lookup("yaml")
		if !ok {
			continue
		}
		fields = append(fields, field{path: join(path, name), name: name, index: i, typ: member.Type, tag: member.Tag})
	}
	return fields
}

// fieldsBelow lists the keys of a section and of all sections in it.
func fieldsBelow(section reflect.Type, path string) []field {
	var all []field
	for _, f := range fieldsOf(section, path) {
		all = append(all, f)
		switch {
		case f.typ.Kind() == reflect.Struct:
			all = append(all, fieldsBelow(f.typ, f.path)...)
		case f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct:
			all = append(all, fieldsBelow(f.typ.Elem(), f.path+"[]")...)
		}
	}
	return all
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fileSuffix on the name of a secret's key says that the value is the name of a file that holds the secret.
const fileSuffix = "_file"

// entryField is the key that a single value in the place of a list's entry stands for.
func entryField(entry reflect.Type, path string) (f field, ok bool) {
	if entry.Kind() != reflect.Struct {
		return field{}, false
	}
	for _, f := range fieldsOf(entry, path) {
		if f.tag.Get("entry") == "true" {
			return f, true
		}
	}
	return field{}, false
}

// holdsSecret tells whether values of the type are masked and may come from a file of their own.
func holdsSecret(typ reflect.Type) bool {
	if typ.Kind() == reflect.Slice {
		typ = typ.Elem()
		if f, ok := entryField(typ, ""); ok {
			typ = f.typ
		}
	}
	return typ == reflect.TypeFor[Secret]() || typ == reflect.TypeFor[SecretURL]()
}

func typeName(typ reflect.Type, isPath bool) string {
	switch {
	case typ == reflect.TypeFor[time.Duration]():
		return "duration"
	case typ == reflect.TypeFor[SecretURL]():
		return "URL"
	case typ == reflect.TypeFor[Secret]():
		return "secret"
	case isPath:
		return "file name"
	}
	switch typ.Kind() {
	case reflect.Struct:
		return "section"
	case reflect.Slice:
		if f, ok := entryField(typ.Elem(), ""); ok {
			return "list of " + typeName(f.typ, false) + "s or sections"
		}
		return "list of " + typeName(typ.Elem(), false) + "s"
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "whole number"
	case reflect.Float64:
		return "number"
	default:
		return "text"
	}
}
