package web

import "strings"

// Routes are the routes of the server as "METHOD /path/{parameter}", in no particular order.
func (s *Server) Routes() []string {
	var routes []string
	for _, r := range s.engine.Routes() {
		routes = append(routes, r.Method+" "+openapiPath(r.Path))
	}
	return routes
}

// openapiPath is gin's path as OpenAPI writes it.
func openapiPath(path string) string {
	levels := strings.Split(path, "/")
	for i, level := range levels {
		if name, ok := strings.CutPrefix(level, ":"); ok {
			levels[i] = "{" + name + "}"
		}
	}
	return strings.Join(levels, "/")
}
