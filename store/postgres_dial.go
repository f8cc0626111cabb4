package store

import (
	"net"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// A server's machine that is gone says nothing any more, and the kernel would wait a quarter of an hour for its answer before a
// call fails and the next server of the URL is tried. These bound the wait: connectWithin for a connection, and
// serverSilence for a sign of life, on each connection. A server that takes its time is not silent, as its kernel answers.
const (
	connectWithin = 5 * time.Second
	serverSilence = 10 * time.Second
)

// noticeLoss lets connections to a server that is gone fail in seconds. What the URL says of connect_timeout holds.
func noticeLoss(config *pgxpool.Config) {
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectWithin
	}
	const probes = 3
	dialer := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: serverSilence / 2, Interval: serverSilence / 2 / probes, Count: probes},
		Control: func(network, _ string, c syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			var failed error
			if err := c.Control(func(fd uintptr) { failed = limitSilence(fd, serverSilence) }); err != nil {
				return err
			}
			return failed
		},
	}
	config.ConnConfig.DialFunc = dialer.DialContext
}
