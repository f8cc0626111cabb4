package e2e

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports for servers are taken from below those that the kernel gives to clients (from 32768 on Linux), so that a
// server which restarts finds its own free.
const firstPort, lastPort = 12_000, 32_000

// FreeAddr returns an address for a server of the test's own, on which nobody listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	return freeAddr(t)
}

// freeAddr returns an address of this machine on which nobody listens, and which no other test is given until this
// one ends, in whatever process.
func freeAddr(t testing.TB) string {
	t.Helper()
	const attempts = 200
	for range attempts {
		port := strconv.Itoa(firstPort + rand.IntN(lastPort-firstPort))
		// The kernel keeps abstract sockets (unix(7)) apart by name, and forgets them with their process.
		claim, err := net.Listen("unix", "@griphub-e2e-port-"+port)
		if err != nil {
			continue
		}
		t.Cleanup(func() { _ = claim.Close() })
		if address := net.JoinHostPort("127.0.0.1", port); free(address) {
			return address
		}
	}
	t.Fatalf("no free port in %d attempts", attempts)
	return ""
}

// free tells whether a server could listen on the address.
func free(address string) bool {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return false
	}
	return l.Close() == nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}
