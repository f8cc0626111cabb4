package mqttbridge

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// prompt returns the connection, whose kernel tells the broker at once that what was read has arrived. By itself it waits up to
// 40 ms for something to send along with that, and a broker that does not set TCP_NODELAY (Mosquitto, unless told to) sends the next
// message only then: ours would come 40 ms late, and no more than fit the receive maximum in that time.
func prompt(conn net.Conn) net.Conn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return conn
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return conn
	}
	return &promptConn{Conn: conn, raw: raw}
}

type promptConn struct {
	net.Conn
	raw syscall.RawConn
}

// Read reads, and acknowledges. The kernel forgets the option by itself (tcp(7)), so it is set each time.
func (c *promptConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil {
		_ = c.raw.Control(acknowledgeAtOnce)
	}
	return n, err
}

func acknowledgeAtOnce(fd uintptr) {
	// Without the option it is only slow.
	_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1)
}
