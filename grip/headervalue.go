package grip

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// validHeaderValue reports whether s can stand in a header without ending it
// or losing anything: UTF-8 without control characters and edge blanks.
func validHeaderValue(s string) bool { return validQuotable(s) && s == trimBlanks(s) }

// trimBlanks removes what HTTP takes for blanks around a value (RFC 9110
// section 5.6.3), unlike strings.TrimSpace, which knows more of them.
func trimBlanks(s string) string { return strings.Trim(s, " \t") }

// validQuotable reports whether s can stand within quotes in a header: as
// validHeaderValue, but blanks at the edges are safe there.
func validQuotable(s string) bool { return utf8.ValidString(s) && strings.IndexFunc(s, isControl) < 0 }

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// validToken reports whether s is a token of RFC 9110 section 5.6.2.
func validToken(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	}) < 0
}

func validateHeaders(h http.Header) error {
	for name, values := range h {
		if !validToken(name) {
			return fmt.Errorf("header name %q is not a token", name)
		}
		for _, value := range values {
			if !validHeaderValue(value) {
				return fmt.Errorf("header %s has bytes that cannot stand in a header", name)
			}
		}
	}
	return nil
}
