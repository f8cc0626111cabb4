package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/griphub/griphub/web/admin"
)

func TestATokenOpensTheDoor(t *testing.T) {
	s := open(t)
	s.as = ""
	for token, want := range map[string]int{
		"": http.StatusUnauthorized, "forged": http.StatusUnauthorized, "expired.admin": http.StatusUnauthorized, "7": http.StatusForbidden,
		"o;ps.admin": http.StatusUnauthorized, "undecided": http.StatusServiceUnavailable,
	} {
		if w := s.send("/admin/sign-in", "token", token); w.Code != want || w.Header().Get("Set-Cookie") != "" || strings.Contains(w.Body.String(), "SECRET") {
			t.Errorf("%q: %d %q", token, w.Code, w.Header().Get("Set-Cookie"))
		}
	}
	w := s.send("/admin/sign-in", "token", " ops.admin\n", "next", "/admin/devices?text=a")
	if w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/admin/devices?text=a" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	if got, want := w.Header().Get("Set-Cookie"), "griphub_token=ops.admin; Path=/; Expires=Thu, 16 Jan 2025 12:00:00 GMT; HttpOnly; SameSite=Lax"; got != want {
		t.Errorf("the cookie is %q, want %q", got, want)
	}
	page := s.do(http.MethodGet, "/admin", "", "Cookie", "griphub_token=ops.admin")
	if page.Code != http.StatusOK || !strings.Contains(page.Body.String(), "Sign out") {
		t.Errorf("with it: %d", page.Code)
	}
	if strings.Contains(open(t).page("/admin"), "Sign out") {
		t.Error("who has no cookie is offered to sign out")
	}
	s.as = "ops admin"
	if w := s.send("/admin/sign-out"); w.Code != http.StatusSeeOther || !strings.Contains(w.Header().Get("Set-Cookie"), "griphub_token=; Path=/; Expires=Thu, 01 Jan 1970 00:00:01 GMT; HttpOnly") {
		t.Errorf("signing out: %d %q", w.Code, w.Header().Get("Set-Cookie"))
	}
}

func TestTheCookieStaysOnHTTPS(t *testing.T) {
	s := open(t)
	s.as = ""
	body := "token=ops.admin&form=" + s.formToken("")
	for _, fields := range [][]string{{"X-Forwarded-Proto", "https"}, {"Origin", "https://example.com", "Sec-Fetch-Site", "same-origin"}} {
		if w := s.do(http.MethodPost, "/admin/sign-in", body, fields...); !strings.HasSuffix(w.Header().Get("Set-Cookie"), "; HttpOnly; Secure; SameSite=Lax") {
			t.Errorf("%v: %d %q", fields, w.Code, w.Header().Get("Set-Cookie"))
		}
	}
}

func TestASignInLeadsNowhereElse(t *testing.T) {
	s := open(t)
	s.as = ""
	for _, next := range []string{"", "https://evil.test/admin", "//evil.test/admin", `/\evil.test`, "/administrator", "javascript:alert(1)", "/", "admin", "/admin/../x\r\nX: y"} {
		if w := s.send("/admin/sign-in", "token", "ops.admin", "next", next); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/admin" {
			t.Errorf("%q leads to %q", next, w.Header().Get("Location"))
		}
	}
	w := s.get("/admin/devices?text=%22%3E%3Cscript%3E")
	if !strings.Contains(w.Body.String(), `name="next" value="/admin/devices?text=%22%3E%3Cscript%3E"`) {
		t.Errorf("the form is %s", w.Body)
	}
}

func TestWhereNobodyHasATokenNobodySignsInWithOne(t *testing.T) {
	s := open(t, func(o *admin.Options) { o.Cookie = "" })
	s.as = ""
	if w := s.get("/admin"); w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), `name="token"`) || !strings.Contains(w.Body.String(), "X-Admin") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := s.send("/admin/sign-in", "token", "ops.admin"); w.Code != http.StatusNotFound || w.Header().Get("Set-Cookie") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestOtherSitesDoNotReadThePages(t *testing.T) {
	s := open(t)
	for _, target := range []string{"/admin", "/admin/", "/admin/devices", "/admin/nowhere"} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			w := s.do(method, target, "", "Origin", "https://friend.test", "Access-Control-Request-Method", "GET")
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != "" {
				t.Errorf("%s %s: Access-Control-Allow-Origin is %q", method, target, got)
			}
		}
	}
	if w := s.do(http.MethodGet, "/", "", "Origin", "https://friend.test"); w.Header().Get("Access-Control-Allow-Origin") == "" {
		t.Error("a friend does not read the dashboard either")
	}
}
