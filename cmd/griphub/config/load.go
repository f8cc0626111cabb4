package config

import (
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// DefaultFile is the configuration file that is read from the working directory if it is there and no other is named.
const DefaultFile = "griphub.yaml"

// Options say where to look.
type Options struct {
	// File is the configuration file, which must exist. Empty means the variable GRIPHUB_CONFIG, and without it DefaultFile
	// in the working directory, which need not exist.
	File string
	// Environ holds NAME=value pairs, as os.Environ returns them. Every name that begins with GRIPHUB_ must be a key's.
	Environ []string
	// Overrides are the values of flags: a key's path, such as mqtt.url, and the text that was given for it.
	Overrides map[string]string
	// Serve also demands what only `griphub serve` needs, as Config.Check does.
	Serve bool
}

// Default returns the configuration that holds when nobody says otherwise.
func Default() Config { return defaultsIn("") }

// defaultsIn is Default with relative file names relative to a directory.
func defaultsIn(dir string) Config {
	var c Config
	d := newDecoder(source{dir: dir})
	d.defaults(reflect.ValueOf(&c).Elem(), "")
	if len(d.problems) > 0 {
		panic("config: default tags: " + d.problems.Error()) // the tags are part of the program
	}
	return c
}

// Load reads the configuration. Flags go before the environment, that before the file, and that before the defaults; a
// list replaces the whole list of a weaker source. If anything is wrong the error is Problems, with all mistakes found.
func Load(options Options) (Config, error) {
	variables := griphubVariables(options.Environ)
	name := findFile(options.File, variables[fileVariable])
	dir := ""
	if name != "" {
		dir = filepath.Dir(name)
	}
	c := defaultsIn(dir)
	c.dir = dir
	target := reflect.ValueOf(&c).Elem()

	d := newDecoder(source{name: name, dir: dir, isFile: true})
	readable := name == "" || d.file(target)
	d.environment(target, variables)
	d.overrides(target, options.Overrides)
	d.readSecrets()
	c.origins = d.origins

	problems := d.problems
	if readable { // else what the values mean together cannot be said: most of them are unknown
		problems = append(problems, c.problems(options.Serve, d.wrong)...)
	}
	if len(problems) > 0 {
		return Config{}, problems.inOrder()
	}
	return c, nil
}

// IsSet tells whether the key, or any key below it, was given by a file, the environment or a flag, even if with its
// default value. It is false for every key of a Config that did not come from Load.
func (c Config) IsSet(path string) bool {
	for given := range c.origins {
		rest, below := strings.CutPrefix(given, path)
		if below && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// file puts the configuration file's values into a Config. It returns false if the file is not YAML at all.
func (d *decoder) file(dst reflect.Value) bool {
	data, err := readLimited(d.source.name, maxFileSize)
	if err != nil {
		d.problems = append(d.problems, Problem{File: d.source.name, Message: reason(err)})
		return false
	}
	return d.document(dst, data)
}

// document puts the values of a YAML document into a Config. It returns false if it is not YAML at all.
func (d *decoder) document(dst reflect.Value, data []byte) bool {
	root, problem := parseYAML(data)
	if problem != nil {
		problem.File = d.source.name
		d.problems = append(d.problems, *problem)
		return false
	}
	if root != nil {
		d.section(dst, "", root)
	}
	return true
}

// overrides puts the values of flags into a Config.
func (d *decoder) overrides(dst reflect.Value, values map[string]string) {
	d.source = source{name: "flags"}
	left := maps.Clone(values)
	eachValue(dst, "", func(f field, dst reflect.Value) {
		if text, given := left[f.path]; given {
			delete(left, f.path)
			d.text(dst, f, text)
		}
	})
	for _, path := range slices.Sorted(maps.Keys(left)) {
		d.fail(path, nil, "unknown key")
	}
}

// readSecrets reads the files that secrets were promised from. The line end that editors and echo leave is no part of a
// secret; in a list, each word is an entry.
func (d *decoder) readSecrets() {
	for _, path := range slices.Sorted(maps.Keys(d.files)) {
		promise := d.files[path]
		d.source = promise.source
		if err := promise.read(d); err != nil {
			d.fail(path+fileSuffix, promise.node, "%s %s", quoted(promise.name), reason(err))
		}
	}
}
