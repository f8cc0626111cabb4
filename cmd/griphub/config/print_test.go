package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// everySecret sets each key that holds a secret; each secret has "LEAK" in it.
const everySecret = `
database: postgres://griphub:LEAKdb@db/griphub?password=LEAKquery&sslmode=disable
secret: LEAKsecret-0123456789-0123456789-0123456789
secret_previous: LEAKprevious-0123456789-0123456789-0123456789
grip: {urls: ["http://u:LEAKgrip@p:5561/base?iss=pushpin&key=LEAKkey&LEAKbare"]}
mqtt: {url: "mqtts://LEAKtoken@broker", ca_file: ca.pem}
auth: {jwt: {secret: LEAKjwt-0123456789-0123456789-0123456789}, forward: {url: "https://u:LEAKforward@app/auth"}}
publish: {keys: [LEAKpublish]}
hooks:
  on_receive: {url: "https://app/hook?token=LEAKhook", secret: LEAKhooksecret}
  subscribers: [{name: crm, match: a, url: "https://u:LEAKsub@app/hook", secret: LEAKsubsecret}]
`

func TestPrintShowsNoSecret(t *testing.T) {
	c := mustLoad(t, Options{File: write(t, "griphub.yaml", everySecret)})
	var out bytes.Buffer
	if err := Print(&out, c); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&out, "%v %+v %#v %v %q", c, c, c, c.Publish.Keys, c.Secret)
	if strings.Contains(out.String(), "LEAK") {
		t.Errorf("a secret is shown:\n%s", out.String())
	}
	for _, want := range []string{
		`database: postgres://griphub:***@db/griphub?password=***&sslmode=disable`,
		`- http://u:***@p:5561/base?iss=pushpin&key=***&***`,
		`url: mqtts://***@broker`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in\n%s", want, out.String())
		}
	}
}

func TestNoProblemShowsASecret(t *testing.T) {
	for _, yaml := range []string{
		"secret: LEAK\n",
		"secret: base64:LEAK((\n",
		"secret: *LEAK\n",
		"secret: &LEAK x\n",
		"secret: !LEAK x\n",
		"secret: [LEAK]\n",
		"secret: {LEAK: 1}\n",
		"secret: \"LEAK\n",
		"secret: LEAK: x\n",
		"secret: LEAK\nsecret: LEAK\n",
		"database: LEAK\n",
		"database: 'mysql://u:LEAK@h'\n",
		"database: 'postgres://u:LEAK%zz@h'\n",
		"grip: {urls: ['http://h:LEAK']}\n",
		"grip: {urls: ['LEAK', 'LEAK']}\n",
		"mqtt: {url: 'http://LEAK@h'}\n",
		"mqtt: {url: 'mqtt://u:LEAK LEAK@h'}\n",
		"publish: {keys: [LEAK LEAK]}\n",
		"publish: {keys: LEAK}\n",
		"hooks: {on_receive: {url: LEAK, secret: {LEAK: LEAK}}}\n",
		"auth: {jwt: {secret: LEAK}}\n",
	} {
		for _, line := range problemsOf(t, Options{File: write(t, "griphub.yaml", yaml)}) {
			// "unknown key" names what stands where a key belongs, and nothing else can be said of it.
			if strings.Contains(line, "LEAK") && !strings.Contains(line, "unknown key") {
				t.Errorf("%q: %s", yaml, line)
			}
		}
	}
	for _, line := range problemsOf(t, Options{Environ: []string{"GRIPHUB_SECRET=LEAK", "GRIPHUB_PUBLISH_KEYS=[LEAK", "GRIP_URL=LEAK"}}) {
		if strings.Contains(line, "LEAK") {
			t.Errorf("environment: %s", line)
		}
	}
	secret := write(t, "secret", "LEAK\x00")
	for _, line := range problemsOf(t, Options{Environ: []string{"GRIPHUB_SECRET_FILE=" + secret}}) {
		if strings.Contains(line, "LEAK") {
			t.Errorf("secret file: %s", line)
		}
	}
}

func TestPrintTellsWhereEachValueComesFrom(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "listen: :9000\nsecret: " + goodSecret + "\nchannels:\n  - {match: a, read: public}\nstreams: []\n"
	if err := os.WriteFile(DefaultFile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, Options{
		Environ:   []string{"GRIP_URL=http://p:5561", "GRIPHUB_STREAM_KEEPALIVE=15s"},
		Overrides: map[string]string{"mqtt.url": "mqtt://b"},
	})
	var out bytes.Buffer
	if err := Print(&out, c); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"listen: :9000 # griphub.yaml:1",
		"ops_listen: 127.0.0.1:8001 # default",
		"database: sqlite:griphub.db # default",
		"secret: '***' # griphub.yaml:2",
		`secret_previous: "" # default`,
		"  urls: # GRIP_URL\n    - http://p:5561",
		"  require_proxy: true # default",
		"  url: mqtt://b # flags",
		"  heartbeat: 5m # default",
		"channels: # griphub.yaml:4\n  - {match: a, read: public, reliable: true, retention: 24h, keep: 0, class: event, max_rate: 1, shared: false}",
		"streams: [] # griphub.yaml:5",
		"  keepalive: 15s # GRIPHUB_STREAM_KEEPALIVE",
		"  origins: [] # default",
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("%q is not in\n%s", line, out.String())
		}
	}
	root, problem := parseYAML(out.Bytes())
	if problem != nil {
		t.Fatalf("what is printed is no YAML: %v", problem)
	}
	if want := len(fieldsOf(reflect.TypeFor[Config](), "")); len(root.Content) != 2*want {
		t.Errorf("%d keys are printed, want all %d", len(root.Content)/2, want)
	}
}

func TestPrintTellsOfAFailingWriter(t *testing.T) {
	if err := Print(failingWriter{}, Default()); err == nil {
		t.Error("no error")
	}
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("no space") }

// reload writes a configuration and reads it again from another directory.
func reload(t interface {
	Helper()
	Fatalf(string, ...any)
}, dir string, c Config) Config {
	t.Helper()
	path := filepath.Join(dir, "written.yaml")
	if err := WriteFile(path, c); err != nil {
		t.Fatalf("WriteFile: %v", err)
	}
	again, err := Load(Options{File: path})
	if err != nil {
		text, _ := os.ReadFile(path)
		t.Fatalf("Load what was written: %v\n%s", err, text)
	}
	return again
}

// values is what two configurations that mean the same have in common.
func values(t testing.TB, c Config) map[string]any {
	t.Helper()
	all := valuesOf(c)
	for path, v := range all {
		if list := reflect.ValueOf(v); list.Kind() == reflect.Slice && list.Len() == 0 {
			all[path] = "empty" // nil or not
		}
	}
	return all
}

func TestWhatIsWrittenLoadsAsTheSame(t *testing.T) {
	c := mustLoad(t, Options{File: write(t, "griphub.yaml", everySecret+`
streams: [{path: "/a/{id}", channels: ["a-{id}", b]}]
channels: []
stream: {keepalive: 1m30s, recheck: 59m}
assets: {dir: "with 'quotes' and: colons #"}
cors: {origins: ["*"]}
devices: {grace: 3.25}
`)})
	again := reload(t, t.TempDir(), c)
	if got, want := values(t, again), values(t, c); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if again.IsSet("ops_listen") {
		t.Error("what is the default was written")
	}
}

func TestTheDefaultsMeanTheSameFilesWhereverTheyAreWritten(t *testing.T) {
	work := t.TempDir()
	t.Chdir(work)
	again := reload(t, t.TempDir(), Default())
	want, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Database) != "sqlite:"+filepath.Join(want, "griphub.db") {
		t.Errorf("the database moved to %s", again.Database)
	}
}

func TestAnyTextSurvivesWriting(t *testing.T) {
	dir := t.TempDir()
	text := rapid.StringOf(rapid.Rune().Filter(func(r rune) bool { return r != 0 }))
	rapid.Check(t, func(t *rapid.T) {
		c := Default()
		c.MQTT.Username = text.Draw(t, "username")
		c.MQTT.Password = Secret(text.Draw(t, "password"))
		c.MQTT.ClientID = "c" + text.Draw(t, "client")
		c.Auth.JWT.Issuer = text.Draw(t, "issuer")
		c.MQTT.Topics = []Topic{{Topic: "a/{device_type}/{device_id}", Kind: "status", Decoder: "json", ID: text.Draw(t, "id")}}
		again := reload(t, dir, c)
		if !reflect.DeepEqual(again.MQTT, c.MQTT) || again.Auth != c.Auth {
			t.Fatalf("got  %+v\nwant %+v", again.MQTT, c.MQTT)
		}
	})
}

func TestWriteFileIsPrivateAndReplacesWhatWasThere(t *testing.T) {
	path := write(t, "griphub.yaml", "listen: :1\n")
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	c := Default()
	c.Listen = ":2"
	if err := WriteFile(path, c); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v", info.Mode())
	}
	if c := mustLoad(t, Options{File: path}); c.Listen != ":2" {
		t.Errorf("listen is %s", c.Listen)
	}
	onlyFile(t, path)
}

func TestAWriteThatFailsLeavesNothingBehind(t *testing.T) {
	if err := WriteFile(filepath.Join(t.TempDir(), "missing", "griphub.yaml"), Default()); err == nil {
		t.Error("writes into a directory that is not there")
	}
	taken := filepath.Join(t.TempDir(), "griphub.yaml")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(taken, Default()); err == nil {
		t.Error("replaces a directory")
	}
	onlyFile(t, taken)
}

// onlyFile fails if the directory holds anything beside the file.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() != filepath.Base(path) {
			t.Errorf("%s was left behind", entry.Name())
		}
	}
}
