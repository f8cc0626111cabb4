// Package client is the browser client of griphub: one source in JavaScript, and the forms that browsers load.
package client

import (
	"crypto/sha256"
	_ "embed" // for what follows
	"fmt"
	"strings"
)

//go:embed griphub.js
var source string

//go:embed htmx-griphub.js
var extension string

// Types are the client's types for TypeScript.
//
//go:embed griphub.d.ts
var Types string

// Scripts are the forms of the client.
type Scripts struct {
	// Module is an ES module, which exports connect and DjangoRealtime.
	Module string
	// Classic is a script that sets window.griphub, and the SharedWorker that both forms use.
	Classic string
	// HTMX is the extension of htmx 2 for streams, with the client in it.
	HTMX string
	// Version changes with the source: tabs of different versions do not speak with each other.
	Version string
}

// Build puts the lines around the source that make it each form.
func Build() Scripts {
	body := withoutComments(source)
	version := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))[:12]
	constants := fmt.Sprintf("const VERSION = %q, ", version)
	return Scripts{
		Version: version,
		Module:  constants + "HERE = import.meta.url, AUTO = undefined;\n" + body + "export { connect, DjangoRealtime };\n",
		// A worker has no document, and no script in it.
		Classic: "(() => {\n" + constants +
			"{ src: HERE, dataset: { connect: AUTO } = {} } = globalThis.document?.currentScript ?? { src: location.href };\n" +
			body + "globalThis.griphub = { connect };\n})();\n",
		HTMX: "(() => {\n" + constants + "HERE = document.currentScript.src, AUTO = undefined;\n" + body + withoutComments(extension) + "})();\n",
	}
}

// withoutComments leaves out lines that are comments or empty, and indentation: there is no text of several lines in the
// source in which they would mean something.
func withoutComments(source string) string {
	var out strings.Builder
	for line := range strings.Lines(source) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			out.WriteString(line + "\n")
		}
	}
	return out.String()
}
