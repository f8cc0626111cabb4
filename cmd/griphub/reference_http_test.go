package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

const httpHead = `# HTTP

Every route that browsers, devices' pages and applications use, from the OpenAPI 3.1 document that griphub serves at
` + "`/api/openapi.json` and `/api/openapi.yaml`" + `. Each answer below is given by a test (` + "`web` TestTheInterfaceIsDescribedAsItIs" + `).
How to use them is told in [Using the streams](../streams.md) and [Publishing](../publishing.md). The addresses for operators, on
` + "`ops_listen`" + `, are ` + "`/metrics`, `/healthz`, `/readyz` and `/debug/pprof/`" + `.

`

// writeHTTP writes what the hub says of its routes.
func writeHTTP(t *testing.T, b *strings.Builder, h *hub) {
	t.Helper()
	document := openAPI(t, h)
	b.WriteString(httpHead)
	fmt.Fprintln(b, strings.TrimSpace(document.Info.Description))
	for _, tag := range document.Tags {
		fmt.Fprintf(b, "\n## %s\n\n%s.\n", tag.Name, tag.Description)
		for _, path := range slices.Sorted(maps.Keys(document.Paths.Map())) {
			operations := document.Paths.Value(path).Operations()
			for _, method := range slices.Sorted(maps.Keys(operations)) {
				if slices.Contains(operations[method].Tags, tag.Name) {
					writeOperation(b, method, path, operations[method])
				}
			}
		}
	}
	b.WriteString("\n## Objects\n")
	for _, name := range slices.Sorted(maps.Keys(document.Components.Schemas)) {
		writeObject(b, name, document.Components.Schemas[name].Value)
	}
}

func writeOperation(b *strings.Builder, method, path string, o *openapi3.Operation) {
	fmt.Fprintf(b, "\n### %s %s\n\n%s.\n", method, path, o.Summary)
	if o.Description != "" {
		fmt.Fprintf(b, "\n%s\n", strings.TrimSpace(o.Description))
	}
	if len(o.Parameters) > 0 {
		b.WriteString("\n| parameter | in | is | |\n|---|---|---|---|\n")
		for _, p := range o.Parameters {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Value.Name, p.Value.In, kindOf(p.Value.Schema), cell(p.Value.Description))
		}
	}
	if o.RequestBody != nil {
		body := o.RequestBody.Value
		b.WriteString("\n| body | is |\n|---|---|\n")
		for _, kind := range slices.Sorted(maps.Keys(body.Content)) {
			fmt.Fprintf(b, "| `%s` | %s |\n", kind, kindOf(body.Content[kind].Schema))
		}
	}
	b.WriteString("\n| status | answer | means |\n|---|---|---|\n")
	responses := o.Responses.Map()
	for _, status := range slices.Sorted(maps.Keys(responses)) {
		r := responses[status].Value
		var kinds []string
		for _, kind := range slices.Sorted(maps.Keys(r.Content)) {
			text := "`" + kind + "`"
			if strings.HasSuffix(kind, "json") {
				text += ": " + kindOf(r.Content[kind].Schema)
			}
			kinds = append(kinds, text)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", status, strings.Join(kinds, ", "), cell(*r.Description))
	}
}

func writeObject(b *strings.Builder, name string, s *openapi3.Schema) {
	fmt.Fprintf(b, "\n### %s\n\n", name)
	if s.Description != "" {
		fmt.Fprintf(b, "%s\n\n", strings.TrimSpace(s.Description))
	}
	if len(s.Properties) == 0 {
		fmt.Fprintf(b, "%s\n", kindOf(&openapi3.SchemaRef{Value: s}))
		return
	}
	b.WriteString("| member | is | |\n|---|---|---|\n")
	for _, member := range slices.Sorted(maps.Keys(s.Properties)) {
		mark := ""
		if slices.Contains(s.Required, member) {
			mark = ", always there"
		}
		p := s.Properties[member]
		description := ""
		if p.Ref == "" {
			description = p.Value.Description
		}
		fmt.Fprintf(b, "| `%s` | %s%s | %s |\n", member, kindOf(p), mark, cell(description))
	}
}

// kindOf is a schema in a few words: its name where it has one, else its type with its bounds.
func kindOf(s *openapi3.SchemaRef) string {
	if s == nil || s.Value == nil {
		return "anything"
	}
	if s.Ref != "" {
		name := s.Ref[strings.LastIndex(s.Ref, "/")+1:]
		return fmt.Sprintf("[%s](#%s)", name, strings.ToLower(name))
	}
	v := s.Value
	switch {
	case len(v.OneOf) > 0:
		return alternatives(v.OneOf)
	case len(v.AnyOf) > 0:
		return alternatives(v.AnyOf)
	case len(v.Enum) > 0:
		return oneOf(v.Enum)
	case v.Type == nil:
		return "anything"
	}
	text := strings.Join(v.Type.Slice(), " or ")
	switch {
	case v.Type.Is("array"):
		text = "array of " + kindOf(v.Items) + bounds(float64(v.MinItems), v.MaxItems)
	case v.Type.Is("object") && len(v.Properties) > 0:
		members := slices.Sorted(maps.Keys(v.Properties))
		for i, name := range members {
			members[i] = "`" + name + "`: " + kindOf(v.Properties[name])
		}
		text = "{ " + strings.Join(members, ", ") + " }"
	case v.Type.Is("string"):
		text += bounds(float64(v.MinLength), v.MaxLength)
	case v.Min != nil || v.Max != nil:
		least := 0.0
		if v.Min != nil {
			least = *v.Min
		}
		text += fmt.Sprintf(", from %g", least)
		if v.Max != nil {
			text += fmt.Sprintf(" to %g", *v.Max)
		}
	}
	if v.Default != nil {
		text += ", default " + word(v.Default)
	}
	return text
}

func alternatives(list openapi3.SchemaRefs) string {
	kinds := make([]string, len(list))
	for i, s := range list {
		kinds[i] = kindOf(s)
	}
	return strings.Join(kinds, ", or ")
}

func oneOf(list []any) string {
	words := make([]string, len(list))
	for i, value := range list {
		words[i] = word(value)
	}
	return strings.Join(words, ", ")
}

func word(value any) string {
	if text, ok := value.(string); ok {
		return "`" + cmp.Or(text, `""`) + "`"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	return "`" + string(text) + "`"
}

func bounds(least float64, most *uint64) string {
	switch {
	case most != nil && least > 1:
		return fmt.Sprintf(", %g to %d", least, *most)
	case most != nil:
		return fmt.Sprintf(", at most %d", *most)
	}
	return ""
}
