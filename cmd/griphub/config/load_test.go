package config

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	goodSecret  = "correct-horse-battery-staple-0123456789"
	otherSecret = "another-horse-another-staple-9876543210"
)

// write puts a file into a new directory and returns its name.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, options Options) Config {
	t.Helper()
	c, err := Load(options)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return c
}

// problemsOf returns the lines of what is wrong, without the directory of the file.
func problemsOf(t *testing.T, options Options) []string {
	t.Helper()
	_, err := Load(options)
	if err == nil {
		return nil
	}
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("the error is a %T, not Problems: %v", err, err)
	}
	text := err.Error()
	if options.File != "" {
		text = strings.ReplaceAll(text, filepath.Dir(options.File)+string(filepath.Separator), "")
	}
	return strings.Split(text, "\n")
}

func TestDefaultIsWhatTheInterfacePromises(t *testing.T) {
	c := Default()
	want := Config{
		Listen:    "127.0.0.1:8000",
		OpsListen: "127.0.0.1:8001",
		Database:  "sqlite:griphub.db",
		Grip:      Grip{URLs: []SecretURL{"http://127.0.0.1:5561"}, Writes: 20_000, RequireProxy: true},
		MQTT: MQTT{URL: "mqtt://127.0.0.1:1883", ClientID: "griphub", Topics: []Topic{
			{Topic: "things/{device_type}/{device_id}/data", Kind: "data", ID: "id", Decoder: "json"},
			{Topic: "things/{device_type}/{device_id}/status", Kind: "status", Decoder: "json"},
			{Topic: "users/{user}/devices/{device_code}/status", Kind: "state", Decoder: "json"},
			{Topic: "things/{device_type}/{device_id}/response", Kind: "response", Decoder: "json"},
		}},
		Devices: Devices{Unknown: "register", Heartbeat: 300 * time.Second, Grace: 2.5},
		Auth: Auth{
			Mode:    "jwt",
			JWT:     JWT{Algorithm: "HS256"},
			Cookie:  "griphub_token",
			Forward: Forward{TTL: 10 * time.Second},
		},
		Channels: []Channel{
			{Match: "iot_**", Read: "authenticated", Reliable: true, Retention: 24 * time.Hour, Class: "event", MaxRate: 1, Shared: true},
			{Match: "**", Read: "public", Reliable: true, Retention: 24 * time.Hour, Class: "event", MaxRate: 1},
		},
		Stream: StreamSettings{
			MaxChannels:       10,
			Keepalive:         20 * time.Second,
			DeviceKeepalive:   30 * time.Second,
			RealtimeKeepalive: 5 * time.Second,
			Recheck:           60 * time.Second,
		},
		Publish: Publish{UserRate: 100, UserBurst: 1000},
		Hooks: Hooks{
			OnReceive:  Hook{Timeout: 5 * time.Second, Match: "**", OnError: "closed"},
			BeforeSend: Hook{Timeout: 5 * time.Second, Match: "**", OnError: "closed"},
		},
		Log: Log{Level: "info", Format: "text"},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("Default:\n got %#v\nwant %#v", c, want)
	}
}

func TestTheExampleOfTheInterfaceLoads(t *testing.T) {
	file := write(t, "griphub.yaml", `
listen: 127.0.0.1:8000
ops_listen: 127.0.0.1:8001
database: sqlite:griphub.db
secret: `+goodSecret+`
grip:
  urls: ["http://127.0.0.1:5561?iss=pushpin&key=changeme"]
  prefix: ""
  require_proxy: true
mqtt:
  url: mqtt://127.0.0.1:1883
  client_id: griphub
  topics:
    - {topic: "things/{device_type}/{device_id}/data",   kind: data, id: id}
    - {topic: "things/{device_type}/{device_id}/status", kind: status}
    - {topic: "users/{user}/devices/{device_code}/status", kind: state}
    - {topic: "things/{device_type}/{device_id}/response", kind: response}
devices: {unknown: register, heartbeat: 300s, grace: 2.5}
auth:
  mode: jwt
  jwt: {algorithm: HS256, secret: `+otherSecret+`}
  cookie: griphub_token
  forward: {url: http://app/auth, ttl: 10s}
channels:
  - {match: "iot_**", read: authenticated, reliable: true, retention: 24h}
  - {match: "**",     read: public, reliable: true, retention: 24h}
streams:
  - {path: /foo/events/, channels: [foo]}
  - {path: "/objects/{id}/events/", channels: ["object-{id}"]}
stream: {max_channels: 10, keepalive: 20s, device_keepalive: 30s, realtime_keepalive: 5s, recheck: 60s}
cors: {origins: [], credentials: false, headers: []}
publish: {keys: []}
hooks: {}
assets: {dir: ""}
`)
	c := mustLoad(t, Options{File: file, Serve: true})
	if got := c.Streams[1]; got.Path != "/objects/{id}/events/" || got.Channels[0] != "object-{id}" {
		t.Errorf("second stream is %v", got)
	}
	if string(c.Secret) != goodSecret {
		t.Error("the secret is not the one of the file")
	}
}

func TestFlagsBeatEnvironmentBeatsFileBeatsDefaults(t *testing.T) {
	const path, variable = "stream.keepalive", "GRIPHUB_STREAM_KEEPALIVE=3s"
	file := write(t, "griphub.yaml", "stream: {keepalive: 2s}\n")
	flag := map[string]string{path: "4s"}
	for name, scene := range map[string]struct {
		options Options
		want    time.Duration
	}{
		"defaults":                {Options{}, 20 * time.Second},
		"file":                    {Options{File: file}, 2 * time.Second},
		"environment":             {Options{Environ: []string{variable}}, 3 * time.Second},
		"environment, file":       {Options{File: file, Environ: []string{variable}}, 3 * time.Second},
		"flag, file":              {Options{File: file, Overrides: flag}, 4 * time.Second},
		"flag, environment, file": {Options{File: file, Environ: []string{variable}, Overrides: flag}, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			c := mustLoad(t, scene.options)
			if c.Stream.Keepalive != scene.want {
				t.Errorf("keepalive is %v, want %v", c.Stream.Keepalive, scene.want)
			}
			if c.Stream.DeviceKeepalive != 30*time.Second {
				t.Errorf("its neighbour changed to %v", c.Stream.DeviceKeepalive)
			}
		})
	}
}

func TestAListReplacesTheWeakerListAsAWhole(t *testing.T) {
	file := write(t, "griphub.yaml", "channels:\n  - {match: a, read: public}\n  - {match: b, read: nobody}\n")
	c := mustLoad(t, Options{File: file})
	if len(c.Channels) != 2 || c.Channels[0].Match != "a" {
		t.Errorf("channels of the file: %v", c.Channels)
	}
	if !c.Channels[1].Reliable || c.Channels[1].Retention != 24*time.Hour {
		t.Errorf("an entry does not begin with the defaults: %v", c.Channels[1])
	}
	c = mustLoad(t, Options{File: file, Environ: []string{`GRIPHUB_CHANNELS=[{match: "**", read: token, reliable: false}]`}})
	want := []Channel{{Match: "**", Read: "token", Reliable: false, Retention: 24 * time.Hour, Class: "event", MaxRate: 1}}
	if !reflect.DeepEqual(c.Channels, want) {
		t.Errorf("channels of the environment: %v", c.Channels)
	}
}

func TestTheDefaultFileIsReadOnlyIfItIsThere(t *testing.T) {
	t.Chdir(t.TempDir())
	if c := mustLoad(t, Options{}); c.Listen != Default().Listen {
		t.Errorf("without a file listen is %s", c.Listen)
	}
	if err := os.WriteFile(DefaultFile, []byte("listen: :9000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := mustLoad(t, Options{}); c.Listen != ":9000" {
		t.Errorf("with griphub.yaml listen is %s", c.Listen)
	}
	other := write(t, "other.yaml", "listen: :9001\n")
	if c := mustLoad(t, Options{Environ: []string{"GRIPHUB_CONFIG=" + other}}); c.Listen != ":9001" {
		t.Errorf("with GRIPHUB_CONFIG listen is %s", c.Listen)
	}
	flag := write(t, "flag.yaml", "listen: :9002\n")
	if c := mustLoad(t, Options{File: flag, Environ: []string{"GRIPHUB_CONFIG=" + other}}); c.Listen != ":9002" {
		t.Errorf("with a flag listen is %s", c.Listen)
	}
}

func TestAFileThatWasAskedForMustExist(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	for name, options := range map[string]Options{
		"flag":     {File: missing},
		"variable": {Environ: []string{"GRIPHUB_CONFIG=" + missing}},
	} {
		_, err := Load(options)
		if err == nil || err.Error() != missing+": cannot be read: no such file or directory" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnvironmentNamesEveryKindOfValue(t *testing.T) {
	t.Chdir(t.TempDir())
	c := mustLoad(t, Options{Environ: []string{
		"HOME=/root",
		"GRIPHUB_LISTEN=:1",
		"GRIPHUB_DEVICES_GRACE=3.5",
		"GRIPHUB_STREAM_MAX_CHANNELS=12",
		"GRIPHUB_GRIP_REQUIRE_PROXY=false",
		"GRIPHUB_CORS_ORIGINS=https://a.example, https://b.example\thttps://c.example",
		"GRIPHUB_CORS_HEADERS=[X-One, X-Two]",
		"GRIPHUB_PUBLISH_KEYS=k1,k2",
		"GRIPHUB_MQTT_URL=",
		"GRIPHUB_CHANNELS=[{match: '**', read: public}]",
		"GRIPHUB_STREAMS=",
	}})
	if c.Listen != ":1" || c.Devices.Grace != 3.5 || c.Stream.MaxChannels != 12 || c.Grip.RequireProxy || c.MQTT.URL != "" {
		t.Errorf("single values: %#v", c)
	}
	if want := []string{"https://a.example", "https://b.example", "https://c.example"}; !reflect.DeepEqual(c.CORS.Origins, want) {
		t.Errorf("origins: %q", c.CORS.Origins)
	}
	if want := []string{"X-One", "X-Two"}; !reflect.DeepEqual(c.CORS.Headers, want) {
		t.Errorf("headers: %q", c.CORS.Headers)
	}
	if want := []PublishKey{{Key: "k1", Burst: 1000}, {Key: "k2", Burst: 1000}}; !reflect.DeepEqual(c.Publish.Keys, want) {
		t.Errorf("keys: %d of them", len(c.Publish.Keys))
	}
}

func TestAnAPIKeyIsAWordOrASection(t *testing.T) {
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("app-key")))
	file := write(t, "app", "file-key\n")
	c := mustLoad(t, Options{File: write(t, "griphub.yaml", `
publish:
  user_rate: 5
  keys:
    - plain-key
    - `+digest+`
    - {name: shop, key: shop-key, channels: [orders_*, "@public"], rate: 2.5, burst: 10}
    - {name: shop, key_file: `+file+`}
`)})
	want := []PublishKey{
		{Key: "plain-key", Burst: 1000}, {Key: Secret(digest), Burst: 1000},
		{Name: "shop", Key: "shop-key", Channels: []string{"orders_*", "@public"}, Rate: 2.5, Burst: 10},
		{Name: "shop", Key: "file-key", Burst: 1000},
	}
	if !reflect.DeepEqual(c.Publish.Keys, want) || c.Publish.UserRate != 5 || c.Publish.UserBurst != 1000 {
		t.Errorf("got %+v", c.Publish)
	}
	plain, err := c.Publish.Keys[1].Key.SHA256()
	if other, _ := Secret("app-key").SHA256(); err != nil || plain != other {
		t.Errorf("the digest is read as %x, %v", plain, err)
	}
	c = mustLoad(t, Options{Environ: []string{`GRIPHUB_PUBLISH_KEYS=[{name: a, key: k1}, k2]`}})
	if want := []PublishKey{{Name: "a", Key: "k1", Burst: 1000}, {Key: "k2", Burst: 1000}}; !reflect.DeepEqual(c.Publish.Keys, want) {
		t.Errorf("from the environment: %+v", c.Publish)
	}
}

func TestGripURLNamesTheProxiesUnlessItsOwnVariableDoes(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, scene := range map[string]struct {
		environ []string
		want    []SecretURL
	}{
		"one":            {[]string{"GRIP_URL=http://p:5561?iss=a&key=b"}, []SecretURL{"http://p:5561?iss=a&key=b"}},
		"blanks":         {[]string{"GRIP_URL=http://p:5561 https://q\nhttp://r"}, []SecretURL{"http://p:5561", "https://q", "http://r"}},
		"commas":         {[]string{"GRIP_URL=http://p:5561,https://q, http://r"}, []SecretURL{"http://p:5561", "https://q", "http://r"}},
		"comma in a URL": {[]string{"GRIP_URL=http://p/a,b?key=c,d"}, []SecretURL{"http://p/a,b?key=c,d"}},
		"own variable":   {[]string{"GRIPHUB_GRIP_URLS=http://own", "GRIP_URL=http://p"}, []SecretURL{"http://own"}},
		"empty":          {[]string{"GRIP_URL="}, Default().Grip.URLs},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustLoad(t, Options{Environ: scene.environ})
			if !reflect.DeepEqual(c.Grip.URLs, scene.want) {
				t.Errorf("got %q", c.Grip.URLs)
			}
		})
	}
}

func TestServiceLinksOfKubernetesAreNotOurs(t *testing.T) {
	t.Chdir(t.TempDir())
	mustLoad(t, Options{Environ: []string{
		"GRIPHUB_SERVICE_HOST=10.0.0.1",
		"GRIPHUB_SERVICE_PORT=8000",
		"GRIPHUB_SERVICE_PORT_HTTP=8000",
		"GRIPHUB_PORT=tcp://10.0.0.1:8000",
		"GRIPHUB_PORT_8000_TCP=tcp://10.0.0.1:8000",
		"GRIPHUB_PORT_8000_TCP_PROTO=tcp",
		"GRIPHUB_PORT_8000_TCP_PORT=8000",
		"GRIPHUB_PORT_8000_TCP_ADDR=10.0.0.1",
		"GRIPHUB_OPS_SERVICE_HOST=10.0.0.2",
	}})
}

func TestASecretMayStandInAFile(t *testing.T) {
	secret := write(t, "secret", goodSecret+"\n")
	keys := write(t, "keys", "first-key\nsecond-key\n")
	url := write(t, "url", "mqtts://user:pass@broker:8883\r\n")
	hook := write(t, "hook", "hook-secret")
	file := write(t, "griphub.yaml", `
secret_file: `+secret+`
publish: {keys_file: `+keys+`}
mqtt: {url_file: `+url+`}
hooks:
  subscribers: [{name: app, match: a, url: https://app.example/hook, secret_file: `+hook+`}]
`)
	c := mustLoad(t, Options{File: file})
	if string(c.Secret) != goodSecret || string(c.MQTT.URL) != "mqtts://user:pass@broker:8883" {
		t.Error("secret or url is not what its file holds")
	}
	if want := []PublishKey{{Key: "first-key", Burst: 1000}, {Key: "second-key", Burst: 1000}}; !reflect.DeepEqual(c.Publish.Keys, want) {
		t.Errorf("got %d keys", len(c.Publish.Keys))
	}
	if string(c.Hooks.Subscribers[0].Secret) != "hook-secret" {
		t.Error("the subscriber's secret is not what its file holds")
	}
	c = mustLoad(t, Options{Environ: []string{"GRIPHUB_SECRET_FILE=" + secret, "GRIPHUB_SECRET="}})
	if string(c.Secret) != goodSecret {
		t.Error("GRIPHUB_SECRET_FILE beside an empty GRIPHUB_SECRET was not read")
	}
}

func TestASecretFileIsNotReadIfAStrongerSourceGivesTheSecret(t *testing.T) {
	file := write(t, "griphub.yaml", "secret_file: /nonexistent/secret\nhooks:\n  subscribers: [{name: app, match: a, url: http://a, secret_file: /nonexistent/hook}]\n")
	c := mustLoad(t, Options{File: file, Environ: []string{"GRIPHUB_SECRET=" + goodSecret, "GRIPHUB_HOOKS_SUBSCRIBERS=[]"}})
	if string(c.Secret) != goodSecret {
		t.Error("the environment's secret does not hold")
	}
	inline := write(t, "griphub.yaml", "secret: "+otherSecret+"\n")
	c = mustLoad(t, Options{File: inline, Environ: []string{"GRIPHUB_SECRET_FILE=" + write(t, "secret", goodSecret)}})
	if string(c.Secret) != goodSecret {
		t.Error("the environment's secret file does not beat the file's secret")
	}
}

func TestRelativeNamesInAFileAreRelativeToTheFile(t *testing.T) {
	file := write(t, "griphub.yaml", "secret_file: secret\nassets: {dir: assets}\nauth: {jwt: {algorithm: ES256, public_key_file: keys/public.pem}}\n")
	dir := filepath.Dir(file)
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte(goodSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, Options{File: file, Environ: []string{"GRIPHUB_MQTT_URL=mqtts://b", "GRIPHUB_MQTT_CA_FILE=ca.pem"}})
	for got, want := range map[string]string{
		string(c.Secret):         goodSecret,
		c.Assets.Dir:             filepath.Join(dir, "assets"),
		c.Auth.JWT.PublicKeyFile: filepath.Join(dir, "keys/public.pem"),
		string(c.Database):       "sqlite:" + filepath.Join(dir, "griphub.db"),
		c.MQTT.CAFile:            "ca.pem",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestIsSetTellsWhatWasGiven(t *testing.T) {
	file := write(t, "griphub.yaml", "auth:\n  jwt: {algorithm: HS256}\nstreams: [{path: /a, channels: [a]}]\nmqtt:\n")
	c := mustLoad(t, Options{File: file, Environ: []string{"GRIP_URL=http://p"}, Overrides: map[string]string{"listen": ":1"}})
	for path, want := range map[string]bool{
		"auth": true, "auth.jwt": true, "auth.jwt.algorithm": true, "auth.jwt.secret": false, "auth.mode": false,
		"streams": true, "stream": false, "grip.urls": true, "listen": true, "mqtt": false, "database": false,
	} {
		if c.IsSet(path) != want {
			t.Errorf("IsSet(%s) is %v", path, !want)
		}
	}
}

func TestCheckDemandsWhatServeNeeds(t *testing.T) {
	t.Chdir(t.TempDir())
	c := mustLoad(t, Options{})
	err := c.Check()
	var problems Problems
	if !errors.As(err, &problems) || len(problems) != 2 || problems[0].Key != "auth.jwt.secret" || problems[1].Key != "secret" {
		t.Errorf("Check of the defaults: %v", err)
	}
	c.Secret, c.Auth.JWT.Secret = goodSecret, otherSecret
	if err := c.Check(); err != nil {
		t.Errorf("Check with both secrets: %v", err)
	}
	c.Listen = "nowhere"
	if err := c.Check(); err == nil {
		t.Error("Check accepts a bad address")
	}
}
