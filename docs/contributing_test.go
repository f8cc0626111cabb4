package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What contributors are told to touch is there: files by their paths, names somewhere in the code.
func TestWhatContributorsAreToldToTouchIsThere(t *testing.T) {
	all := code(t, ".go")
	names := regexp.MustCompile("`([\\w./-]+)`").FindAllStringSubmatch(documents(t)["../CONTRIBUTING.md"].text, -1)
	if len(names) < 20 {
		t.Fatalf("found only %d names", len(names))
	}
	for _, m := range names {
		name := m[1]
		if strings.HasPrefix(name, "bin/") {
			continue // it is built
		}
		_, isFile := os.Stat(filepath.Join("..", name))
		_, member, _ := strings.Cut(name, ".")
		if member == "" {
			member = name
		}
		if isFile != nil && languages[name] == nil && !regexp.MustCompile(`\b`+member+`\b`).MatchString(all) {
			t.Errorf("CONTRIBUTING.md names %s, which is not there", name)
		}
	}
}
