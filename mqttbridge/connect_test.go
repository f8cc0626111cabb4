package mqttbridge_test

import (
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.golang/packets"

	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/brokertest"
)

const password = "p%40ss w/ord:geheim"

// wantErr waits for an error that contains the text, and checks that no secret is in it or in the log.
func (b *bridge) wantErr(t *testing.T, text string) {
	t.Helper()
	await(t, "the error "+text, func() bool { return b.Err() != nil && strings.Contains(b.Err().Error(), text) })
	if b.Connected() {
		t.Error("Connected in spite of an error")
	}
	await(t, "a line of log", func() bool { return strings.Contains(b.log.String(), text) })
	if all := b.Err().Error() + b.log.String(); strings.Contains(all, "geheim") {
		t.Errorf("the password is in %s", all)
	}
}

func TestUserNameAndPassword(t *testing.T) {
	broker := brokertest.Start(t, brokertest.Password("hub", password))
	r := newRecorder()
	start(t, mqttbridge.Config{URL: broker.URL, Username: "hub", Password: "geheim"}, r, r).wantErr(t, "not authorized")
	connected(t, mqttbridge.Config{URL: broker.URL, Username: "hub", Password: password, ClientID: "a"}, r, r)
	inURL := "mqtt://hub:p%2540ss%20w%2Ford%3Ageheim@" + broker.Addr
	b := connected(t, mqttbridge.Config{URL: inURL, ClientID: "b"}, r, r)
	if strings.Contains(b.log.String(), "geheim") {
		t.Errorf("the password is in the log: %s", b.log)
	}
	start(t, mqttbridge.Config{URL: inURL + "0", ClientID: "c"}, r, r).wantErr(t, broker.Addr)
}

func TestTLSWithAClientCertificate(t *testing.T) {
	broker, other := brokertest.Start(t, brokertest.TLS()), brokertest.Start(t, brokertest.TLS())
	late := brokertest.Start(t, brokertest.TLS(), brokertest.Expired())
	oldCert, oldKey := broker.Client("old", time.Now().Add(-time.Minute))
	sound := mqttbridge.Config{URL: broker.URL, CAFile: broker.CAFile, CertFile: broker.CertFile, KeyFile: broker.KeyFile}
	r := newRecorder()
	for name, scene := range map[string]struct {
		change func(*mqttbridge.Config)
		want   string
	}{
		"the system's authorities":         {func(c *mqttbridge.Config) { c.CAFile = "" }, "certificate signed by unknown authority"},
		"another authority":                {func(c *mqttbridge.Config) { c.CAFile = other.CAFile }, "certificate signed by unknown authority"},
		"another name":                     {func(c *mqttbridge.Config) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) }, "localhost"},
		"the broker's certificate is over": {func(c *mqttbridge.Config) { c.URL, c.CAFile = late.URL, late.CAFile }, "certificate has expired"},
		"no certificate":                   {func(c *mqttbridge.Config) { c.CertFile, c.KeyFile = "", "" }, "certificate required"},
		"our certificate is over":          {func(c *mqttbridge.Config) { c.CertFile, c.KeyFile = oldCert, oldKey }, "expired certificate"},
		"our certificate is of another":    {func(c *mqttbridge.Config) { c.CertFile, c.KeyFile = other.CertFile, other.KeyFile }, "unknown certificate authority"},
	} {
		t.Run(name, func(t *testing.T) {
			config := sound
			scene.change(&config)
			config.ClientID = "a"
			start(t, config, r, r).wantErr(t, scene.want)
		})
	}
	mixed := sound
	mixed.KeyFile, mixed.Rules = other.KeyFile, rules(t)
	if _, err := mqttbridge.New(mixed, r, r, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "private key does not match") {
		t.Errorf("with the key of another certificate: %v", err)
	}
	b := connected(t, sound, r, r)
	b.stop()
}

func TestWebSockets(t *testing.T) {
	broker := brokertest.Start(t, brokertest.WebSockets())
	r := newRecorder()
	b := connected(t, mqttbridge.Config{URL: broker.WebSocketURL}, r, r)
	newDevice(t, broker.URL, "d1").sendCounts(10, 0, 100)
	await(t, "1000 messages", func() bool { return r.count() >= 1000 })
	r.wantCounts(t, 10, 100)
	b.stop()
	start(t, mqttbridge.Config{URL: strings.Replace(broker.URL, "mqtt:", "ws:", 1), ClientID: "a"}, r, r).wantErr(t, "WebSocket")
}

// answering runs a server that answers CONNECT and SUBSCRIBE, and closes the connection after the last answer.
func answering(t *testing.T, answers ...string) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			for i := 0; i < len(answers); {
				packet, err := packets.ReadPacket(conn)
				if err != nil {
					break
				}
				if packet.Type == packets.CONNECT || packet.Type == packets.SUBSCRIBE {
					_, _ = io.WriteString(conn, answers[i])
					i++
				}
			}
			conn.Close()
		}
	}()
	return "mqtt://" + listener.Addr().String()
}

func TestWhatABrokerRefusesIsSaidInWords(t *testing.T) {
	const accepted, subscribed = "\x20\x03\x00\x00\x00", "\x90\x05\x00\x01\x00\x01\x01"
	for name, c := range map[string]struct {
		answers []string
		want    string
	}{
		"MQTT 3.1.1 refuses": {[]string{"\x20\x02\x00\x01"}, "speak MQTT 5"},
		"MQTT 3.1.1 accepts": {[]string{"\x20\x02\x00\x00"}, "speak MQTT 5"},
		"the version":        {[]string{"\x20\x03\x00\x84\x00"}, "the broker does not speak MQTT 5 (0x84)"},
		"no MQTT at all":     {[]string{"HTTP/1.1 400 Bad Request\r\n\r\n"}, "speak MQTT 5"},
		"no answer":          {[]string{""}, "speak MQTT 5"},
		"the client id":      {[]string{"\x20\x03\x00\x85\x00"}, "the broker does not accept the client id (0x85)"},
		"the password":       {[]string{"\x20\x03\x00\x86\x00"}, "wrong user name or password (0x86)"},
		"an unknown reason":  {[]string{"\x20\x03\x00\xfe\x00"}, "reason code 0xfe"},
		"a subscription":     {[]string{accepted, "\x90\x05\x00\x01\x00\x01\x87"}, "subscribe to things/+/+/status: not authorized"},
		"takes the session":  {[]string{accepted, subscribed + "\xe0\x02\x8e\x00"}, "another client has connected with the same client id"},
		"says why":           {[]string{accepted, subscribed + "\xe0\x0a\x8b\x08\x1f\x00\x05later"}, "the broker shuts down: later"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, mqttbridge.Config{URL: answering(t, c.answers...)}, newRecorder(), nil)
			b.wantErr(t, c.want)
		})
	}
}

func TestTwoBridgesOfOneClientIDDoNotTakeTurnsForEver(t *testing.T) {
	broker := brokertest.Start(t)
	r := newRecorder()
	first := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	second := connected(t, mqttbridge.Config{URL: broker.URL}, r, r)
	first.wantErr(t, "another client connects with the same client id")
	before := time.Now()
	await(t, "several takeovers", func() bool { return first.Stats().Connections+second.Stats().Connections >= 6 })
	if took := time.Since(before); took < time.Second {
		t.Errorf("they took the session from each other 4 times within %v", took)
	}
}

func TestConfigurationsThatCannotWorkAreRefused(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	valid := mqttbridge.Config{URL: "mqtts://user:geheim@localhost", ClientID: "griphub", Rules: rules(t)}
	for want, change := range map[string]func(*mqttbridge.Config){
		"mqtt: url: not a URL":                func(c *mqttbridge.Config) { c.URL = "mqtt://user:geheim@local host" },
		`url: scheme "http"`:                  func(c *mqttbridge.Config) { c.URL = "http://user:geheim@localhost" },
		`url: scheme ""`:                      func(c *mqttbridge.Config) { c.URL = "localhost" },
		"url: the host is missing":            func(c *mqttbridge.Config) { c.URL = "mqtt://user:geheim@:1883" },
		"client_id: empty":                    func(c *mqttbridge.Config) { c.ClientID = "" },
		"topics: there is no rule":            func(c *mqttbridge.Config) { c.Rules = mqttbridge.Rules{} },
		"ca_file: open":                       func(c *mqttbridge.Config) { c.CAFile = missing },
		"holds no certificate in PEM form":    func(c *mqttbridge.Config) { c.CAFile = empty },
		"cert_file and key_file: open":        func(c *mqttbridge.Config) { c.CertFile = missing },
		"cert_file and key_file: tls: failed": func(c *mqttbridge.Config) { c.CertFile, c.KeyFile = empty, empty },
	} {
		config := valid
		change(&config)
		_, err := mqttbridge.New(config, newRecorder(), nil, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("error %v\nwant %s", err, want)
		}
	}
}
