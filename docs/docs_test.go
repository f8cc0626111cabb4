// Package docs checks that the documents speak of what is there.
package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// code is the text of all files of the repository whose names end so.
func code(t *testing.T, suffix string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, suffix) {
			return err
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestEveryTestThatIsNamedIsThere(t *testing.T) {
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(code(t, "_test.go"), -1) {
		there[m[1]] = true
	}
	named := regexp.MustCompile(`\bTest[A-Z]\w+`)
	check := func(where, text string) {
		for _, test := range named.FindAllString(text, -1) {
			if !there[test] {
				t.Errorf("%s names %s, which is no test", where, test)
			}
		}
	}
	for name, d := range documents(t) {
		check(name, d.text)
	}
	for command, reason := range checkedElsewhere {
		check(command, reason)
	}
}

// The application of the end-to-end test has the how-to's view, to the letter.
func TestTheDjangoViewIsTheOneThatIsTested(t *testing.T) {
	view, err := os.ReadFile("../e2e/testdata/django/community/views.py")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(documents(t)["authentication.md"].text, "```python\n# views.py\n"+string(view)+"```\n") {
		t.Error("authentication.md shows another view")
	}
}

func TestEveryMetricThatIsNamedIsThere(t *testing.T) {
	all := documents(t)
	named := regexp.MustCompile("`(griphub_[a-z_]+)[`{]")
	for name, d := range all {
		for _, m := range named.FindAllStringSubmatch(d.text, -1) {
			if !notMetrics[m[1]] && !strings.Contains(all["reference/metrics.md"].text, "| `"+m[1]+"` |") {
				t.Errorf("%s names %s, which is no metric", name, m[1])
			}
		}
	}
}

// notMetrics are names that look like metrics: a cookie, and a function of an application.
var notMetrics = map[string]bool{"griphub_token": true, "griphub_auth": true}
