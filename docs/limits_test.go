package docs

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A source is what stands in a package's files: its constants, and the fields that literals set, with their values.
type source struct{ constants, fields map[string]string }

func readSource(t *testing.T, dir string) source {
	t.Helper()
	constants, fields := map[string]string{}, map[string]string{}
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the package %s: %v", dir, err)
	}
	set := token.NewFileSet()
	text := func(x ast.Expr) string {
		var b bytes.Buffer
		if err := printer.Fprint(&b, set, x); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			group, ok := d.(*ast.GenDecl)
			if !ok || group.Tok != token.CONST {
				continue
			}
			for _, s := range group.Specs {
				for i, value := range s.(*ast.ValueSpec).Values {
					constants[s.(*ast.ValueSpec).Names[i].Name] = text(value)
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if pair, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.Ident); ok {
					fields[key.Name] = text(pair.Value)
				}
			}
			return true
		})
	}
	return source{constants, fields}
}

var limitPattern = regexp.MustCompile("`([a-z/]+)` `(\\w+)` `([^`]+)`")

func TestEachLimitIsThere(t *testing.T) {
	told, read := map[string]bool{}, map[string]source{}
	limits := func(dir string) source {
		if _, ok := read[dir]; !ok {
			read[dir] = readSource(t, dir)
		}
		return read[dir]
	}
	for _, m := range limitPattern.FindAllStringSubmatch(documents(t)[filepath.Join("reference", "limits.md")].text, -1) {
		value, ok := limits(m[1]).constants[m[2]]
		if !ok {
			value, ok = limits(m[1]).fields[m[2]]
		}
		if !ok || value != m[3] {
			t.Errorf("the page says that %s in %s is %s, and it is %q", m[2], m[1], m[3], value)
		}
		told[m[1]+" "+m[2]] = true
	}

	// No limits of what others send: bounds of our own making, and those of formats.
	for _, other := range []string{
		"grip MaxFilters", "grip maxControlMessage", "grip maxControlPayload", "grip maxWSLengthDigits", "grip maxInt32",
		"devices maxLatitude", "devices maxLongitude", "devices maxLook", "web maxDashboardStreams", "pushpin maxFiles",
	} {
		told[other] = true
	}
	limit := regexp.MustCompile(`^[mM]ax[A-Z]`)
	for _, root := range []string{"grip", "channels", "devices", "mqttbridge", "pushpin", "store", "web", "webhook", "fragments", "cmd"} {
		err := filepath.WalkDir(filepath.Join("..", root), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			dir := filepath.ToSlash(strings.TrimPrefix(path, ".."+string(filepath.Separator)))
			if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) == 0 || strings.HasSuffix(dir, "test") || strings.HasSuffix(dir, "doctor") {
				return nil
			}
			for name := range limits(dir).constants {
				if limit.MatchString(name) && !told[dir+" "+name] {
					t.Errorf("the page does not tell of %s in %s", name, dir)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
