package config

import (
	"fmt"
	"io"
	"strings"
)

const referenceHead = `# Configuration

A value is taken from a flag, else from the environment, else from the file (` + "`griphub.yaml`" + `, or ` + "`--config FILE`" + `), else it has
its default. ` + "`griphub config check`" + ` names every mistake at once, ` + "`griphub config print`" + ` shows what holds and where each
value comes from. Any secret may be given as ` + "`…_file`" + `, the name of a file that holds it. What is bounded
and cannot be set has a page of its own: [limits](limits.md).

| key | environment | is | default | meaning |
|---|---|---|---|---|
`

// WriteReference writes the reference of all keys in Markdown, the file docs/reference/configuration.md.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, k := range Keys() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", k.Path, code(k.Env), k.Type, code(k.Default), k.meaning())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// meaning is the doc sentence with what the columns do not say.
func (k Key) meaning() string {
	text := k.Doc
	if len(k.OneOf) > 0 {
		text += " One of " + strings.Join(k.OneOf, ", ") + "."
	}
	if k.Secret {
		text += " Secret."
	}
	return strings.ReplaceAll(text, "|", `\|`)
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}
