package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryMistakeIsNamedWithItsPlace(t *testing.T) {
	for name, scene := range map[string]struct {
		yaml string
		want []string
	}{
		"unknown key": {
			"mqtt:\n  topcis: []\n",
			[]string{"griphub.yaml:2:3: mqtt.topcis: unknown key (did you mean mqtt.topics?)"},
		},
		"unknown key without a likeness": {
			"quux: 1\n",
			[]string{"griphub.yaml:1:1: quux: unknown key"},
		},
		"key of another section": {
			"heartbeat: 5s\n",
			[]string{"griphub.yaml:1:1: heartbeat: unknown key (did you mean devices.heartbeat?)"},
		},
		"unknown key in a list": {
			"channels:\n  - {match: a, red: public}\n",
			[]string{
				"griphub.yaml:2:5: channels[0].read: is missing; write public, authenticated, token or nobody",
				"griphub.yaml:2:16: channels[0].red: unknown key (did you mean channels[0].read?)",
			},
		},
		"file of what is no secret": {
			"listen_file: x\n",
			[]string{"griphub.yaml:1:1: listen_file: unknown key"},
		},
		"twice": {
			"listen: :1\nops_listen: :2\nlisten: :3\n",
			[]string{"griphub.yaml:3:1: listen: given twice; first in line 1"},
		},
		"key that is a list": {
			"[a, b]: 1\n",
			[]string{"griphub.yaml:1:1: a key must be a plain word, not a list"},
		},
		"merge key": {
			"mqtt: {<<: {url: x}}\n",
			[]string{"griphub.yaml:1:8: mqtt.<<: unknown key"},
		},
		"value for a section": {
			"mqtt: mqtt://broker\n",
			[]string{"griphub.yaml:1:7: mqtt: want a section of keys, not a single value"},
		},
		"value for a list": {
			"grip: {urls: http://p}\n",
			[]string{"griphub.yaml:1:14: grip.urls: want a list, not a single value"},
		},
		"nothing for a list": {
			"channels:\n",
			[]string{"griphub.yaml:1:10: channels: want a list, not nothing; write [] for an empty one"},
		},
		"list for a value": {
			"listen: [a]\n",
			[]string{"griphub.yaml:1:9: listen: want text, not a list"},
		},
		"nothing for a value": {
			"mqtt:\n  password:\n",
			[]string{`griphub.yaml:2:12: mqtt.password: has no value; write "" for an empty one, or remove the key`},
		},
		"empty entry": {
			"streams:\n  -\n",
			[]string{"griphub.yaml:2:4: streams[0]: empty entry"},
		},
		"truth value": {
			"grip: {require_proxy: yes}\n",
			[]string{`griphub.yaml:1:23: grip.require_proxy: "yes" is neither true nor false`},
		},
		"whole number": {
			"stream: {max_channels: 2.5}\n",
			[]string{`griphub.yaml:1:24: stream.max_channels: "2.5" is not a whole number`},
		},
		"number too large": {
			"stream: {max_channels: 1000}\n",
			[]string{`griphub.yaml:1:24: stream.max_channels: "1000" is too large; the most is 200`},
		},
		"number": {
			"devices: {grace: .nan}\n",
			[]string{`griphub.yaml:1:18: devices.grace: ".nan" is not a number`},
		},
		"duration without a unit": {
			"devices: {heartbeat: 300}\n",
			[]string{`griphub.yaml:1:22: devices.heartbeat: "300" is not a duration; write a number and a unit, such as 300s, 5m, 24h or 7d`},
		},
		"long value": {
			"stream: {recheck: " + strings.Repeat("é", 50) + "}\n",
			[]string{`griphub.yaml:1:19: stream.recheck: "` + strings.Repeat("é", 30) + `…" is not a duration; write a number and a unit, such as 300s, 5m, 24h or 7d`},
		},
		"value that would spoil a terminal": {
			"devices: {unknown: \"\\e[31m\\n\"}\n",
			[]string{`griphub.yaml:1:20: devices.unknown: "\x1b[31m\n" is not one of register, ignore, dead-letter`},
		},
		"key that is too long to be meant": {
			strings.Repeat("mqtt", 30) + ": 1\n",
			[]string{"griphub.yaml:1:1: " + strings.Repeat("mqtt", 15) + "…: unknown key"},
		},
		"key with two homes": {
			"timeout: 5s\nhooks: {secret: x}\n",
			[]string{"griphub.yaml:1:1: timeout: unknown key", "griphub.yaml:2:9: hooks.secret: unknown key"},
		},
		"duration too small": {
			"stream: {recheck: 0s}\n",
			[]string{`griphub.yaml:1:19: stream.recheck: "0s" is too small; the least is 1s`},
		},
		"word": {
			"devices: {unknown: reject}\n",
			[]string{`griphub.yaml:1:20: devices.unknown: "reject" is not one of register, ignore, dead-letter`},
		},
		"alias": {
			"channels: &rules\n  - {match: a, read: public}\nstreams: *rules\n",
			[]string{
				"griphub.yaml:1:11: channels: anchors and aliases are not supported; write the value out, in quotes if it begins with & or *",
				"griphub.yaml:3:10: streams: anchors and aliases are not supported; write the value out, in quotes if it begins with & or *",
			},
		},
		"tag": {
			"listen: !!binary Zm9v\n",
			[]string{"griphub.yaml:1:9: listen: tags are not supported; put the value in quotes if it begins with an exclamation mark"},
		},
		"no YAML": {
			"listen: :1\nmqtt: {url: 'x\n",
			[]string{"griphub.yaml:2: not valid YAML: found unexpected end of stream"},
		},
		"a broken second document": {
			"listen: :1\n---\n'\n",
			[]string{"griphub.yaml:3: not valid YAML: found unexpected end of stream"},
		},
		"two documents": {
			"listen: :1\n---\nlisten: :2\n",
			[]string{"griphub.yaml:2:1: a second YAML document; only one is read"},
		},
		"a list instead of keys": {
			"- a\n",
			[]string{"griphub.yaml:1:1: want a section of keys, not a list"},
		},
		"both secret and its file": {
			"secret: " + goodSecret + "\nsecret_file: /run/secret\n",
			[]string{"griphub.yaml:2:1: secret_file: give either secret or secret_file, not both"},
		},
		"secret file that is not there": {
			"secret_file: /nonexistent/secret\n",
			[]string{`griphub.yaml:1:14: secret_file: "/nonexistent/secret" cannot be read: no such file or directory`},
		},
		"secret file without a name": {
			"secret_file: [a]\n",
			[]string{"griphub.yaml:1:14: secret_file: want the name of a file, not a list"},
		},
		"short secret": {
			"secret: hunter2\n",
			[]string{"griphub.yaml:1:9: secret: is shorter than 32 bytes; make one with: openssl rand -hex 32"},
		},
		"short secret behind base64": {
			"secret: base64:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmM=\n",
			[]string{"griphub.yaml:1:9: secret: is shorter than 32 bytes; make one with: openssl rand -hex 32"},
		},
		"secret that is no base64": {
			"secret: base64:((((((((((((((((((((((((((((((((((((((((\n",
			[]string{"griphub.yaml:1:9: secret: what follows base64: is not base64"},
		},
		"rotation to the same secret": {
			"secret: " + goodSecret + "\nsecret_previous: " + goodSecret + "\n",
			[]string{"griphub.yaml:2:18: secret_previous: is the same as secret"},
		},
		"address": {
			"listen: 8000\nops_listen: localhost:http\n",
			[]string{
				`griphub.yaml:1:9: listen: "8000" is not an address; write host:port, such as 127.0.0.1:8000`,
				`griphub.yaml:2:13: ops_listen: "localhost:http" has no port between 0 and 65535`,
			},
		},
		"same address": {
			"ops_listen: 127.0.0.1:8000\n",
			[]string{"griphub.yaml:1:13: ops_listen: is the same address as listen; metrics must not be reachable through the proxy"},
		},
		"database": {
			"database: mysql://u:p@h/d\n",
			[]string{"griphub.yaml:1:11: database: is no database; write sqlite:PATH or postgres://user@host/name"},
		},
		"database with slashes": {
			"database: sqlite://hub.db\n",
			[]string{"griphub.yaml:1:11: database: has slashes before the path; write sqlite:PATH or postgres://user@host/name"},
		},
		"database in memory": {
			"database: 'sqlite::memory:'\n",
			[]string{"griphub.yaml:1:11: database: names no file; write sqlite:PATH or postgres://user@host/name"},
		},
		"proxies": {
			"grip: {urls: ['tcp://p', 'http://', 'http://q', 'http://q'], prefix: 'a,b'}\n",
			[]string{
				"griphub.yaml:1:15: grip.urls[0]: must begin with http:// or https://, such as http://127.0.0.1:5561?iss=pushpin&key=…",
				"griphub.yaml:1:26: grip.urls[1]: names no host; write something like http://127.0.0.1:5561?iss=pushpin&key=…",
				"griphub.yaml:1:49: grip.urls[3]: names a proxy that is in the list already",
				"griphub.yaml:1:70: grip.prefix: has a comma, a semicolon or a blank, which cannot stand in a Grip-Channel header",
			},
		},
		"broker": {
			"mqtt: {url: tcp://broker}\n",
			[]string{"griphub.yaml:1:13: mqtt.url: must begin with mqtt:// or mqtts:// or ws:// or wss://, such as mqtt://127.0.0.1:1883"},
		},
		"broker with two user names": {
			"mqtt: {url: 'mqtt://u:p@broker', username: u}\n",
			[]string{"griphub.yaml:1:13: mqtt.url: has a user name, and mqtt.username or mqtt.password is given as well; give it once"},
		},
		"certificates without encryption": {
			"mqtt: {url: mqtt://broker, ca_file: ca.pem, client_id: ''}\n",
			[]string{
				"griphub.yaml:1:13: mqtt.url: is not encrypted, so that ca_file, cert_file and key_file would have no effect; write mqtts:// or wss://",
				"griphub.yaml:1:56: mqtt.client_id: is empty; without a name the broker forgets what arrives while griphub is away",
			},
		},
		"certificate without its key": {
			"mqtt: {url: mqtts://broker, cert_file: c.pem}\n",
			[]string{"griphub.yaml:1:40: mqtt.cert_file: cert_file and key_file belong together; give both or neither"},
		},
		"topics": {
			"mqtt:\n  topics:\n    - {topic: 'a/{b}c', kind: data}\n    - {topic: '{a}/{a}', kind: data}\n    - {topic: 'a+/b', kind: data}\n    - {topic: 'a/#/b', kind: data}\n    - {topic: a}\n    - {kind: data}\n",
			[]string{
				`griphub.yaml:3:15: mqtt.topics[0].topic: has a brace in the level "{b}c"; {name} is a whole level, its name letters, digits and _`,
				"griphub.yaml:4:15: mqtt.topics[1].topic: names {a} twice",
				`griphub.yaml:5:15: mqtt.topics[2].topic: mixes a wildcard with text in the level "a+"; a wildcard is a whole level`,
				"griphub.yaml:6:15: mqtt.topics[3].topic: has # before its end; # is the last level",
				"griphub.yaml:7:7: mqtt.topics[4].kind: is missing; write data, status, state or response",
				"griphub.yaml:8:7: mqtt.topics[5].topic: is missing",
			},
		},
		"topics with what no topic has": {
			"mqtt:\n  topics:\n    - {topic: \"a\\u0001\", kind: data}\n    - {topic: " + strings.Repeat("a", 65536) + ", kind: data}\n    - {topic: 'a/+/{1b}', kind: data}\n    - {topic: 'a/+/#', kind: state}\n    - {topic: 'a/{device_id}', kind: status}\n",
			[]string{
				"griphub.yaml:3:15: mqtt.topics[0].topic: has a control character",
				"griphub.yaml:4:15: mqtt.topics[1].topic: is longer than an MQTT topic can be",
				`griphub.yaml:5:15: mqtt.topics[2].topic: has a brace in the level "{1b}"; {name} is a whole level, its name letters, digits and _`,
				"griphub.yaml:7:15: mqtt.topics[4].topic: has no level {device_type}, which says whose message it is",
			},
		},
		"no topics": {
			"mqtt: {topics: []}\n",
			[]string{`griphub.yaml:1:16: mqtt.topics: is empty; nothing would be read from the broker (set mqtt.url to "" to use none)`},
		},
		"public key as a shared secret": {
			"auth: {jwt: {public_key_file: key.pem}}\n",
			[]string{"griphub.yaml:1:31: auth.jwt.public_key_file: does not go with algorithm HS256; set auth.jwt.algorithm to RS256, ES256 or EdDSA"},
		},
		"key set as a shared secret": {
			"auth: {jwt: {jwks_url: 'https://issuer/jwks'}}\n",
			[]string{"griphub.yaml:1:24: auth.jwt.jwks_url: does not go with algorithm HS256; set auth.jwt.algorithm to RS256, ES256 or EdDSA"},
		},
		"shared secret as a public key": {
			"auth: {jwt: {algorithm: RS256, secret: " + goodSecret + "}}\n",
			[]string{"griphub.yaml:1:40: auth.jwt.secret: does not go with algorithm RS256; set auth.jwt.algorithm to HS256"},
		},
		"two public keys": {
			"auth: {jwt: {algorithm: ES256, public_key_file: key.pem, jwks_url: 'https://issuer/jwks'}}\n",
			[]string{"griphub.yaml:1:68: auth.jwt.jwks_url: give either public_key_file or jwks_url, not both"},
		},
		"forward to nowhere": {
			"auth: {mode: forward, cookie: 'a b'}\n",
			[]string{
				"auth.forward.url: is missing; auth.mode is forward",
				`griphub.yaml:1:31: auth.cookie: "a b" cannot name a cookie`,
			},
		},
		"rules that are never reached": {
			"channels:\n  - {match: a, read: public}\n  - {match: a, read: nobody}\n  - {match: '**', read: public}\n  - {match: b, read: public}\n  - {match: '', read: public}\n",
			[]string{
				`griphub.yaml:3:13: channels[1].match: "a" is never reached: a rule before it has the same pattern`,
				`griphub.yaml:5:13: channels[3].match: "b" is never reached: a rule before it matches every channel`,
				"griphub.yaml:6:13: channels[4].match: is missing; ** matches every channel",
			},
		},
		"channel pattern": {
			"channels: [{match: 'a***', read: public}, {match: \"a\\tb\", read: public}]\n",
			[]string{
				"griphub.yaml:1:20: channels[0].match: has three stars in a row; * and ** are the wildcards",
				"griphub.yaml:1:51: channels[1].match: has a control character",
			},
		},
		"streams": {
			"streams:\n  - {path: foo, channels: [a]}\n  - {path: '/a/{id}', channels: ['{key}', '{', '}', '']}\n  - {path: '/a/{other}/', channels: [a]}\n  - {path: '/b/{x}y', channels: [a]}\n  - {path: '/c', channels: []}\n  - {path: '/d e', channels: [a]}\n",
			[]string{
				"griphub.yaml:2:12: streams[0].path: must begin with /",
				"griphub.yaml:3:34: streams[1].channels[0]: uses {key}, which is not in the path",
				"griphub.yaml:3:43: streams[1].channels[1]: has a { without its }",
				"griphub.yaml:3:48: streams[1].channels[2]: has a } without its {",
				"griphub.yaml:3:53: streams[1].channels[3]: is empty",
				`griphub.yaml:4:12: streams[2].path: "/a/{other}/" is the same route as one before it`,
				`griphub.yaml:5:12: streams[3].path: has a brace in the segment "{x}y"; {name} is a whole segment, its name letters, digits and _`,
				"griphub.yaml:6:28: streams[4].channels: is missing; name at least one channel",
				`griphub.yaml:7:12: streams[5].path: has a character in the segment "d e" that a path cannot have here`,
			},
		},
		"more channels than a stream may have": {
			"stream: {max_channels: 2}\nstreams: [{path: /a, channels: [a, b, c]}]\n",
			[]string{"griphub.yaml:2:32: streams[0].channels: has 3 channels; stream.max_channels is 2"},
		},
		"origins": {
			"cors: {origins: ['*', 'https://a.example/', 'a.example'], credentials: true, headers: ['X Y']}\n",
			[]string{
				`griphub.yaml:1:18: cors.origins[0]: "*" with cors.credentials would let every site read in the visitor's name; list the origins`,
				`griphub.yaml:1:23: cors.origins[1]: "https://a.example/" is not an origin; write scheme://host[:port] without a path, or "*"`,
				`griphub.yaml:1:45: cors.origins[2]: "a.example" is not an origin; write scheme://host[:port] without a path, or "*"`,
				`griphub.yaml:1:88: cors.headers[0]: "X Y" cannot name a header`,
			},
		},
		"origins that no browser sends": {
			"cors: {origins: ['https://A.example', 'https://a.example:443', 'http://a:80', 'http://a:', 'null']}\n",
			[]string{
				`griphub.yaml:1:18: cors.origins[0]: "https://A.example" is not how browsers write it: in lower case, and without the scheme's own port`,
				`griphub.yaml:1:39: cors.origins[1]: "https://a.example:443" is not how browsers write it: in lower case, and without the scheme's own port`,
				`griphub.yaml:1:64: cors.origins[2]: "http://a:80" is not how browsers write it: in lower case, and without the scheme's own port`,
				`griphub.yaml:1:79: cors.origins[3]: "http://a:" is not how browsers write it: in lower case, and without the scheme's own port`,
				`griphub.yaml:1:92: cors.origins[4]: "null" is not an origin; write scheme://host[:port] without a path, or "*"`,
			},
		},
		"publish keys": {
			"publish: {keys: ['', 'a b', {name: app}, 'sha256:12', {key: k, rate: -1}, {key: k, channels: ['a***']}, k2, {}, [k3], {kee: k4}]}\n",
			[]string{
				"griphub.yaml:1:18: publish.keys[0].key: is empty or has blanks; make one with: griphub token --key",
				"griphub.yaml:1:22: publish.keys[1].key: is empty or has blanks; make one with: griphub token --key",
				"griphub.yaml:1:29: publish.keys[2].key: is empty or has blanks; make one with: griphub token --key",
				"griphub.yaml:1:42: publish.keys[3].key: what follows sha256: is not a SHA-256 in hexadecimal",
				`griphub.yaml:1:70: publish.keys[4].rate: "-1" is too small; the least is 0`,
				"griphub.yaml:1:81: publish.keys[5].key: is in the list already",
				"griphub.yaml:1:95: publish.keys[5].channels[0]: has three stars in a row; * and ** are the wildcards",
				"griphub.yaml:1:109: publish.keys[7].key: is empty or has blanks; make one with: griphub token --key",
				"griphub.yaml:1:113: publish.keys[8]: want a section of keys, not a list",
				"griphub.yaml:1:119: publish.keys[9].key: is empty or has blanks; make one with: griphub token --key",
				"griphub.yaml:1:120: publish.keys[9].kee: unknown key (did you mean publish.keys[9].key?)",
			},
		},
		"subscribers' channels": {
			"hooks: {subscribers: [{name: a, url: 'http://h', channels: [c, c, '@x', '@user/', \"a\\n\", '']}]}\n",
			[]string{
				"griphub.yaml:1:64: hooks.subscribers[0].channels[1]: \"c\" is in the list already",
				"griphub.yaml:1:67: hooks.subscribers[0].channels[2]: \"@x\" is not an internal channel; those are @system, @public and @user/ID",
				"griphub.yaml:1:73: hooks.subscribers[0].channels[3]: names no user after @user/",
				"griphub.yaml:1:83: hooks.subscribers[0].channels[4]: has a control character",
				"griphub.yaml:1:90: hooks.subscribers[0].channels[5]: is empty",
			},
		},
		"webhooks": {
			"hooks:\n  on_receive: {url: 'ftp://h', match: 'a***'}\n  before_send: {url: 'http://h#f', on_error: shut, secret: 'whsec_%'}\n  subscribers:\n" +
				"    - {match: 'a*'}\n    - {name: a, url: /hook}\n    - {name: a, match: b, channels: [c, c, '@x', '@user/', \"a\\n\"], url: 'http://h'}\n" +
				"    - {name: b, channels: ['@system', '@public', '@user/7', iot_pump], events: ['order.*', 'x***'], url: 'http://h', retries: -1}\n",
			[]string{
				"griphub.yaml:2:21: hooks.on_receive.url: must begin with http:// or https://, such as https://app.example.com/hook",
				"griphub.yaml:2:39: hooks.on_receive.match: has three stars in a row; * and ** are the wildcards",
				"griphub.yaml:3:22: hooks.before_send.url: has a #; in a key or password write %23",
				"griphub.yaml:3:46: hooks.before_send.on_error: \"shut\" is not one of open, closed",
				"griphub.yaml:3:60: hooks.before_send.secret: begins with whsec_, and what follows is not base64",
				"griphub.yaml:5:7: hooks.subscribers[0].name: is missing; the subscriber's place in the log is kept under it",
				"griphub.yaml:5:7: hooks.subscribers[0].url: is missing",
				"griphub.yaml:5:15: hooks.subscribers[0].match: \"a*\" is a pattern; subscribers follow channels by name (iot_TYPE has the events of all devices of a type)",
				"griphub.yaml:6:7: hooks.subscribers[1].channels: is missing; name the channels to follow",
				"griphub.yaml:6:22: hooks.subscribers[1].url: must begin with http:// or https://, such as https://app.example.com/hook",
				"griphub.yaml:7:14: hooks.subscribers[2].name: \"a\" is in the list already",
				"griphub.yaml:7:24: hooks.subscribers[2].match: and channels are both given; give one of them",
				"griphub.yaml:8:92: hooks.subscribers[3].events[1]: has three stars in a row; * and ** are the wildcards",
				"griphub.yaml:8:127: hooks.subscribers[3].retries: \"-1\" is too small; the least is 0",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := problemsOf(t, Options{File: write(t, "griphub.yaml", scene.yaml)})
			slices.Sort(got)
			slices.Sort(scene.want)
			if !slices.Equal(got, scene.want) {
				t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(scene.want, "\n  "))
			}
		})
	}
}

func TestAllMistakesOfAllSourcesComeAtOnce(t *testing.T) {
	file := write(t, "griphub.yaml", "listen: nowhere\nstream: {keepalive: soon}\nquux: 1\n")
	got := problemsOf(t, Options{
		File:      file,
		Environ:   []string{"GRIPHUB_STREAM_RECHECK=never", "GRIPHUB_QUUX=1"},
		Overrides: map[string]string{"devices.grace": "some", "mqtt.uri": "x"},
		Serve:     true,
	})
	want := []string{
		`griphub.yaml:1:9: listen: "nowhere" is not an address; write host:port, such as 127.0.0.1:8000`,
		`griphub.yaml:2:21: stream.keepalive: "soon" is not a duration; write a number and a unit, such as 300s, 5m, 24h or 7d`,
		"griphub.yaml:3:1: quux: unknown key",
		`environment: GRIPHUB_STREAM_RECHECK: "never" is not a duration; write a number and a unit, such as 300s, 5m, 24h or 7d`,
		"environment: GRIPHUB_QUUX: unknown variable",
		`flags: devices.grace: "some" is not a number`,
		"flags: mqtt.uri: unknown key",
		"auth.jwt.secret: is missing; auth.mode is jwt with HS256 (auth.mode none lets everybody in as anonymous)",
		"secret: is missing; give secret, secret_file or GRIPHUB_SECRET (make one with: openssl rand -hex 32)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func TestAFileThatIsNoYAMLDoesNotHideOtherMistakes(t *testing.T) {
	got := problemsOf(t, Options{File: write(t, "griphub.yaml", "a: b: c\n"), Environ: []string{"GRIPHUB_QUUX=1"}, Serve: true})
	want := []string{
		"griphub.yaml: not valid YAML: mapping values are not allowed in this context",
		"environment: GRIPHUB_QUUX: unknown variable",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestMistakesInVariablesNameTheVariable(t *testing.T) {
	t.Chdir(t.TempDir())
	for environ, want := range map[string]string{
		"GRIPHUB_MQTT_TOPCIS=[]":                              "environment: GRIPHUB_MQTT_TOPCIS: unknown variable (did you mean GRIPHUB_MQTT_TOPICS?)",
		"GRIPHUB_MQTT_TOPICS=a/b":                             "environment: GRIPHUB_MQTT_TOPICS: want a YAML list, such as [{…}, {…}]",
		"GRIPHUB_MQTT_TOPICS=[{topic: a":                      "environment: GRIPHUB_MQTT_TOPICS: is not a YAML list: not valid YAML: did not find expected ',' or '}'",
		"GRIPHUB_MQTT_TOPICS=[{topic: a, kind: x}]":           `environment: GRIPHUB_MQTT_TOPICS[0].kind: "x" is not one of data, status, state, response`,
		"GRIPHUB_MQTT_TOPICS=[{topic: 'a+', kind: data}]":     `environment: GRIPHUB_MQTT_TOPICS[0].topic: mixes a wildcard with text in the level "a+"; a wildcard is a whole level`,
		"GRIPHUB_LISTEN=8000":                                 `environment: GRIPHUB_LISTEN: "8000" is not an address; write host:port, such as 127.0.0.1:8000`,
		"GRIP_URL=tcp://p":                                    "environment: GRIP_URL[0]: must begin with http:// or https://, such as http://127.0.0.1:5561?iss=pushpin&key=…",
		"GRIPHUB_SECRET_FILE=/nonexistent":                    `environment: GRIPHUB_SECRET_FILE: "/nonexistent" cannot be read: no such file or directory`,
		"GRIPHUB_SECRET=a\xff":                                "environment: GRIPHUB_SECRET: is not text; a secret may be given as base64:…",
		"GRIPHUB_SECRET=hunter2":                              "environment: GRIPHUB_SECRET: is shorter than 32 bytes; make one with: openssl rand -hex 32",
		"GRIPHUB_AUTH=jwt":                                    "environment: GRIPHUB_AUTH: unknown variable",
		"GRIPHUB_STREAMS=[{path: /a, channels: [a]}, {p: 1}]": "environment: GRIPHUB_STREAMS[1].p: unknown key",
	} {
		if got := problemsOf(t, Options{Environ: []string{environ}}); !slices.Contains(got, want) {
			t.Errorf("%s:\n got %s\nwant %s", environ, strings.Join(got, "\n     "), want)
		}
	}
	got := problemsOf(t, Options{Environ: []string{"GRIPHUB_SECRET=" + goodSecret, "GRIPHUB_SECRET_FILE=/run/secret"}})
	if want := "environment: GRIPHUB_SECRET: give either GRIPHUB_SECRET or GRIPHUB_SECRET_FILE, not both"; !slices.Equal(got, []string{want}) {
		t.Errorf("both: %q", got)
	}
}

func TestServeDemandsAKeyOfTheAlgorithmsKind(t *testing.T) {
	file := write(t, "griphub.yaml", "secret: "+goodSecret+"\nauth: {jwt: {algorithm: EdDSA}}\ngrip: {urls: []}\n")
	want := []string{
		"griphub.yaml:3:14: grip.urls: is empty; events would reach nobody",
		"auth.jwt.public_key_file: is missing; algorithm EdDSA needs it or jwks_url",
	}
	if got := problemsOf(t, Options{File: file, Serve: true}); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestServeChecksTheFilesThatItWillRead(t *testing.T) {
	yaml := "secret: " + goodSecret + "\nmqtt: {url: mqtts://b, ca_file: /nonexistent/ca.pem}\nauth: {mode: none}\nassets: {dir: /nonexistent}\n"
	file := write(t, "griphub.yaml", yaml)
	want := []string{
		`griphub.yaml:2:33: mqtt.ca_file: "/nonexistent/ca.pem" cannot be read: no such file or directory`,
		`griphub.yaml:4:15: assets.dir: "/nonexistent" is not a directory`,
	}
	if got := problemsOf(t, Options{File: file, Serve: true}); !slices.Equal(got, want) {
		t.Errorf("serve: %q", got)
	}
	if got := problemsOf(t, Options{File: file}); got != nil {
		t.Errorf("another command, where these files may be missing: %q", got)
	}
}

func TestHugeAndStrangeFilesAreRefused(t *testing.T) {
	big := write(t, "big.yaml", "# "+strings.Repeat("x", maxFileSize)+"\n")
	if got := problemsOf(t, Options{File: big}); !slices.Equal(got, []string{"big.yaml: is larger than 1048576 bytes"}) {
		t.Errorf("big file: %q", got)
	}
	dir := t.TempDir()
	if _, err := Load(Options{File: dir}); err == nil || !strings.HasSuffix(err.Error(), "cannot be read: is a directory") {
		t.Errorf("directory: %v", err)
	}
	locked := write(t, "locked.yaml", "")
	_ = os.Remove(locked)
	if err := os.Symlink(locked, locked); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Options{File: locked}); err == nil {
		t.Error("a symbolic link to itself loads")
	}
	secret := write(t, "secret", strings.Repeat("x", maxSecretSize+1))
	file := write(t, "griphub.yaml", "secret_file: "+secret+"\n")
	if got := problemsOf(t, Options{File: file}); len(got) != 1 || !strings.HasSuffix(got[0], "is larger than 65536 bytes") {
		t.Errorf("big secret: %q", got)
	}
	binary := write(t, "keys", "good\nb\x00d\n")
	if got := problemsOf(t, Options{Environ: []string{"GRIPHUB_PUBLISH_KEYS_FILE=" + binary}}); len(got) != 1 || !strings.Contains(got[0], "is not text") {
		t.Errorf("binary keys: %q", got)
	}
	empty := write(t, "empty", "\n")
	if got := problemsOf(t, Options{Environ: []string{"GRIPHUB_SECRET_FILE=" + empty}}); len(got) != 1 || !strings.HasSuffix(got[0], "is empty") {
		t.Errorf("empty secret: %q", got)
	}
}

func TestABombOfAliasesIsCheap(t *testing.T) {
	var bomb strings.Builder
	bomb.WriteString("a: &a [x, x, x, x, x, x, x, x, x]\n")
	for i := 'b'; i <= 'z'; i++ {
		before := string(i - 1)
		bomb.WriteString(string(i) + ": &" + string(i) + " [" + strings.TrimSuffix(strings.Repeat("*"+before+", ", 9), ", ") + "]\n")
	}
	bomb.WriteString("channels: *z\n")
	got := problemsOf(t, Options{File: write(t, "griphub.yaml", bomb.String())})
	if len(got) != 27 {
		t.Errorf("got %d problems, want one for each of 26 unknown keys and one for the alias", len(got))
	}
}

func TestProblemsAreBounded(t *testing.T) {
	var file strings.Builder
	for i := range 5000 {
		file.WriteString("k" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + filepath.Base(strings.Repeat("y", i%11+1)) + ": 1\n")
	}
	file.WriteString("channels: [" + strings.Repeat("a, ", 5000) + "]\n")
	if got := problemsOf(t, Options{File: write(t, "griphub.yaml", file.String())}); len(got) > 2*maxProblems {
		t.Errorf("%d problems", len(got))
	}
}
