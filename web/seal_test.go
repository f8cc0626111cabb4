package web

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	oldSecret = "an old secret of 24 byte"
	newSecret = "a new secret of 24 bytes"
)

var noon = time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)

func newTestSealer(t interface{ Fatal(...any) }, secrets ...string) *Sealer {
	s, err := NewSealer(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustSeal(t interface{ Fatal(...any) }, s *Sealer, purpose string, value any, expires time.Time) string {
	text, err := s.Seal(purpose, value, expires)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestNewSealerRefusesWeakSecrets(t *testing.T) {
	for _, secrets := range [][]string{nil, {""}, {"fifteen bytes.."}, {newSecret, "short"}} {
		if _, err := NewSealer(secrets...); err == nil {
			t.Errorf("NewSealer accepted %q", secrets)
		} else if len(secrets) > 0 && secrets[0] != "" && strings.Contains(err.Error(), secrets[0]) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

func TestASealOpensUntilItExpires(t *testing.T) {
	s := newTestSealer(t, newSecret)
	text := mustSeal(t, s, "link", map[string]int{"a": 1}, noon)
	for _, c := range []struct {
		now  time.Time
		want error
	}{{noon.Add(-time.Hour), nil}, {noon.Add(-time.Second), nil}, {noon, errSealExpired}, {noon.Add(time.Hour), errSealExpired}} {
		var value map[string]int
		if err := s.Open("link", text, &value, c.now); !errors.Is(err, c.want) || err == nil && value["a"] != 1 {
			t.Errorf("at %s: %v, %v", c.now, value, err)
		}
	}
}

func TestASealIsForOnePurpose(t *testing.T) {
	s := newTestSealer(t, newSecret)
	text := mustSeal(t, s, "cookie", "a:1", noon)
	var value string
	for _, purpose := range []string{"link", "", "cookie\x00", "cooki"} {
		if err := s.Open(purpose, text, &value, noon.Add(-1)); !errors.Is(err, errSealForged) {
			t.Errorf("a cookie opens as %q: %v", purpose, err)
		}
	}
}

func TestSecretsCanBeChanged(t *testing.T) {
	before, after := newTestSealer(t, oldSecret), newTestSealer(t, newSecret, oldSecret)
	var value string
	if err := after.Open("link", mustSeal(t, before, "link", "x", noon), &value, noon.Add(-1)); err != nil || value != "x" {
		t.Errorf("an earlier secret's text: %q, %v", value, err)
	}
	if err := before.Open("link", mustSeal(t, after, "link", "x", noon), &value, noon.Add(-1)); !errors.Is(err, errSealForged) {
		t.Errorf("the text is not signed with the first secret: %v", err)
	}
	if err := newTestSealer(t, newSecret).Open("link", mustSeal(t, before, "link", "x", noon), &value, noon.Add(-1)); !errors.Is(err, errSealForged) {
		t.Errorf("a secret that was dropped still opens: %v", err)
	}
}

func TestEqualValuesAreSealedAlike(t *testing.T) {
	s := newTestSealer(t, newSecret)
	type value struct {
		A string
		B []string
	}
	one := mustSeal(t, s, "link", value{"a", []string{"x"}}, noon)
	if two := mustSeal(t, s, "link", value{"a", []string{"x"}}, noon.Add(time.Millisecond)); one != two {
		t.Errorf("%q and %q", one, two)
	}
}

func TestASealStandsInPathsAndCookies(t *testing.T) {
	s := newTestSealer(t, newSecret)
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.String().Draw(t, "value")
		text := mustSeal(t, s, "link", want, noon)
		if url.PathEscape(text) != text || strings.ContainsAny(text, ",;=\" \\") {
			t.Fatalf("the text is %q", text)
		}
		var value string
		if err := s.Open("link", text, &value, noon.Add(-1)); err != nil || value != want {
			t.Fatalf("%q became %q, %v", want, value, err)
		}
	})
}

func TestNoChangedSealOpens(t *testing.T) {
	s := newTestSealer(t, newSecret)
	text := mustSeal(t, s, "link", "value", noon)
	refused := func(forged string) {
		t.Helper()
		value := "untouched"
		if err := s.Open("link", forged, &value, noon.Add(-1)); !errors.Is(err, errSealForged) || value != "untouched" {
			t.Errorf("%q opens: %q, %v", forged, value, err)
		}
	}
	for i := range text {
		refused(text[:i])
		refused(text[:i] + text[i+1:])
		for _, b := range []byte("A_.=\x00") {
			if changed := text[:i] + string(b) + text[i+1:]; changed != text {
				refused(changed)
			}
		}
	}
	body, mac, _ := strings.Cut(text, ".")
	other, _, _ := strings.Cut(mustSeal(t, s, "link", "other", noon), ".")
	for _, forged := range []string{
		"", ".", body, body + ".", "." + mac, other + "." + mac, text + ".", text + "A", text + "=", " " + text, text + "\n", body + ".." + mac,
		strings.Repeat("A", 1<<20) + "." + mac, strings.Repeat(".", 1<<20),
	} {
		refused(forged)
	}
}

func TestWhatCannotBeOpenedAgainIsNotSealed(t *testing.T) {
	s := newTestSealer(t, newSecret)
	for size := 1; size <= 2*maxSealed; size += 97 {
		want := strings.Repeat("<", size)
		text, err := s.Seal("link", want, noon)
		if err != nil {
			if size < maxSealed/2 {
				t.Fatalf("%d bytes: %v", size, err)
			}
			continue
		}
		var value string
		if err := s.Open("link", text, &value, noon.Add(-1)); err != nil || value != want {
			t.Fatalf("%d bytes do not open: %v", size, err)
		}
	}
}

func TestAValueOfAnotherShapeDoesNotOpen(t *testing.T) {
	s := newTestSealer(t, newSecret)
	var value struct{ A int }
	if err := s.Open("link", mustSeal(t, s, "link", []string{"x"}, noon), &value, noon.Add(-1)); err == nil {
		t.Errorf("it opened as %+v", value)
	}
}

// FuzzOpen holds that nothing opens that was not sealed.
func FuzzOpen(f *testing.F) {
	s := newTestSealer(f, newSecret)
	genuine := mustSeal(f, s, "link", "value", noon)
	for _, seed := range []string{genuine, genuine[:len(genuine)-1], "", ".", "e30.", "bnVsbA.AAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value := "untouched"
		err := s.Open("link", text, &value, noon.Add(-1))
		if (err == nil) != (text == genuine) || err != nil && value != "untouched" {
			t.Fatalf("%q: %q, %v", text, value, err)
		}
	})
}
