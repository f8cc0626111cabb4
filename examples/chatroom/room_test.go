package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/griphub/griphub/e2e"
)

func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }

// A scene is a chat room with its griphub, both as processes of their own.
type scene struct {
	url string
	hub *e2e.Hub
}

// commands are the two that the README tells, without `go run`.
func commands(t *testing.T) (room, hub []string) {
	t.Helper()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^    go run \./(\S+)(.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(lines) != 2 || lines[0][1] != "examples/chatroom" || lines[1][1] != "cmd/griphub" {
		t.Fatalf("the README's commands are %q", lines)
	}
	return strings.Fields(lines[0][2]), strings.Fields(lines[1][2])
}

// start runs the README's commands, on ports of its own.
func start(t *testing.T) scene {
	t.Helper()
	roomArgs, hubArgs := commands(t)
	dir := t.TempDir()
	program := filepath.Join(dir, "chatroom")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the chat room: %v\n%s", err, out)
	}
	// The words after "dev"; what --config names, the chat room has to write.
	configured := ""
	for i, word := range hubArgs {
		if word == "--config" {
			configured = filepath.Join(dir, hubArgs[i+1])
		}
	}
	hub := e2e.NewDev(t, e2e.DevOptions{Args: []string{"--config", configured}})
	s := scene{url: "http://" + e2e.FreeAddr(t), hub: hub}
	chatroom := exec.Command(program, append(roomArgs, "-url", s.url, "-griphub", hub.URL(""))...)
	chatroom.Dir = dir
	e2e.StartProgram(t, chatroom)
	e2e.Eventually(t, "the chat room answers", func() bool {
		answer, err := http.Get(s.url + "/login/")
		return err == nil && answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
	hub.Start(t)
	hub.AwaitReady(t)
	return s
}

// A person uses the chat room without a browser.
type person struct {
	testing.TB
	url    string
	client http.Client
}

func (s scene) visitor(t *testing.T) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{TB: t, url: s.url, client: http.Client{
		Jar: jar, Timeout: e2e.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (s scene) person(t *testing.T, name string) *person {
	t.Helper()
	p := s.visitor(t)
	if status, _, where := p.post("/login/", url.Values{"username": {name}}); status != http.StatusSeeOther || where != "/" {
		t.Fatalf("%s is not let in: %d to %q", name, status, where)
	}
	return p
}

func (p *person) do(method, path string, form url.Values, fields ...string) (status int, body, location string) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, p.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
		if fields[i] == "Host" {
			r.Host = fields[i+1]
		}
	}
	answer, err := p.client.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.Fatal(err)
	}
	if policy := answer.Header.Get("Content-Security-Policy"); r.Host == r.URL.Host && (!strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe")) {
		p.Errorf("%s %s: the policy is %q", method, path, policy)
	}
	return answer.StatusCode, string(text), answer.Header.Get("Location")
}

func (p *person) get(path string) (status int, body string) {
	p.Helper()
	status, body, _ = p.do(http.MethodGet, path, nil)
	return status, body
}

func (p *person) post(path string, form url.Values) (status int, body, location string) {
	p.Helper()
	return p.do(http.MethodPost, path, form)
}

func (p *person) say(text string) int {
	p.Helper()
	status, _, _ := p.post("/send-message/", url.Values{"message": {text}})
	return status
}

// texts are the messages of a page, first to last.
func texts(body string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`(?s)<p class="text" dir="auto">(.*?)</p>`).FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

func TestTheRoom(t *testing.T) {
	s := start(t)
	t.Run("is for who has logged in", s.isForWhoHasLoggedIn)
	t.Run("lets in with a name", s.letsInWithAName)
	t.Run("publishes nothing for an empty message", s.publishesNothingForAnEmptyMessage)
	t.Run("has a limit in characters", s.hasALimit)
	t.Run("sends the same message once", s.sendsTheSameMessageOnce)
	t.Run("shows the newest first, page by page", s.pages)
	t.Run("refuses other sites' pages", s.refusesOtherSites)
	t.Run("tells everybody at once", s.tellsEverybody)
	t.Run("has one name", s.hasOneName)
}

func (s scene) isForWhoHasLoggedIn(t *testing.T) {
	p := s.visitor(t)
	if status, _, where := p.do(http.MethodGet, "/", nil); status != http.StatusSeeOther || where != "/login/" {
		t.Errorf("/ answers %d to %q", status, where)
	}
	if status, _ := p.get("/get-messages/"); status != http.StatusUnauthorized {
		t.Errorf("get-messages answers %d", status)
	}
	if status := p.say("hello"); status != http.StatusUnauthorized {
		t.Errorf("send-message answers %d", status)
	}
	ann := s.person(t, "Ann")
	if status, body := ann.get("/"); status != http.StatusOK || !strings.Contains(body, "Ann") {
		t.Errorf("for Ann / answers %d", status)
	}
	if status, _, where := ann.post("/logout/", nil); status != http.StatusSeeOther || where != "/login/" {
		t.Errorf("logout answers %d to %q", status, where)
	}
	if status, _ := ann.get("/"); status != http.StatusSeeOther {
		t.Errorf("after the logout / answers %d", status)
	}
	p.client.Jar.SetCookies(mustParse(t, s.url), []*http.Cookie{{Name: cookieName, Value: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJBbm4ifQ."}})
	if status, _ := p.get("/get-messages/"); status != http.StatusUnauthorized {
		t.Errorf("with a forged cookie get-messages answers %d", status)
	}
}

func mustParse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (s scene) letsInWithAName(t *testing.T) {
	for name, status := range map[string]int{
		"": 422, "  ": 422, "@somebody": 422, "a\nb": 422, strings.Repeat("x", 31): 422,
		strings.Repeat("😀", 30): 303, "<b>Bob</b>": 303, "\u202eevil": 303, "דנה": 303,
	} {
		got, body, _ := s.visitor(t).post("/login/", url.Values{"username": {name}})
		if got != status || status == 422 && !strings.Contains(body, `role="alert"`) {
			t.Errorf("%q: %d", name, got)
		}
	}
}

func (s scene) publishesNothingForAnEmptyMessage(t *testing.T) {
	ann := s.person(t, "Ann")
	for _, text := range []string{"", "  ", "\n\t"} {
		if status := ann.say(text); status != http.StatusNoContent {
			t.Errorf("%q: %d", text, status)
		}
	}
	if _, body := ann.get("/get-messages/"); len(texts(body)) != 0 || !strings.Contains(body, "Nobody has said anything yet") {
		t.Errorf("published is %s", body)
	}
}

func (s scene) hasALimit(t *testing.T) {
	ann := s.person(t, "Ann")
	for text, status := range map[string]int{
		strings.Repeat("x", 161): 422, strings.Repeat("😀", 161): 422, "\xff": 422, "  " + strings.Repeat("ü", 160) + " ": 204, strings.Repeat("😀", 160): 204,
	} {
		if got := ann.say(text); got != status {
			t.Errorf("%.8q…: %d, want %d", text, got, status)
		}
	}
	_, body := ann.get("/get-messages/")
	if got := texts(body); len(got) != 2 {
		t.Errorf("published is %q", got)
	}
}

func (s scene) sendsTheSameMessageOnce(t *testing.T) {
	ann := s.person(t, "Ann")
	_, before := ann.get("/get-messages/")
	for range 3 {
		ann.post("/send-message/", url.Values{"message": {"once"}, "id": {"k"}})
	}
	// The same id of somebody else is another message.
	s.person(t, "Bob").post("/send-message/", url.Values{"message": {"twice"}, "id": {"k"}})
	_, after := ann.get("/get-messages/")
	if got := texts(after); len(got) != len(texts(before))+2 || got[0] != "twice" || got[1] != "once" {
		t.Errorf("the newest messages are %q", got[:min(len(got), 4)])
	}
}

func (s scene) pages(t *testing.T) {
	ann := s.person(t, "Ann")
	for n := range 95 {
		if status := ann.say("number " + strconv.Itoa(n)); status != http.StatusNoContent {
			t.Fatalf("message %d: %d", n, status)
		}
	}
	_, room := ann.get("/")
	if got := texts(room); len(got) != 50 || got[0] != "number 94" || got[49] != "number 45" || !strings.Contains(room, `data-offset="50"`) {
		t.Errorf("the room shows %d messages, from %q", len(got), got[:min(1, len(got))])
	}
	for offset, want := range map[int]string{50: "number 44", 70: "number 24", 0: "number 94"} {
		_, body := ann.get("/get-messages/?offset=" + strconv.Itoa(offset))
		if got := texts(body); len(got) != 20 || got[0] != want || !strings.Contains(body, `data-offset="`+strconv.Itoa(offset+20)+`"`) {
			t.Errorf("from %d on: %d messages from %q", offset, len(got), got[:min(1, len(got))])
		}
	}
	if _, body := ann.get("/get-messages/?offset=90"); len(texts(body)) >= 20 || strings.Contains(body, "data-offset") {
		t.Errorf("the last page is %q", texts(body))
	}
	for _, offset := range []string{"-1", "x", "1.5", "99999999999999999999", "0x10"} {
		if status, _ := ann.get("/get-messages/?offset=" + offset); status != http.StatusBadRequest {
			t.Errorf("offset %s: %d", offset, status)
		}
	}
	if status, body := ann.get("/get-messages/?offset=100000"); status != http.StatusOK || len(texts(body)) != 0 {
		t.Errorf("behind the end: %d %s", status, body)
	}
}

func (s scene) refusesOtherSites(t *testing.T) {
	ann := s.person(t, "Ann")
	for _, fields := range [][]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}} {
		for _, path := range []string{"/send-message/", "/logout/", "/login/"} {
			if status, _, _ := ann.do(http.MethodPost, path, url.Values{"message": {"forged"}, "username": {"x"}}, fields...); status != http.StatusForbidden {
				t.Errorf("%s with %q: %d", path, fields, status)
			}
		}
	}
	if _, body := ann.get("/"); strings.Contains(body, "forged") {
		t.Error("another site's page has sent a message")
	}
}

// tellsEverybody listens as DjangoRealtime's script does, without a cookie.
func (s scene) tellsEverybody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), e2e.Patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.hub.URL("/realtime/sse/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	for lines.Scan() {
		switch text := lines.Text(); {
		case text == `data: {"type": "connected"}`:
			s.person(t, "Ann").say("<live>")
		case strings.HasPrefix(text, "data: "):
			if !strings.Contains(text, `"type":"chat_message"`) || !strings.Contains(text, `"username":"Ann"`) || !strings.Contains(text, `"timestamp":"`+time.Now().UTC().Format("2006-")) {
				t.Errorf("the event is %s", text)
			}
			return
		}
	}
	t.Errorf("the stream has ended: %v", lines.Err())
}

func (s scene) hasOneName(t *testing.T) {
	p := s.visitor(t)
	status, _, where := p.do(http.MethodGet, "/login/", nil, "Host", "localhost:8080")
	if status != http.StatusSeeOther || where != s.url {
		t.Errorf("under another name: %d to %q", status, where)
	}
}
