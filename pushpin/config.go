package pushpin

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// DefaultListen is where a Server takes clients: on this machine only, because
	// whoever reaches a development hub is signed in.
	DefaultListen = "127.0.0.1:7999"
	// DefaultControlPort is Pushpin's own default for its HTTP control port.
	DefaultControlPort = 5561
	// DefaultBodyLimit is the largest body, in bytes, that Pushpin's control port
	// takes unless it is configured otherwise.
	DefaultBodyLimit = 1_000_000
	// SigIssuer is the issuer that Pushpin names in Grip-Sig unless it is configured otherwise.
	SigIssuer = "pushpin"
)

// Config says how a Server runs Pushpin.
type Config struct {
	// Dir is the data directory. The Server owns Dir/pushpin: configuration, lock,
	// and the sockets between the processes. Any length and any characters will do:
	// the processes run inside that directory and name their sockets relative to it,
	// so the 108 bytes that a socket's path may have do not matter.
	Dir string

	// Listen is the address for clients, an IP address (or nothing, for all) and a
	// port. Empty means DefaultListen.
	Listen string

	// ControlPort is the port on 127.0.0.1 that takes items over HTTP. 0 means
	// DefaultControlPort. Pushpin does not authenticate publishers: who reaches the
	// port may publish. All other endpoints are sockets in Dir.
	ControlPort int

	// Backend is the host and port, both required, that requests go to: HTTP as it
	// came, and WebSockets as HTTP.
	Backend string

	// SigKey signs the requests to the backend: a secret, or a private EC or RSA key as a PEM block. Required.
	SigKey []byte

	// SigIssuer is the issuer that the signatures name. Empty means SigIssuer.
	SigIssuer string

	// BodyLimit is the largest body of a publish request, in bytes; 0 means
	// DefaultBodyLimit.
	BodyLimit int
}

// withDefaults returns the configuration with nothing left open, or what is wrong.
func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no data directory")
	}
	if len(c.SigKey) == 0 {
		return c, errors.New("no signature key")
	}
	if c.Listen == "" {
		c.Listen = DefaultListen
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return c, fmt.Errorf("listen address %q: want ip:port", c.Listen)
	}
	switch {
	case host == "":
		host = "0.0.0.0"
	case net.ParseIP(host) == nil:
		return c, fmt.Errorf("listen address %q: %q is not an IP address", c.Listen, host)
	}
	if !isPort(port) {
		return c, fmt.Errorf("listen address %q: want a port from 1 to 65535", c.Listen)
	}
	c.Listen = net.JoinHostPort(host, port)

	if c.ControlPort == 0 {
		c.ControlPort = DefaultControlPort
	}
	if c.ControlPort < 0 || c.ControlPort > 65535 {
		return c, fmt.Errorf("control port %d: want 1 to 65535", c.ControlPort)
	}
	if strconv.Itoa(c.ControlPort) == port {
		return c, fmt.Errorf("control port %d: clients are to use it already", c.ControlPort)
	}
	if c.BodyLimit == 0 {
		c.BodyLimit = DefaultBodyLimit
	}
	if c.SigIssuer == "" {
		c.SigIssuer = SigIssuer
	}
	if strings.ContainsAny(c.SigIssuer, "\r\n") {
		return c, errors.New("signature issuer: has a line break")
	}
	if c.BodyLimit < 0 {
		return c, fmt.Errorf("body limit %d: want more than 0", c.BodyLimit)
	}
	return c, c.checkBackend()
}

func (c Config) checkBackend() error {
	host, port, err := net.SplitHostPort(c.Backend)
	if err != nil || host == "" || !isPort(port) {
		return fmt.Errorf("backend address %q: want host:port", c.Backend)
	}
	for _, r := range host {
		// A routes file splits at blanks and commas, and a target at its first colon:
		// IPv6 addresses are only understood from 1.41 on.
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
		default:
			return fmt.Errorf("backend address %q: want a host name or an IPv4 address", c.Backend)
		}
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

const (
	// A process may have maxFiles descriptors, fewer where the system allows fewer. It is
	// one per connection.
	maxFiles = 65536
	// Condure panics when it reaches client_maxconn and takes every client down, but
	// only stops accepting when it runs out of descriptors. So descriptors must run out
	// first. Condure reserves about 0.6 kB per possible connection, so not a million.
	connectionsPerFile = 2
	// The send window of a connection. With the default, 8192, bursts are lost.
	clientBuffer = 65536
)

// The directory that a Server owns, in Dir, and in it the files that it writes, the directory of the sockets, and in that the
// socket for statistics.
const (
	dirName     = "pushpin"
	pushpinFile = "pushpin.conf"
	routesFile  = "routes"
	zurlFile    = "zurl.conf"
	keyFile     = "sig_key.pem"
	lockName    = "lock"
	runName     = "run"
	statsName   = "stats"
)

// write generates the configuration files in dir.
func (c Config) write(dir, probeHost string, files uint64) error {
	type file struct{ name, text string }
	all := []file{
		{pushpinFile, c.pushpinConf(files)},
		{routesFile, fmt.Sprintf("* %s,over_http\n%s test\n", c.Backend, probeHost)},
		{zurlFile, zurlConf},
	}
	if c.pemKey() {
		all = append(all, file{keyFile, string(c.SigKey)})
	}
	for _, f := range all {
		// The key is among them, so no one else may read them.
		if err := os.WriteFile(filepath.Join(dir, f.name), []byte(f.text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (c Config) pemKey() bool {
	return bytes.HasPrefix(bytes.TrimSpace(c.SigKey), []byte("-----BEGIN "))
}

// sigKey is the key as pushpin.conf names it: public-key signatures take theirs from a file.
func (c Config) sigKey() string {
	if c.pemKey() {
		return "file:" + keyFile
	}
	return "base64:" + base64.StdEncoding.EncodeToString(c.SigKey)
}

// pushpinConf is made of settings that were measured not to lose events.
//
//   - message_rate and message_hwm count deliveries of all channels together and
//     drop what is above them, while the publisher is told 200.
//   - id_cache_ttl is 0 unless set; with it an item that is sent again is shown once.
//   - push_in_max_body_size is the name that works up to 1.40, the longer one from 1.41 on.
//   - push_in_http_addr would be every address.
//   - stats_subscription_ttl bounds how long an Audience that has just connected does not know all viewers.
func (c Config) pushpinConf(files uint64) string {
	return fmt.Sprintf(`# Written by griphub at every start.
[global]
include={libdir}/internal.conf
rundir=%s
ipc_prefix=
stats_connection_ttl=120

[runner]
client_maxconn=%d

[proxy]
routesfile=%s
sig_iss=%s
sig_key=%s
set_x_forwarded_protocol=proto-only
x_forwarded_for=truncate:0,append
updates_check=off
zurl_out_specs=ipc://{rundir}/zurl-in
zurl_out_stream_specs=ipc://{rundir}/zurl-in-stream
zurl_in_specs=ipc://{rundir}/zurl-out

[handler]
push_in_spec=ipc://{rundir}/push-in
push_in_sub_specs=ipc://{rundir}/push-in-sub
push_in_http_addr=127.0.0.1
push_in_http_port=%d
push_in_max_body_size=%[7]d
push_in_http_max_body_size=%[7]d
command_spec=ipc://{rundir}/command
stats_spec=ipc://{rundir}/%[8]s
stats_format=json
stats_subscription_ttl=20
message_rate=0
message_hwm=0
message_wait=1000
id_cache_ttl=60
connection_subscription_max=200
subscription_linger=60
`,
		runName, files*connectionsPerFile, routesFile, c.SigIssuer,
		c.sigKey(), c.ControlPort, c.BodyLimit, statsName)
}

// zurlConf allows every address, since the backend is one of this machine's. Pushpin asks for
// nothing but its routes' targets.
const zurlConf = `# Written by griphub at every start.
[General]
instance_id=
in_spec=ipc://run/zurl-in
in_stream_spec=ipc://run/zurl-in-stream
out_spec=ipc://run/zurl-out
in_req_spec=
defpolicy=allow
allow=
deny=
max_open_requests=2000
buffer_size=200000
timeout=600
in_hwm=1000
out_hwm=1000
`
