package web

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"

	"github.com/gin-gonic/gin"
)

// cdn serves every file of every package that npm has, as {package}@{version}/{file}.
const cdn = "https://cdn.jsdelivr.net/npm/"

// assetName is {package}@{version}/{file}; the package may have a scope.
var assetName = regexp.MustCompile(`^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*@[0-9][0-9A-Za-z.+-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`)

// asset serves third-party browser code, whose address holds its version: from the configured directory or, where there is
// none, from a public CDN. Pages name the integrity of what they load.
func (s *Server) asset(c *gin.Context) error {
	name := param(c.Request, "file")[1:]
	contentType, known := staticTypes[path.Ext(name)]
	if !known || !assetName.MatchString(name) {
		return errNoFile
	}
	// A page's integrity checks need an answer that its site may read.
	c.Header("Access-Control-Allow-Origin", "*")
	if s.opts.AssetsDir == "" {
		c.Header("Cache-Control", "public, max-age=86400")
		c.Redirect(http.StatusFound, cdn+name)
		return nil
	}
	body, err := readAsset(s.opts.AssetsDir, name)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoFile
	}
	if err != nil {
		return fmt.Errorf("asset: %w", err)
	}
	c.Header("Cache-Control", "public, max-age=31536000, immutable")
	c.Header("X-Content-Type-Options", "nosniff")
	c.Data(http.StatusOK, contentType, body)
	return nil
}

// readAsset reads a file in the directory, and none to which a link in it leads elsewhere.
func readAsset(dir, name string) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(file)
}

var errNoFile = &problem{status: http.StatusNotFound, code: "not-found", message: "There is no such file."}
