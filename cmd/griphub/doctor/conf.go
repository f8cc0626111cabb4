package doctor

import (
	"slices"
	"strconv"
	"strings"
)

// parsePushpinConf reads a pushpin.conf: "[section]" lines and "key=value" lines, "#" and ";" beginning comments. Values
// go by "section.key"; of a key that stands twice the last one counts.
func parsePushpinConf(text string) map[string]string {
	values := make(map[string]string)
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && line[len(line)-1] == ']':
			section = strings.ToLower(line[1 : len(line)-1])
		default:
			if key, value, ok := strings.Cut(line, "="); ok {
				values[section+"."+strings.TrimSpace(key)] = unquoted(strings.TrimSpace(value))
			}
		}
	}
	return values
}

func unquoted(value string) string {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		return value[1 : len(value)-1]
	}
	return value
}

// confNumber returns the value as a number, and standard where it is absent or none.
func confNumber(values map[string]string, key string, standard int) int {
	if n, err := strconv.Atoi(values[key]); err == nil {
		return n
	}
	return standard
}

// A mosquittoConf is what a mosquitto.conf(5) says, with the files that it includes.
type mosquittoConf struct {
	// options are those that hold for the whole broker; of one that stands twice the last one counts.
	options map[string]string
	// ports are those of the listeners, empty for the default, 1883.
	ports []string
}

// parseMosquittoConf reads a configuration. included returns the texts of the files of a directory that it includes.
func parseMosquittoConf(text string, included func(dir string) []string) mosquittoConf {
	c := mosquittoConf{options: make(map[string]string)}
	c.parse(text, included)
	return c
}

func (c *mosquittoConf) parse(text string, included func(dir string) []string) {
	for line := range strings.Lines(text) {
		// A "#" begins a comment at the beginning of a line only.
		line = strings.TrimSpace(line)
		key, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		switch {
		case line == "" || line[0] == '#':
		case key == "include_dir":
			for _, text := range included(value) {
				// Files that are included include no others.
				c.parse(text, func(string) []string { return nil })
			}
		case key == "listener" || key == "port":
			port, _, _ := strings.Cut(value, " ")
			c.ports = append(c.ports, port)
		default:
			c.options[key] = value
		}
	}
}

// listensOn tells whether the broker has a listener on the port.
func (c mosquittoConf) listensOn(port string) bool {
	if len(c.ports) == 0 {
		return port == "1883"
	}
	return slices.Contains(c.ports, port)
}
