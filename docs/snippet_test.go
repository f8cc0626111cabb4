package docs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"go/format"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/griphub/griphub/e2e"
)

// languages are those in which code is fenced, each with what holds it; nil where nothing can.
var languages = map[string]func(t *testing.T, code string) error{
	"yaml":   configuration,
	"json":   isJSON,
	"js":     isJavaScript,
	"python": isPython,
	"go":     isGo,
	"html":   nil, // pages are opened in a browser by tests of their own
	"ini":    nil, // pushpin.conf
	"text":   nil, // what programs say, drawings, crontabs
	"nginx":  nil,
	"php":    isPHP,
	"ruby":   nil, // the page says that no test runs it
}

// Code in the documents is what it says it is. Configuration of griphub is taken by griphub.
func TestCodeInTheDocumentsIsWellFormed(t *testing.T) {
	for name, d := range documents(t) {
		for _, b := range d.blocks {
			if b.isCommands() {
				continue
			}
			check, ok := languages[b.language]
			if !ok {
				t.Errorf("%s:%d: nothing is known of the language %q", name, b.line, b.language)
			} else if check != nil {
				if err := check(t, b.text); err != nil {
					t.Errorf("%s:%d: %v", name, b.line, err)
				}
			}
		}
	}
}

var shortDigest = regexp.MustCompile(`sha256:[0-9a-f]*…`)

// configuration is griphub's, unless the first line is a comment that names another program's file. What a reader has to fill in (…) is
// filled in, and files that it names are there.
func configuration(t *testing.T, code string) error {
	if strings.HasPrefix(code, "# ") {
		return yaml.Unmarshal([]byte(code), new(any))
	}
	dir := t.TempDir()
	for _, name := range regexp.MustCompile(`/etc/griphub/[\w.-]+`).FindAllString(code, -1) {
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(sceneSecret), 0o600); err != nil {
			return err
		}
	}
	code = strings.ReplaceAll(code, "/etc/griphub/", dir+"/")
	code = shortDigest.ReplaceAllStringFunc(code, func(short string) string {
		digest := strings.TrimSuffix(short, "…")
		return digest + strings.Repeat("0", len("sha256:")+hex.EncodedLen(sha256.Size)-len(digest))
	})
	code = strings.ReplaceAll(code, "…", sceneSecret)
	file := filepath.Join(dir, "griphub.yaml")
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		return err
	}
	if result := (e2e.Command{Args: []string{"config", "print", "--config", file}}).Run(t); result.Code != 0 {
		return fmt.Errorf("griphub does not take it: %s", result.Stderr)
	}
	return nil
}

func isJSON(_ *testing.T, code string) error {
	for d := json.NewDecoder(strings.NewReader(code)); ; {
		var value any
		if err := d.Decode(&value); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func isJavaScript(t *testing.T, code string) error {
	return reads(t, code, ".mjs", "node", "--check")
}

func isPython(t *testing.T, code string) error {
	return reads(t, code, ".py", "/usr/bin/python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())")
}

func isPHP(t *testing.T, code string) error { return reads(t, code, ".php", "php", "-l") }

// reads lets a program read the code from a file.
func reads(t *testing.T, code, extension, program string, args ...string) error {
	file := filepath.Join(t.TempDir(), "code"+extension)
	if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
		return err
	}
	if out, err := exec.Command(program, append(args, file)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// isGo takes parts of a file as well. A line of … stands for what is left out.
func isGo(_ *testing.T, code string) error {
	_, err := format.Source([]byte(strings.ReplaceAll(code, "…", "_ = 0")))
	return err
}
