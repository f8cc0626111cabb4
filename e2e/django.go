package e2e

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// python is Debian's, which knows Debian's Django.
const python = "/usr/bin/python3"

// A Django is an application of Django's that runs: testdata/django, with accounts of its own.
type Django struct {
	// URL is its address, without a trailing slash.
	URL string
	dir string
	env []string
}

// StartDjango runs the application, and returns when it answers.
func StartDjango(t testing.TB) *Django {
	t.Helper()
	source, err := filepath.Abs("testdata/django")
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), freeAddr(t)
	d := &Django{URL: "http://" + address, dir: source, env: append(os.Environ(),
		"COMMUNITY_DATABASE="+filepath.Join(dir, "db.sqlite3"), "COMMUNITY_SECRET_KEY=only for tests", "PYTHONDONTWRITEBYTECODE=1")}
	d.manage(t, "migrate", "--verbosity", "0")
	p := startProcess(t, filepath.Join(dir, "django.log"), d.command("runserver", "--noreload", address))
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("Django's log:\n%s", p.output())
		}
	})
	Eventually(t, "Django answers", func() bool {
		answer, err := request(http.MethodGet, d.URL+"/griphub/auth", "", nil)
		return err == nil && answer.Status == http.StatusUnauthorized
	})
	return d
}

func (d *Django) command(args ...string) *exec.Cmd {
	cmd := exec.Command(python, append([]string{"manage.py"}, args...)...)
	cmd.Dir, cmd.Env = d.dir, d.env
	return cmd
}

func (d *Django) manage(t testing.TB, args ...string) {
	t.Helper()
	if out, err := d.command(args...).CombinedOutput(); err != nil {
		t.Fatalf("manage.py %s: %v\n%s", args[0], err, out)
	}
}

// AddUser adds an account in the groups.
func (d *Django) AddUser(t testing.TB, name, password string, groups ...string) {
	t.Helper()
	code := fmt.Sprintf("from django.contrib.auth.models import Group, User\nuser = User.objects.create_user(%q, password=%q)\n", name, password)
	for _, group := range groups {
		code += fmt.Sprintf("user.groups.add(Group.objects.get_or_create(name=%q)[0])\n", group)
	}
	d.manage(t, "shell", "--command", code)
}

// A Visitor is a browser at the application.
type Visitor struct {
	django *Django
	client *http.Client
}

// Visit returns a browser that has not been there before.
func (d *Django) Visit(t testing.TB) *Visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Visitor{d, &http.Client{Jar: jar, Timeout: 30 * time.Second}}
}

// Cookies are what the browser sends to all services of the host.
func (v *Visitor) Cookies(t testing.TB) http.Header {
	t.Helper()
	address, err := url.Parse(v.django.URL)
	if err != nil {
		t.Fatal(err)
	}
	var pairs []string
	for _, cookie := range v.client.Jar.Cookies(address) {
		pairs = append(pairs, cookie.String())
	}
	return http.Header{"Cookie": {strings.Join(pairs, "; ")}}
}

// Login fills in the form, and fails the test where it is refused.
func (v *Visitor) Login(t testing.TB, name, password string) {
	t.Helper()
	resp, err := v.client.Get(v.django.URL + "/accounts/login/")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // the cookie is what counts
	v.submit(t, "/accounts/login/", url.Values{"username": {name}, "password": {password}})
}

// Logout ends the session.
func (v *Visitor) Logout(t testing.TB) {
	t.Helper()
	v.submit(t, "/accounts/logout/", url.Values{})
}

// submit posts a form, which has to lead to the front page.
func (v *Visitor) submit(t testing.TB, path string, form url.Values) {
	t.Helper()
	address, err := url.Parse(v.django.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range v.client.Jar.Cookies(address) {
		if cookie.Name == "csrftoken" {
			form.Set("csrfmiddlewaretoken", cookie.Value)
		}
	}
	resp, err := v.client.PostForm(address.String(), form)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // where it has led to is what counts
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Path != "/" {
		t.Fatalf("%s leads to %s: %s", path, resp.Request.URL, resp.Status)
	}
}
