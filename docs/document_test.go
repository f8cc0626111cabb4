package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// A document is a file in Markdown, as far as tests look into it.
type document struct {
	// name is relative to this directory.
	name, text string
	links      []string
	// anchors are what links to its headings may name.
	anchors []string
	blocks  []block
}

// A block is code in a document.
type block struct {
	// line is where its first line stands.
	line int
	// language is what a fence says; empty for indented code, which is commands.
	language string
	text     string
}

// documents are all documents of the repository by their names.
func documents(t *testing.T) map[string]*document {
	t.Helper()
	all := make(map[string]*document)
	for _, pattern := range []string{"*.md", "reference/*.md", "../*.md", "../examples/*/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = readDocument(name, source)
		}
	}
	if len(all) < 20 {
		t.Fatalf("found only %d documents", len(all))
	}
	return all
}

func readDocument(name string, source []byte) *document {
	d := &document{name: name, text: string(source)}
	lineOf := func(offset int) int { return bytes.Count(source[:offset], []byte("\n")) + 1 }
	add := func(language string, lines *text.Segments) {
		if lines.Len() > 0 {
			d.blocks = append(d.blocks, block{lineOf(lines.At(0).Start), language, string(lines.Value(source))})
		}
	}
	root := goldmark.DefaultParser().Parse(text.NewReader(source))
	// The walk's error is that of the function, which has none.
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			d.links = append(d.links, string(n.Destination))
		case *ast.Image:
			d.links = append(d.links, string(n.Destination))
		case *ast.Heading:
			d.anchors = append(d.anchors, d.anchor(string(n.Lines().Value(source))))
		case *ast.FencedCodeBlock:
			add(string(n.Language(source)), n.Lines())
		case *ast.CodeBlock:
			add("", n.Lines())
		}
		return ast.WalkContinue, nil
	})
	return d
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N} _-]`)

// anchor is what GitHub calls a heading; one that is there already gets a number.
func (d *document) anchor(heading string) string {
	name := strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
	for candidate, n := name, 0; ; candidate = name + "-" + string(rune('0'+n)) {
		if !slices.Contains(d.anchors, candidate) {
			return candidate
		}
		n++
	}
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	all := documents(t)
	for name, d := range all {
		for _, link := range d.links {
			if strings.Contains(link, "://") {
				continue
			}
			file, anchor, _ := strings.Cut(link, "#")
			target := name
			if file != "" {
				target = strings.TrimPrefix(filepath.Join(filepath.Dir(name), file), "../docs/")
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", name, link, err)
			} else if other := all[target]; anchor != "" && (other == nil || !slices.Contains(other.anchors, anchor)) {
				t.Errorf("%s links to %s, where no such heading is", name, link)
			}
		}
	}
}

// Whoever looks for a page finds it in the index, and on the front page.
func TestEveryPageIsInTheIndex(t *testing.T) {
	all := documents(t)
	for name := range all {
		if strings.HasPrefix(name, "../") || name == "README.md" {
			continue
		}
		if !slices.Contains(all["README.md"].links, name) {
			t.Errorf("docs/README.md does not link to %s", name)
		}
		if !slices.Contains(all["../README.md"].links, "docs/"+name) {
			t.Errorf("README.md does not link to docs/%s", name)
		}
	}
}
