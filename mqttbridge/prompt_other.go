//go:build !linux

package mqttbridge

import "net"

// prompt returns the connection: other kernels have no such option.
func prompt(conn net.Conn) net.Conn { return conn }
