package config

import (
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

const (
	// envPrefix begins every environment variable that belongs to griphub.
	envPrefix = "GRIPHUB_"
	// fileVariable names the configuration file.
	fileVariable = envPrefix + "CONFIG"
	// gripVariable is what applications of this ecosystem read their proxy from; it stands for grip.urls.
	gripVariable = "GRIP_URL"
	gripKey      = "grip.urls"
)

// envName is the variable that sets the key of a path.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// griphubVariables picks the variables that concern griphub. Where a name occurs twice the last one holds, as for a shell.
func griphubVariables(environ []string) map[string]string {
	variables := make(map[string]string)
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if name == gripVariable || strings.HasPrefix(name, envPrefix) && !isServiceLink(name) {
			variables[name] = value
		}
	}
	return variables
}

// isServiceLink recognises what Kubernetes puts into the environment of every container beside a Service whose name begins
// with "griphub": GRIPHUB_SERVICE_HOST, GRIPHUB_PORT, GRIPHUB_PORT_8000_TCP_ADDR, GRIPHUB_OPS_SERVICE_PORT_HTTP and so on.
func isServiceLink(name string) bool {
	link := regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)
	return link.MatchString(strings.TrimPrefix(name, "GRIPHUB"))
}

// environment puts the variables' values into a Config. A variable that is empty sets an empty value.
func (d *decoder) environment(dst reflect.Value, variables map[string]string) {
	left := maps.Clone(variables)
	delete(left, fileVariable)
	eachValue(dst, "", func(f field, dst reflect.Value) {
		name := envName(f.path)
		if f.path == gripKey && variables[gripVariable] != "" {
			d.variable(dst, f, gripVariable, variables[gripVariable])
		}
		text, given := left[name]
		file := ""
		if holdsSecret(f.typ) {
			file = left[name+"_FILE"]
			delete(left, name+"_FILE")
		}
		delete(left, name)
		switch {
		case file != "" && text != "":
			d.source = source{name: "environment", variable: name, path: f.path}
			d.fail(f.path, nil, "give either %s or %s_FILE, not both", name, name)
		case file != "":
			d.source = source{name: "environment", variable: name + "_FILE", path: f.path + fileSuffix}
			d.secretFile(dst, f, textNode(file))
		case given:
			d.variable(dst, f, name, text)
		}
	})
	delete(left, gripVariable)
	d.source = source{name: "environment"}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		d.fail(name, nil, "unknown variable%s", didYouMean(nearest(name, envNames())))
	}
}

func (d *decoder) variable(dst reflect.Value, f field, name, text string) {
	d.source = source{name: "environment", variable: name, path: f.path}
	d.text(dst, f, text)
}

func envNames() []string {
	names := []string{fileVariable}
	for _, key := range Keys() {
		if key.Env == "" {
			continue
		}
		names = append(names, key.Env)
		if key.Secret {
			names = append(names, key.Env+"_FILE")
		}
	}
	return names
}
