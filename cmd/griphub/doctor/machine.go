package doctor

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A machine is where other programs are looked for: what /proc shows of them (proc(5)), as far as this user may see it. On
// systems without it nothing is found.
type machine struct{ proc string }

func thisMachine() machine { return machine{proc: "/proc"} }

// A program is a running process.
type program struct {
	name   string // of its file, without the directory
	args   []string
	parent int
	// dir is the process's directory in /proc.
	dir string
}

// programs lists the processes whose program has one of the names.
func (m machine) programs(names ...string) []program {
	dirs, _ := filepath.Glob(filepath.Join(m.proc, "[0-9]*")) // the pattern is well-formed
	var list []program
	for _, dir := range dirs {
		// Processes come and go while they are listed.
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(line) == 0 {
			continue
		}
		args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
		p := program{name: filepath.Base(args[0]), args: args[1:], dir: dir}
		for _, name := range names {
			if p.name == name {
				p.parent = p.readParent()
				list = append(list, p)
			}
		}
	}
	return list
}

// readParent returns the id of the process that started this one, 0 where it cannot be read.
func (p program) readParent() int {
	stat, err := os.ReadFile(filepath.Join(p.dir, "stat"))
	if err != nil {
		return 0
	}
	// The name before it stands in parentheses and may hold any character.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const parent = 1
	if len(fields) <= parent {
		return 0
	}
	id, _ := strconv.Atoi(fields[parent])
	return id
}

// option returns the value of the option as "--name=value", "--name value" or, for short names, "-n value".
func (p program) option(names ...string) (value string, ok bool) {
	for i, arg := range p.args {
		for _, name := range names {
			if value, ok := strings.CutPrefix(arg, name+"="); ok {
				return value, true
			}
			if arg == name && i+1 < len(p.args) {
				return p.args[i+1], true
			}
		}
	}
	return "", false
}

// openFiles is how many files and connections the process may have open, 0 where it cannot be read.
func (p program) openFiles() uint64 {
	limits, err := os.ReadFile(filepath.Join(p.dir, "limits"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(limits)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			soft, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
			n, _ := strconv.ParseUint(soft, 10, 64)
			return n
		}
	}
	return 0
}

// cwd is the directory in which the process works, empty where it cannot be seen.
func (p program) cwd() string {
	dir, err := os.Readlink(filepath.Join(p.dir, "cwd"))
	if err != nil {
		return ""
	}
	return dir
}

// maxConfFile bounds the configuration files that are read, in bytes.
const maxConfFile = 1 << 20

var errNoSuchPath = errors.New("the path is relative, and where the program runs cannot be seen")

// path makes a name that is relative to where the process works absolute, if that can be seen.
func (p program) path(name string) string {
	if dir := p.cwd(); dir != "" && !filepath.IsAbs(name) {
		return filepath.Join(dir, name)
	}
	return name
}

// read reads a file as the process sees it: relative to where it works, and in its own container.
func (p program) read(name string) ([]byte, error) {
	if name = p.path(name); !filepath.IsAbs(name) {
		return nil, errNoSuchPath
	}
	if text, err := readSmall(filepath.Join(p.dir, "root", name)); err == nil {
		return text, nil
	}
	// Another user's root cannot be looked into; most often it is this one's as well.
	return readSmall(name)
}

// readAll reads the files of a directory that match the pattern, by name, as the process sees them; it leaves out those
// that cannot be read.
func (p program) readAll(dir, pattern string) (texts []string) {
	dir = p.path(dir)
	found, _ := filepath.Glob(filepath.Join(p.dir, "root", dir, pattern)) // the patterns are well-formed
	if len(found) == 0 {
		found, _ = filepath.Glob(filepath.Join(dir, pattern))
	}
	for _, name := range found {
		if text, err := readSmall(name); err == nil {
			texts = append(texts, string(text))
		}
	}
	return texts
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxConfFile))
}

// isLocal tells whether the host is this machine.
func isLocal(ctx context.Context, host string) bool {
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return false
	}
	own, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if a.IP.IsLoopback() {
			return true
		}
		for _, o := range own {
			if network, ok := o.(*net.IPNet); ok && network.IP.Equal(a.IP) {
				return true
			}
		}
	}
	return false
}
