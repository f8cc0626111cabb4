package grip

import (
	"slices"
	"strings"
)

// The features that proxies name. The list of what a proxy names is the test
// of what it can do; versions are not.
const (
	FeatureStatus   = "status"    // Grip-Status
	FeatureSession  = "session"   // Grip-Session-Id
	FeatureLinkNext = "link:next" // links of relation next
	FeatureLinkGone = "link:gone" // links of relation gone
)

// FeatureFilter is the feature that stands for a filter, such as [FilterBuildID].
func FeatureFilter(filter string) string { return "filter:" + filter }

// Features is what a proxy says that it can do (header Grip-Feature).
type Features []string

// ParseFeatures reads all values of Grip-Feature. Names that are unknown are
// kept; what is not a name at all is skipped, because it asserts nothing.
func ParseFeatures(values []string) Features {
	var features Features
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			name = trimBlanks(name)
			if validToken(strings.ReplaceAll(name, ":", "")) && !features.Has(name) {
				features = append(features, name)
			}
		}
	}
	return features
}

// Has reports whether the proxy names the feature.
func (f Features) Has(feature string) bool { return slices.Contains(f, feature) }
