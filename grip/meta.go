package grip

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// SetMeta is the value of Grip-Set-Meta: what filters may read of this hold.
// Names are tokens; values are text without control characters. The order is
// that of the names, so that equal meta makes equal headers.
func SetMeta(meta map[string]string) (string, error) {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		if err := validateMeta(name, meta[name]); err != nil {
			return "", err
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(name + `="` + escape.Replace(meta[name]) + `"`)
	}
	return b.String(), nil
}

func validateMeta(name, value string) error {
	if !validToken(name) {
		return fmt.Errorf("meta name %q is not a token", name)
	}
	if !validQuotable(value) {
		return fmt.Errorf("meta %s: value cannot stand in a header", name)
	}
	return nil
}
