package config

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// set parses the text of one value into dst. Its errors quote the text only where it is no secret.
func set(dst reflect.Value, f field, dir, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return errors.New("is not text; a secret may be given as base64:…")
	}
	if dst.Type() == reflect.TypeFor[time.Duration]() {
		v, err := bounded(f, text, parseDuration, formatDuration)
		dst.SetInt(int64(v))
		return err
	}
	switch dst.Kind() {
	case reflect.Bool:
		dst.SetBool(text == "true")
		if text != "true" && text != "false" {
			return fmt.Errorf("%s is neither true nor false", quoted(text))
		}
	case reflect.Int:
		v, err := bounded(f, text, parseInteger, strconv.Itoa)
		dst.SetInt(int64(v))
		return err
	case reflect.Float64:
		v, err := bounded(f, text, parseNumber, formatNumber)
		dst.SetFloat(v)
		return err
	default:
		words := strings.Fields(f.tag.Get("oneof"))
		// What has no default may be left empty, and what may not is looked for later.
		if len(words) > 0 && !slices.Contains(words, text) && text != f.tag.Get("default") {
			return fmt.Errorf("%s is not one of %s", quoted(text), strings.Join(words, ", "))
		}
		if f.isPath() {
			text = relativeTo(dir, text)
		}
		dst.SetString(text)
	}
	return nil
}

// bounded parses a value and holds it against the tags min and max.
func bounded[T cmp.Ordered](f field, text string, parse func(string) (T, error), format func(T) string) (T, error) {
	v, err := parse(text)
	if err != nil {
		return v, fmt.Errorf("%s %w", quoted(text), err)
	}
	if least, err := parse(f.tag.Get("min")); err == nil && v < least {
		return v, fmt.Errorf("%s is too small; the least is %s", quoted(text), format(least))
	}
	if most, err := parse(f.tag.Get("max")); err == nil && v > most {
		return v, fmt.Errorf("%s is too large; the most is %s", quoted(text), format(most))
	}
	return v, nil
}

func parseInteger(text string) (int, error) {
	v, err := strconv.Atoi(text)
	if err != nil {
		return 0, errors.New("is not a whole number")
	}
	return v, nil
}

// parseNumber reads a decimal number. NaN and the infinities are none, since bounds do not hold them.
func parseNumber(text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, errors.New("is not a number")
	}
	return v, nil
}

func formatNumber(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

const sqlitePrefix = "sqlite:"

// relativeTo resolves a relative file name, or the one in a database's sqlite:PATH. Whoever runs a command, from whatever
// directory, must meet the same database.
func relativeTo(dir, name string) string {
	prefix := ""
	if path, ok := strings.CutPrefix(name, sqlitePrefix); ok {
		prefix, name = sqlitePrefix, path
	} else if strings.Contains(name, "://") {
		return name
	}
	if name == "" || filepath.IsAbs(name) || dir == "" || strings.HasPrefix(name, ":") { // sqlite's :memory: is no file
		return prefix + name
	}
	return prefix + filepath.Join(dir, name)
}

// parseList reads a YAML list if the text begins with "[", and otherwise entries separated by white space or commas. In a
// list of URLs a comma separates only where white space or another URL follows, since a URL may hold commas.
func parseList(text string, entry reflect.Type) (*yaml.Node, error) {
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		list, problem := parseYAML([]byte(text))
		if problem != nil {
			return nil, fmt.Errorf("is not a YAML list: %s", problem.Message)
		}
		return list, nil
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if _, short := entryField(entry, ""); entry.Kind() == reflect.Struct && !short && strings.TrimSpace(text) != "" {
		return nil, errors.New("want a YAML list, such as [{…}, {…}]")
	}
	if entry == reflect.TypeFor[SecretURL]() {
		text = strings.NewReplacer(",http://", " http://", ",https://", " https://", ", ", " ").Replace(text)
	} else {
		text = strings.ReplaceAll(text, ",", " ")
	}
	for _, word := range strings.Fields(text) {
		list.Content = append(list.Content, textNode(word))
	}
	return list, nil
}

func kindName(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "a section of keys"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.Kind == yaml.AliasNode:
		return "an alias"
	case node.ShortTag() == "!!null":
		return "nothing"
	default:
		return "a single value"
	}
}

// printable shortens text from outside and makes it safe to stand in a line of a log.
func printable(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	q := strconv.Quote(text)
	return q[1 : len(q)-1]
}

func quoted(text string) string { return `"` + printable(text) + `"` }
