package web

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/gin-gonic/gin"
	"go.yaml.in/yaml/v3"
)

//go:embed openapi/*.yaml
var openapiFiles embed.FS

// registerOpenAPI serves the description of the HTTP interface (OpenAPI 3.1).
func (s *Server) registerOpenAPI(r gin.IRouter) error {
	document, err := openapiDocument(openapiFiles)
	if err != nil {
		return fmt.Errorf("OpenAPI document: %w", err)
	}
	asJSON, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("OpenAPI document: %w", err)
	}
	asYAML, err := yaml.Marshal(document)
	if err != nil {
		return fmt.Errorf("OpenAPI document: %w", err)
	}
	serve := func(path, contentType string, body []byte) {
		h := func(c *gin.Context) {
			c.Header("Cache-Control", "no-cache")
			c.Data(http.StatusOK, contentType, body)
		}
		r.GET(path, h)
		r.HEAD(path, h)
	}
	serve("/api/openapi.json", "application/json", asJSON)
	serve("/api/openapi.yaml", "application/yaml", asYAML)
	return nil
}

// openapiDocument puts the parts together: openapi.yaml, and what the others add to its paths and components.
func openapiDocument(parts fs.FS) (map[string]any, error) {
	names, err := fs.Glob(parts, "openapi/*.yaml")
	if err != nil {
		return nil, err
	}
	whole := make(map[string]any)
	for _, name := range names {
		text, err := fs.ReadFile(parts, name)
		if err != nil {
			return nil, err
		}
		var part map[string]any
		if err := yaml.Unmarshal(text, &part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := merge(whole, part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return whole, nil
}

// merge adds what is in another tree, in which nothing may stand that is there already.
func merge(into, from map[string]any) error {
	for key, value := range from {
		present, both := into[key]
		if !both {
			into[key] = value
			continue
		}
		branch, ok := present.(map[string]any)
		other, alike := value.(map[string]any)
		if !ok || !alike {
			return fmt.Errorf("%s: is there already", key)
		}
		if err := merge(branch, other); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}
