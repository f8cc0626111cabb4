//go:build long

package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
)

// A network has hosts, each a network namespace of its own with one interface, that a bridge joins as a switch does. The test
// itself is a host too, "viewers", which has the bridge's own address. Making one takes root.
type network struct {
	t      testing.TB
	name   string
	prefix string // of addresses, with the dot
	hosts  []*host
}

// A host is one machine of a network.
type host struct {
	network *network
	name    string
	address string
	// namespace is empty for the test's own.
	namespace string
	device    string
}

// nowhere is a hardware address that nobody has: what is sent there is lost without a word, as behind a broken switch.
const nowhere = "02:00:00:00:00:01"

var networks atomic.Int32

// newNetwork makes a network with the host "viewers". Its addresses are of the block that is set aside for tests of
// networks (RFC 2544).
func newNetwork(t testing.TB) *network {
	t.Helper()
	// Each has a name and addresses of its own: what is left of the one before goes away when it likes.
	number := os.Getpid() + int(networks.Add(1))
	n := &network{t: t, name: fmt.Sprintf("gh%d", number), prefix: fmt.Sprintf("198.18.%d.", number%256)}
	viewers := &host{network: n, name: "viewers", address: n.prefix + "1", device: n.name}
	n.hosts = []*host{viewers}
	n.ip("link", "add", n.name, "type", "bridge")
	t.Cleanup(func() { n.ip("link", "del", n.name) })
	n.ip("address", "add", viewers.address+"/24", "dev", n.name)
	n.ip("link", "set", n.name, "up")
	return n
}

// host adds a host.
func (n *network) host(name string) *host {
	n.t.Helper()
	number := len(n.hosts) + 1
	h := &host{network: n, name: name, address: fmt.Sprint(n.prefix, number), namespace: n.name + "-" + name, device: "eth0"}
	n.ip("netns", "add", h.namespace)
	n.t.Cleanup(func() { n.ip("netns", "del", h.namespace) })
	port := fmt.Sprintf("%s.%d", n.name, number)
	n.ip("link", "add", port, "type", "veth", "peer", "name", h.device, "netns", h.namespace)
	n.ip("link", "set", port, "master", n.name, "up")
	h.ip("address", "add", h.address+"/24", "dev", h.device)
	h.ip("link", "set", "lo", "up")
	h.ip("link", "set", h.device, "up")
	n.hosts = append(n.hosts, h)
	return h
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Errorf("ip %s: %v: %s (a network of namespaces takes root and iproute2)", strings.Join(args, " "), err, out)
	}
}

func (h *host) ip(args ...string) {
	h.network.t.Helper()
	if h.namespace != "" {
		args = append([]string{"-n", h.namespace}, args...)
	}
	h.network.ip(args...)
}

// cut lets nothing pass between two hosts. Connections stay open, and nobody is told.
func cut(a, b *host) {
	for _, way := range [][2]*host{{a, b}, {b, a}} {
		way[0].ip("neighbour", "replace", way[1].address, "lladdr", nowhere, "dev", way[0].device, "nud", "permanent")
	}
}

// join lets everything pass again.
func join(a, b *host) {
	for _, way := range [][2]*host{{a, b}, {b, a}} {
		way[0].ip("neighbour", "del", way[1].address, "dev", way[0].device)
	}
}

// unplug takes the host's cable away, and plug puts it back.
func (h *host) unplug() { h.ip("link", "set", h.device, "down") }
func (h *host) plug()   { h.ip("link", "set", h.device, "up") }
