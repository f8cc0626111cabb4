package web

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for what follows
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
)

//go:embed client/griphub.js
var clientSource string

//go:embed client/griphub.d.ts
var clientTypes string

// registerClient serves the browser client: /griphub.mjs is an ES module and /griphub.js a classic script, which also is the
// SharedWorker that both use. Where a page imports /griphub.js, it gets the module.
func (s *Server) registerClient(r gin.IRouter) {
	source := withoutComments(clientSource)
	version := fmt.Sprintf("%x", sha256.Sum256([]byte(source)))[:12]
	constants := fmt.Sprintf("const VERSION = %q, ", version)
	module := constants + "HERE = import.meta.url, AUTO = undefined;\n" + source + "export { connect, DjangoRealtime };\n"
	classic := "(() => {\n" + constants +
		`{ src: HERE, dataset: { connect: AUTO } = {} } = globalThis.document?.currentScript ?? { src: globalThis.location.href };` +
		"\n" + source + "globalThis.griphub = { connect };\n})();\n"

	const javaScript = "text/javascript; charset=utf-8"
	serve := func(path string, form func(*http.Request) (contentType, body string)) {
		h := func(c *gin.Context) {
			contentType, body := form(c.Request)
			header := c.Writer.Header()
			header.Set("Content-Type", contentType)
			header.Set("ETag", fmt.Sprintf("%q", version+"-"+fmt.Sprint(len(body))))
			header.Set("Cache-Control", "no-cache")
			header.Add("Vary", "Sec-Fetch-Mode, Sec-Fetch-Dest")
			header.Set("X-Content-Type-Options", "nosniff")
			if header.Get("Access-Control-Allow-Origin") == "" {
				// Pages of any site may load it; what it may read there is another matter.
				header.Set("Access-Control-Allow-Origin", "*")
			}
			http.ServeContent(c.Writer, c.Request, "", time.Time{}, bytes.NewReader([]byte(body)))
		}
		r.GET(path, h)
		r.HEAD(path, h)
	}
	serve("/griphub.js", func(r *http.Request) (string, string) {
		// An import is fetched in the mode "cors", a classic script or a worker in another (Fetch Metadata). Browsers say so
		// over HTTPS and on their own machine; elsewhere the module has its own address.
		if r.Header.Get("Sec-Fetch-Mode") == "cors" && r.Header.Get("Sec-Fetch-Dest") == "script" {
			return javaScript, module
		}
		return javaScript, classic
	})
	serve("/griphub.mjs", func(*http.Request) (string, string) { return javaScript, module })
	serve("/griphub.d.ts", func(*http.Request) (string, string) { return "text/plain; charset=utf-8", clientTypes })
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
