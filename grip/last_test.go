package grip

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseLast(t *testing.T) {
	for name, c := range map[string]struct {
		values []string
		want   []Last
	}{
		"none":                 {nil, nil},
		"one":                  {[]string{"a; last-id=1"}, []Last{{"a", "1"}}},
		"several headers":      {[]string{"b; last-id=2", "a; last-id=1"}, []Last{{"b", "2"}, {"a", "1"}}},
		"joined":               {[]string{"a; last-id=1, b;last-id=x:y"}, []Last{{"a", "1"}, {"b", "x:y"}}},
		"names with specials":  {[]string{"events-a%2Cb c=d'é; last-id=1=2"}, []Last{{"events-a%2Cb c=d'é", "1=2"}}},
		"parameter in capital": {[]string{"a; Last-Id = 1"}, []Last{{"a", "1"}}},
		"other parameters":     {[]string{"a; x=y; last-id=1; z"}, []Last{{"a", "1"}}},
		"empty header":         {[]string{"", "a; last-id=1"}, []Last{{"a", "1"}}},
	} {
		got, err := ParseLast(c.values)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}

func TestParseLastRefusesWhatNoProxyWrites(t *testing.T) {
	for _, value := range []string{
		"a", "a;", "a; last-id", "a; last-id=", "; last-id=1", ",", "a; last-id=1,", "a; last-id=1,,b; last-id=2",
		"a; last-id=1; last-id=2", `a"; last-id=1`, "a\nb; last-id=1", "\xff; last-id=1", "a; last-id=\x00",
		strings.Repeat("a; last-id=1,", maxLast) + "a; last-id=1",
	} {
		if got, err := ParseLast([]string{value}); err == nil {
			t.Errorf("%.100q became %.3v", value, got)
		} else if len(err.Error()) > 500 {
			t.Errorf("%.100q: error of %d bytes", value, len(err.Error()))
		}
	}
}

func TestParseFeatures(t *testing.T) {
	f := ParseFeatures([]string{"status, link:next ,,filter:build-id", "status,link:gone, not a name, \xff, \"x\""})
	want := Features{FeatureStatus, FeatureLinkNext, FeatureFilter(FilterBuildID), FeatureLinkGone}
	if !reflect.DeepEqual(f, want) {
		t.Errorf("features are %q, want %q", f, want)
	}
	if !f.Has(FeatureLinkGone) || f.Has(FeatureSession) || Features(nil).Has(FeatureStatus) {
		t.Error("Has tells wrong")
	}
}
