package config

import (
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"unicode"
)

// Check tells what `griphub serve` would refuse: everything that Load finds with Options.Serve, except what no longer shows
// in a Config, such as unknown keys. It is for a Config that was changed after Load. The error is Problems.
func (c Config) Check() error {
	if problems := c.problems(true, nil); len(problems) > 0 {
		return problems.inOrder()
	}
	return nil
}

// checker asks whether values make sense and agree with each other.
type checker struct {
	Config
	serve bool
	wrong map[string]bool
	found Problems
}

// problems lists what is wrong with the values, without keys that are known to be wrong.
func (c Config) problems(serve bool, wrong map[string]bool) Problems {
	k := &checker{Config: c, serve: serve, wrong: wrong}
	k.addresses()
	k.secrets()
	k.publishers()
	k.proxies()
	k.broker()
	k.topics()
	k.authentication()
	k.channelRules()
	k.streamRoutes()
	k.crossOrigin()
	k.webhooks()
	k.serving()
	return k.found
}

// fail reports a problem at the place where the key, or the list entry that it belongs to, was given.
func (k *checker) fail(path, format string, args ...any) {
	entry := path[:strings.LastIndex(path, "]")+1]
	list, _, _ := strings.Cut(entry, "[")
	if k.wrong[path] || k.wrong[entry] || k.wrong[list] || len(k.found) >= maxProblems {
		return
	}
	at, known := k.origins[path]
	if !known {
		at = k.origins[entry]
	}
	called := path
	if at.variable != "" {
		called = at.variable
		if i := strings.Index(path, "["); i >= 0 {
			called += path[i:]
		}
	}
	k.found = append(k.found, Problem{
		File: at.file, Line: at.line, Column: at.column,
		Key:     called,
		Message: fmt.Sprintf(format, args...),
	})
}

// test reports an error as a problem of the key.
func (k *checker) test(path string, err error) {
	if err != nil {
		k.fail(path, "%s", err)
	}
}

func (k *checker) addresses() {
	k.test("listen", checkAddress(k.Listen))
	k.test("ops_listen", checkAddress(k.OpsListen))
	if k.Listen == k.OpsListen && !strings.HasSuffix(k.Listen, ":0") {
		k.fail("ops_listen", "is the same address as listen; metrics must not be reachable through the proxy")
	}
	k.test("database", checkDatabase(k.Database))
}

const makeSecret = "make one with: openssl rand -hex 32"

// minSecret is the least length of a key for HMAC-SHA-256, in bytes (RFC 7518, section 3.2).
const minSecret = 32

func (k *checker) secrets() {
	k.secret("secret", k.Secret)
	k.secret("secret_previous", k.SecretPrevious)
	k.secret("auth.jwt.secret", k.Auth.JWT.Secret)
	if k.SecretPrevious != "" && k.Secret == k.SecretPrevious {
		k.fail("secret_previous", "is the same as secret")
	}
}

// makeKey is how an API key is made.
const makeKey = "make one with: griphub token --key"

func (k *checker) publishers() {
	seen := make(map[[sha256.Size]byte]bool)
	for i, entry := range k.Publish.Keys {
		path := fmt.Sprintf("publish.keys[%d]", i)
		for j, pattern := range entry.Channels {
			k.test(fmt.Sprintf("%s.channels[%d]", path, j), checkChannelPattern(pattern))
		}
		if len(entry.Name) > 64 || strings.ContainsFunc(entry.Name, unicode.IsControl) {
			k.fail(path+".name", "is longer than 64 bytes or has a control character")
		}
		path += ".key"
		if entry.Key == "" || strings.ContainsAny(string(entry.Key), " \t\r\n") {
			k.fail(path, "is empty or has blanks; %s", makeKey)
			continue
		}
		digest, err := entry.Key.SHA256()
		if err != nil {
			k.fail(path, "%s", err)
			continue
		}
		if seen[digest] {
			k.fail(path, "is in the list already")
		}
		seen[digest] = true
	}
}

func (k *checker) secret(path string, s Secret) {
	if s == "" {
		return
	}
	key, err := s.Bytes()
	if err != nil {
		k.fail(path, "%s", err)
	} else if len(key) < minSecret {
		k.fail(path, "is shorter than %d bytes; %s", minSecret, makeSecret)
	}
}

func (k *checker) proxies() {
	seen := make(map[SecretURL]bool)
	for i, u := range k.Grip.URLs {
		path := fmt.Sprintf("grip.urls[%d]", i)
		k.test(path, checkGripURL(u))
		if seen[u] {
			k.fail(path, "names a proxy that is in the list already")
		}
		seen[u] = true
	}
	for i, socket := range k.Grip.Stats {
		path := fmt.Sprintf("grip.stats[%d]", i)
		k.test(path, checkStats(socket))
		if slices.Contains(k.Grip.Stats[:i], socket) {
			k.fail(path, "names a socket that is in the list already, whose viewers would count twice")
		}
	}
	if strings.ContainsAny(k.Grip.Prefix, ",; \t\r\n") {
		k.fail("grip.prefix", "has a comma, a semicolon or a blank, which cannot stand in a Grip-Channel header")
	}
}

func (k *checker) broker() {
	m := k.MQTT
	if (m.CertFile == "") != (m.KeyFile == "") {
		k.fail("mqtt.cert_file", "cert_file and key_file belong together; give both or neither")
	}
	if m.URL == "" {
		return
	}
	if err := checkURL(string(m.URL), "mqtt://127.0.0.1:1883", "mqtt", "mqtts", "ws", "wss"); err != nil {
		k.fail("mqtt.url", "%s", err)
		return
	}
	if m.ClientID == "" {
		k.fail("mqtt.client_id", "is empty; without a name the broker forgets what arrives while griphub is away")
	}
	parsed, err := url.Parse(string(m.URL))
	if err != nil {
		return // checkURL has said so
	}
	if parsed.User != nil && (m.Username != "" || m.Password != "") {
		k.fail("mqtt.url", "has a user name, and mqtt.username or mqtt.password is given as well; give it once")
	}
	if secure := parsed.Scheme == "mqtts" || parsed.Scheme == "wss"; !secure && m.CAFile+m.CertFile+m.KeyFile != "" {
		k.fail("mqtt.url", "is not encrypted, so that ca_file, cert_file and key_file would have no effect; write mqtts:// or wss://")
	}
}

func (k *checker) topics() {
	if k.MQTT.URL != "" && len(k.MQTT.Topics) == 0 {
		k.fail("mqtt.topics", "is empty; nothing would be read from the broker (set mqtt.url to \"\" to use none)")
	}
	for i, topic := range k.MQTT.Topics {
		path := fmt.Sprintf("mqtt.topics[%d]", i)
		if topic.Topic == "" {
			k.fail(path+".topic", "is missing")
		} else if err := checkTopic(topic.Topic); err != nil {
			k.fail(path+".topic", "%s", err)
		} else {
			k.names(path+".topic", topic.Topic, topic.needs()...)
		}
		if topic.Kind == "" && !topic.placing() {
			k.fail(path+".kind", "is missing; write data, status, state or response")
		}
		if topic.Kind == "state" && topic.ID != "" {
			k.fail(path+".id", "has no effect for kind state, whose messages do no harm twice; leave it out")
		}
	}
}

// placing tells whether the topic's decoder tells by itself what a message is about.
func (t Topic) placing() bool { return t.Decoder != "" && t.Decoder != "json" && t.Decoder != "value" }

// needs lists the levels without which the topic's messages cannot be placed.
func (t Topic) needs() []string {
	if t.Decoder == "homeassistant" || t.Kind == "state" || t.Kind == "" && !t.placing() {
		return nil
	}
	if t.Type != "" {
		return []string{"{device_id}"}
	}
	return []string{"{device_type}", "{device_id}"}
}

// names checks that a topic tells what its messages cannot be placed without.
func (k *checker) names(path, topic string, levels ...string) {
	for _, level := range levels {
		if !slices.Contains(strings.Split(topic, "/"), level) {
			k.fail(path, "has no level %s, which says whose message it is", level)
		}
	}
}

func (k *checker) authentication() {
	jwt := k.Auth.JWT
	if k.Auth.Cookie != "" && !isToken(k.Auth.Cookie) {
		k.fail("auth.cookie", "%s cannot name a cookie", quoted(k.Auth.Cookie))
	}
	if jwt.JWKSURL != "" {
		k.test("auth.jwt.jwks_url", checkHTTP(jwt.JWKSURL))
	}
	if k.Auth.Forward.URL != "" {
		k.test("auth.forward.url", checkHTTP(k.Auth.Forward.URL))
	}
	switch k.Auth.Mode {
	case "forward":
		if k.Auth.Forward.URL == "" {
			k.fail("auth.forward.url", "is missing; auth.mode is forward")
		}
	case "jwt":
		k.tokenKey(jwt)
	}
}

// tokenKey checks that there is exactly one key, and one of the algorithm's kind. A public key that is taken for a shared
// secret lets everybody sign tokens.
func (k *checker) tokenKey(jwt JWT) {
	shared := jwt.Algorithm == "HS256"
	switch {
	case shared && jwt.PublicKeyFile != "":
		k.fail("auth.jwt.public_key_file", "does not go with algorithm HS256; set auth.jwt.algorithm to RS256, ES256 or EdDSA")
	case shared && jwt.JWKSURL != "":
		k.fail("auth.jwt.jwks_url", "does not go with algorithm HS256; set auth.jwt.algorithm to RS256, ES256 or EdDSA")
	case shared && jwt.Secret == "" && k.serve:
		k.fail("auth.jwt.secret", "is missing; auth.mode is jwt with HS256 (auth.mode none lets everybody in as anonymous)")
	case !shared && jwt.Secret != "":
		k.fail("auth.jwt.secret", "does not go with algorithm %s; set auth.jwt.algorithm to HS256", jwt.Algorithm)
	case jwt.PublicKeyFile != "" && jwt.JWKSURL != "":
		k.fail("auth.jwt.jwks_url", "give either public_key_file or jwks_url, not both")
	case !shared && jwt.PublicKeyFile == "" && jwt.JWKSURL == "" && k.serve:
		k.fail("auth.jwt.public_key_file", "is missing; algorithm %s needs it or jwks_url", jwt.Algorithm)
	}
}

func (k *checker) channelRules() {
	seen := make(map[string]bool)
	for i, rule := range k.Channels {
		path := fmt.Sprintf("channels[%d]", i)
		switch {
		case rule.Match == "":
			k.fail(path+".match", "is missing; ** matches every channel")
		case seen["**"]:
			k.fail(path+".match", "%s is never reached: a rule before it matches every channel", quoted(rule.Match))
		case seen[rule.Match]:
			k.fail(path+".match", "%s is never reached: a rule before it has the same pattern", quoted(rule.Match))
		default:
			k.test(path+".match", checkChannelPattern(rule.Match))
		}
		seen[rule.Match] = true
		if rule.Read == "" {
			k.fail(path+".read", "is missing; write public, authenticated, token or nobody")
		}
	}
}

func (k *checker) streamRoutes() {
	shapes := make(map[string]bool)
	for i, stream := range k.Streams {
		path := fmt.Sprintf("streams[%d]", i)
		names, err := pathNames(stream.Path)
		if err != nil {
			k.fail(path+".path", "%s", err)
			continue
		}
		if shape := pathShape(stream.Path); shapes[shape] {
			k.fail(path+".path", "%s is the same route as one before it", quoted(stream.Path))
		} else {
			shapes[shape] = true
		}
		if len(stream.Channels) == 0 {
			k.fail(path+".channels", "is missing; name at least one channel")
		}
		if most := k.Stream.MaxChannels; len(stream.Channels) > most {
			k.fail(path+".channels", "has %d channels; stream.max_channels is %d", len(stream.Channels), most)
		}
		for j, channel := range stream.Channels {
			k.test(fmt.Sprintf("%s.channels[%d]", path, j), checkChannelTemplate(channel, names))
		}
	}
}

func (k *checker) crossOrigin() {
	for i, origin := range k.CORS.Origins {
		path := fmt.Sprintf("cors.origins[%d]", i)
		k.test(path, checkOrigin(origin))
		if origin == "*" && k.CORS.Credentials {
			k.fail(path, "\"*\" with cors.credentials would let every site read in the visitor's name; list the origins")
		}
	}
	for i, header := range k.CORS.Headers {
		if !isToken(header) {
			k.fail(fmt.Sprintf("cors.headers[%d]", i), "%s cannot name a header", quoted(header))
		}
	}
}

// serving checks what only a server needs. Other commands run with the same file where its certificates are not.
func (k *checker) serving() {
	if !k.serve {
		return
	}
	if k.Secret == "" {
		k.fail("secret", "is missing; give secret, secret_file or GRIPHUB_SECRET (%s)", makeSecret)
	}
	if len(k.Grip.URLs) == 0 {
		k.fail("grip.urls", "is empty; events would reach nobody")
	}
	k.readable("mqtt.ca_file", k.MQTT.CAFile)
	k.readable("mqtt.cert_file", k.MQTT.CertFile)
	k.readable("mqtt.key_file", k.MQTT.KeyFile)
	k.readable("auth.jwt.public_key_file", k.Auth.JWT.PublicKeyFile)
	k.directory("templates.dir", k.Templates.Dir)
	k.directory("assets.dir", k.Assets.Dir)
}

func (k *checker) directory(path, name string) {
	if name == "" {
		return
	}
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		k.fail(path, "%s is not a directory", quoted(name))
	}
}

func (k *checker) readable(path, name string) {
	if name == "" {
		return
	}
	if _, err := readLimited(name, maxFileSize); err != nil {
		k.fail(path, "%s %s", quoted(name), reason(err))
	}
}
