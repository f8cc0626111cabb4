package store

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// limitSilence bounds how long what was sent may stay unacknowledged, which keep-alive probes do not.
func limitSilence(fd uintptr, limit time.Duration) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds())))
}
