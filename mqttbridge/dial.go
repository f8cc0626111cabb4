package mqttbridge

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"

	"github.com/coder/websocket"
)

// A dialer opens network connections to the broker.
type dialer struct {
	url *url.URL // without user and password
	tls *tls.Config
}

// defaultPorts are those of the schemes (MQTT: IANA's; WebSockets: HTTP's).
var defaultPorts = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}

// newDialer checks the address. user is what the URL has of it.
func newDialer(c *Config) (d *dialer, user *url.Userinfo, err error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		// The error would quote the URL, and the password in it.
		return nil, nil, errors.New("url: not a URL")
	}
	port, known := defaultPorts[u.Scheme]
	switch {
	case !known:
		return nil, nil, fmt.Errorf("url: scheme %q: want mqtt, mqtts, ws or wss", u.Scheme)
	case u.Hostname() == "":
		return nil, nil, errors.New("url: the host is missing")
	}
	user, u.User = u.User, nil
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	d = &dialer{url: u}
	if u.Scheme == "mqtts" || u.Scheme == "wss" {
		if d.tls, err = clientTLS(c); err != nil {
			return nil, nil, err
		}
		d.tls.ServerName = u.Hostname()
	}
	return d, user, nil
}

func clientTLS(c *Config) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("ca_file %s: it holds no certificate in PEM form", c.CAFile)
		}
	}
	if c.CertFile != "" || c.KeyFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// dial opens a connection. life bounds a WebSocket's life, ctx the opening.
func (d *dialer) dial(ctx, life context.Context) (*wire, error) {
	var conn net.Conn
	var err error
	switch d.url.Scheme {
	case "mqtt":
		conn, err = dialTCP(ctx, "tcp", d.url.Host)
	case "mqtts":
		conn, err = d.secure(ctx)
	default:
		conn, err = d.websocket(ctx, life)
	}
	if err != nil {
		return nil, err
	}
	return &wire{Conn: conn, in: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func dialTCP(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return prompt(conn), nil
}

func (d *dialer) secure(ctx context.Context) (net.Conn, error) {
	conn, err := dialTCP(ctx, "tcp", d.url.Host)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, d.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return secured, nil
}

func (d *dialer) websocket(ctx, life context.Context) (net.Conn, error) {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: dialTCP, TLSClientConfig: d.tls}
	ws, _, err := websocket.Dial(ctx, d.url.String(), &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: transport},
		Subprotocols: []string{"mqtt"}, // MQTT 5, section 6
	})
	if err != nil {
		return nil, err
	}
	return websocket.NetConn(life, ws, websocket.MessageBinary), nil
}

// A wire is a connection that several goroutines may write to: paho locks whatever has a Lock around each packet. It
// reads ahead, since paho reads a packet's header byte by byte.
type wire struct {
	net.Conn
	sync.Mutex
	in *bufio.Reader
}

// Read reads what has arrived.
func (w *wire) Read(p []byte) (int, error) { return w.in.Read(p) }
