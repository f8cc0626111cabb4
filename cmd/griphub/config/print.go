package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Print writes the configuration as YAML with every key. Secrets are masked; a comment tells where each value was given.
func Print(w io.Writer, c Config) error {
	defaults := valuesOf(defaultsIn(c.dir))
	err := encode(w, sectionNode(reflect.ValueOf(c), "", func(f field, value reflect.Value) (*yaml.Node, string) {
		comment := ""
		if at, given := c.origins[f.path]; given {
			comment = at.String()
		} else if reflect.DeepEqual(value.Interface(), defaults[f.path]) {
			comment = "default"
		}
		return valueNode(value, masked), comment
	}))
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return nil
}

// WriteFile writes the configuration, secrets included, so that Load reads the same from the file. What equals the default
// is left out, and file names are made absolute. The file appears at once and complete, readable by its owner only.
func WriteFile(path string, c Config) error {
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	eachValue(reflect.ValueOf(&c).Elem(), "", func(f field, value reflect.Value) {
		if f.isPath() {
			value.SetString(relativeTo(dir, value.String()))
		}
	})
	var text bytes.Buffer
	err = encode(&text, differences(c))
	if err == nil {
		err = replaceFile(path, text.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// differences are the keys whose values are not the defaults, secrets included.
func differences(c Config) *yaml.Node {
	defaults := valuesOf(Default())
	return sectionNode(reflect.ValueOf(c), "", func(f field, value reflect.Value) (*yaml.Node, string) {
		if reflect.DeepEqual(value.Interface(), defaults[f.path]) {
			return nil, ""
		}
		return valueNode(value, revealed), ""
	})
}

// replaceFile writes a file that others see either as it was or complete.
func replaceFile(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // its mode is 0600
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}

func encode(w io.Writer, root *yaml.Node) error {
	encoder := yaml.NewEncoder(w)
	encoder.SetIndent(2)
	return errors.Join(encoder.Encode(root), encoder.Close())
}

// valuesOf maps the path of each key to its value.
func valuesOf(c Config) map[string]any {
	values := make(map[string]any)
	eachValue(reflect.ValueOf(c), "", func(f field, value reflect.Value) { values[f.path] = value.Interface() })
	return values
}

// sectionNode builds the mapping of a section. The function makes a key's node and comment; without a node the key is left
// out, and a section without keys as well.
func sectionNode(section reflect.Value, path string, node func(field, reflect.Value) (*yaml.Node, string)) *yaml.Node {
	mapping := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fieldsOf(section.Type(), path) {
		key := textNode(f.name)
		var value *yaml.Node
		comment := ""
		if f.typ.Kind() == reflect.Struct {
			value = sectionNode(section.Field(f.index), f.path, node)
			if len(value.Content) == 0 {
				continue
			}
		} else if value, comment = node(f, section.Field(f.index)); value == nil {
			continue
		}
		if len(value.Content) > 0 {
			key.LineComment = comment // after the key: what follows takes more than its line
		} else {
			value.LineComment = comment
		}
		mapping.Content = append(mapping.Content, key, value)
	}
	return mapping
}

// masked and revealed are the two ways to write a secret.
func masked(secret fmt.Stringer) string { return secret.String() }

func revealed(secret fmt.Stringer) string { return reflect.ValueOf(secret).String() }

func valueNode(value reflect.Value, show func(fmt.Stringer) string) *yaml.Node {
	switch v := value.Interface().(type) {
	case time.Duration:
		return wordNode(formatDuration(v))
	case Secret:
		return quotedNode(show(v))
	case SecretURL:
		return quotedNode(show(v))
	}
	switch value.Kind() {
	case reflect.Bool:
		return wordNode(strconv.FormatBool(value.Bool()))
	case reflect.Int:
		return wordNode(strconv.FormatInt(value.Int(), 10))
	case reflect.Float64:
		return wordNode(formatNumber(value.Float()))
	case reflect.Slice:
		list := &yaml.Node{Kind: yaml.SequenceNode}
		for i := range value.Len() {
			list.Content = append(list.Content, valueNode(value.Index(i), show))
		}
		if len(list.Content) == 0 {
			list.Style = yaml.FlowStyle
		}
		return list
	case reflect.Struct:
		entry := sectionNode(value, "", func(_ field, value reflect.Value) (*yaml.Node, string) {
			return valueNode(value, show), ""
		})
		entry.Style = yaml.FlowStyle
		return entry
	default:
		return quotedNode(value.String())
	}
}

// wordNode is a value that YAML reads back as it stands.
func wordNode(word string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: word} }

// quotedNode is text; the encoder puts it in quotes where it could be read as something else.
func quotedNode(text string) *yaml.Node {
	node := textNode(text)
	if strings.ContainsFunc(text, unicode.IsControl) {
		node.Style = yaml.DoubleQuotedStyle
	}
	return node
}
