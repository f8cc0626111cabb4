package config

import (
	"reflect"
	"strings"
)

// suggestion names the key that was probably meant: the most similar one of the same section, else the only key of that
// name anywhere.
func suggestion(section, name string, known map[string]field) string {
	var siblings []string
	for _, f := range known {
		siblings = append(siblings, f.name)
		if holdsSecret(f.typ) {
			siblings = append(siblings, f.name+fileSuffix)
		}
	}
	if best := nearest(name, siblings); best != "" {
		return didYouMean(join(section, best))
	}
	found := ""
	for _, f := range fieldsBelow(reflect.TypeFor[Config](), "") {
		if f.name != name || strings.Contains(f.path, "[]") {
			continue
		}
		if found != "" {
			return ""
		}
		found = f.path
	}
	return didYouMean(found)
}

func didYouMean(name string) string {
	if name == "" {
		return ""
	}
	return " (did you mean " + name + "?)"
}

// nearest returns the candidate that differs least from the word, or nothing if none is near. Of equally near ones the
// alphabetically first wins, so that messages do not change from run to run.
func nearest(word string, candidates []string) string {
	best, bestDistance := "", 1+max(1, min(3, len(word)/3))
	if len(word) > 64 {
		return "" // no key is that long, and the distance costs the product of the lengths
	}
	for _, candidate := range candidates {
		d := distance(strings.ToLower(word), strings.ToLower(candidate))
		if d < bestDistance || d == bestDistance && best != "" && candidate < best {
			best, bestDistance = candidate, d
		}
	}
	return best
}

// distance counts the letters that must be inserted, removed, replaced, or swapped with their neighbour.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
