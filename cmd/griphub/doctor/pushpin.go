package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/griphub/griphub/grip"
)

// configuration reports the settings of a Pushpin on this machine.
func (c *proxyCheck) configuration(ctx context.Context) {
	check := c.name + " pushpin.conf"
	settings, err := c.machine.pushpin(ctx, c.proxy)
	if err != nil {
		c.Warn(check, fmt.Sprintf("cannot be seen from here (%v)", err),
			"see that it says message_rate=0, message_hwm=0 and client_buffer_size=65536, or run griphub doctor on the proxy's machine as root")
		return
	}
	c.settings = settings
	before := len(c.Findings)
	c.delivery(check)
	c.limits(check)
	c.access(check)
	if len(c.Findings) == before {
		c.OK(check, "%s loses nothing in silence: message_rate %s, client_buffer_size %d, connection_subscription_max %d",
			settings.file, settings.text("handler.message_rate", "none"), settings.bufferSize(), settings.subscriptions())
	}
}

// delivery reports settings by which Pushpin drops events. Defaults are those of Pushpin 1.36.
func (c *proxyCheck) delivery(check string) {
	s := c.settings
	if rate := s.number("handler.message_rate", -1); rate > 0 {
		c.Fail(check, fmt.Sprintf("message_rate=%d in %s: of all viewers' events together, what is above that many a second waits, and what is above message_hwm=%s is dropped in silence",
			rate, s.file, s.text("handler.message_hwm", "none")), "set message_rate=0 and message_hwm=0 in [handler] and restart Pushpin")
	}
	if size := s.bufferSize(); size < 65536 {
		c.Warn(check, fmt.Sprintf("client_buffer_size=%d in %s: a burst of events overruns a viewer's connection, and must be repaired from the log", size, s.file),
			"set client_buffer_size=65536 in [runner] and restart Pushpin")
	}
	if wait := s.number("handler.message_wait", 5000); wait > 1000 {
		c.Warn(check, fmt.Sprintf("message_wait=%d in %s: a lost event is repaired after %s only", wait, s.file, time.Duration(wait)*time.Millisecond),
			"set message_wait=1000 in [handler] and restart Pushpin")
	}
}

// limits reports settings by which Pushpin loses viewers.
func (c *proxyCheck) limits(check string) {
	s := c.settings
	// A WebSocket subscribes to each channel, and to the kicks of its user from it.
	if most := s.subscriptions(); most < 2*c.Config.Stream.MaxChannels {
		c.Fail(check, fmt.Sprintf("connection_subscription_max=%d in %s is less than twice stream.max_channels, which is %d: a WebSocket of so many channels never shows the last ones' events",
			most, s.file, c.Config.Stream.MaxChannels), "set connection_subscription_max=200 in [handler] and restart Pushpin, or lower stream.max_channels")
	}
	if files := s.openFiles(); files > 0 && uint64(max(0, s.maxConnections())) <= files {
		c.Fail(check, fmt.Sprintf("client_maxconn=%d, and the process may open %d files: the viewer who reaches client_maxconn makes Pushpin panic, and every viewer is cut off",
			s.maxConnections(), files), fmt.Sprintf("set client_maxconn=%d or more in [runner] of %s, so that the limit of files, which is safe, comes first", 2*files, s.file))
	}
	if files := s.openFiles(); files > 0 && files < fewDescriptors {
		c.Warn(check, fmt.Sprintf("Pushpin may open %d files, one for each viewer", files), "set LimitNOFILE=65536 in the systemd unit of Pushpin")
	}
}

// access reports who else can reach Pushpin, and by what key it signs.
func (c *proxyCheck) access(check string) {
	s := c.settings
	switch key := s.values["proxy.sig_key"]; {
	case key == "":
		c.Fail(check, "there is no sig_key in "+s.file+", so requests have no Grip-Sig", "set sig_key in [proxy] and key in "+c.key()+" to the same secret, and restart both")
	case !c.verifies(key):
		c.Fail(check, "the sig_key in "+s.file+" is not the key of "+c.key()+", so griphub refuses streams", "set key in "+c.key()+" to that sig_key, and restart griphub")
	}
	if s.values["proxy.sig_key"] == publicKey {
		c.Fail(check, "sig_key="+publicKey+" in "+s.file+", which everybody knows: anybody who reaches griphub can pass for the proxy",
			"set sig_key to the output of openssl rand -hex 32, and key in "+c.key()+" to the same, and restart both")
	}
	if address := s.text("handler.push_in_http_addr", "127.0.0.1"); isOpen(net.JoinHostPort(address, "0")) {
		c.Warn(check, "push_in_http_addr="+address+" in "+s.file+": whoever reaches the control port may publish to every viewer",
			"set it to 127.0.0.1 or an address of the internal network, or close the port to others with a firewall")
	}
}

// verifies tells whether griphub accepts what Pushpin signs with the key.
func (c *proxyCheck) verifies(sigKey string) bool {
	key, err := grip.ParseKey(sigKey)
	if err != nil || !key.CanSign() {
		return true // of a kind that only newer versions of Pushpin know
	}
	now := time.Now()
	sig, err := key.Sign(c.settings.values["proxy.sig_iss"], now.Add(time.Minute))
	return err != nil || grip.NewVerifier(c.Proxies).Proxied(sig, now)
}

// pushpinSettings are those of a Pushpin on this machine.
type pushpinSettings struct {
	file   string
	values map[string]string // see parsePushpinConf
	// front is the process that takes viewers' connections, nil where it cannot be seen.
	front *program
}

func (s *pushpinSettings) text(key, standard string) string {
	if value, ok := s.values[key]; ok {
		return value
	}
	return standard
}

func (s *pushpinSettings) number(key string, standard int) int {
	return confNumber(s.values, key, standard)
}

func (s *pushpinSettings) subscriptions() int {
	return s.number("handler.connection_subscription_max", 20)
}

// flag is what the front process was told, which counts; the file may have changed since.
func (s *pushpinSettings) flag(option, key string, standard int) int {
	if s.front != nil {
		if text, ok := s.front.option(option); ok {
			if n, err := strconv.Atoi(text); err == nil {
				return n
			}
		}
	}
	return s.number(key, standard)
}

func (s *pushpinSettings) bufferSize() int {
	return s.flag("--buffer-size", "runner.client_buffer_size", 8192)
}

func (s *pushpinSettings) maxConnections() int {
	return s.flag("--stream-maxconn", "runner.client_maxconn", 50000)
}

func (s *pushpinSettings) openFiles() uint64 {
	if s.front == nil {
		return 0
	}
	return s.front.openFiles()
}

// viewerURL is where browsers connect, empty where it cannot be seen.
func (s *pushpinSettings) viewerURL() string {
	listen := s.text("runner.http_port", "")
	if s.front != nil {
		if text, ok := s.front.option("--listen"); ok {
			listen, _, _ = strings.Cut(text, ",")
		}
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		host, port = "", listen
	}
	if port == "" {
		return ""
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// routesFile is the file that says which backend requests go to.
func (s *pushpinSettings) routesFile() string {
	return filepath.Join(filepath.Dir(s.file), s.text("proxy.routesfile", "routes"))
}

// standardPushpinConf is where packages install it.
const standardPushpinConf = "/etc/pushpin/pushpin.conf"

// pushpin finds the configuration of the Pushpin whose control port the proxy is.
func (m machine) pushpin(ctx context.Context, proxy grip.Proxy) (*pushpinSettings, error) {
	u, err := url.Parse(proxy.ControlURI)
	if err != nil {
		return nil, errors.New("no address")
	}
	if !isLocal(ctx, u.Hostname()) {
		return nil, fmt.Errorf("the proxy is on %s", u.Hostname())
	}
	err = errNotHere
	for _, p := range m.programs("pushpin-handler") {
		name, ok := p.option("--config")
		if !ok {
			name = standardPushpinConf
		}
		text, failed := p.read(name)
		if failed != nil {
			err = errUnreadable
			continue
		}
		s := &pushpinSettings{file: p.path(name), values: parsePushpinConf(string(text))}
		if s.listensOn(u.Port()) {
			s.front = m.front(p)
			return s, nil
		}
	}
	if text, failed := readSmall(standardPushpinConf); failed == nil {
		if s := (&pushpinSettings{file: standardPushpinConf, values: parsePushpinConf(string(text))}); s.listensOn(u.Port()) {
			return s, nil
		}
	}
	return nil, err
}

func (s *pushpinSettings) listensOn(port string) bool {
	return strconv.Itoa(s.number("handler.push_in_http_port", -1)+s.number("global.port_offset", 0)) == port
}

// front is the process beside the handler that takes viewers' connections: condure, pushpin-connmgr from 1.40 on.
func (m machine) front(handler program) *program {
	for _, p := range m.programs("condure", "pushpin-connmgr") {
		if p.parent == handler.parent && sameGroup(p, handler) {
			return &p
		}
	}
	return nil
}

// sameGroup tells whether the processes are parts of one Pushpin, as far as can be seen: griphub starts those of one, and
// a test those of several.
func sameGroup(a, b program) bool { return a.cwd() == b.cwd() }
