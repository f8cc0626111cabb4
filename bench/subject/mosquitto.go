package subject

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// startMosquitto starts a broker and returns its address. It keeps everything that waits, and lets that many messages be under
// way at the same time. It sends each without waiting for the acknowledgement of the one before: otherwise it goes on in one of two ways,
// at random, of which one takes 30 ms more.
func startMosquitto(ctx context.Context, site Site, parts *stack) (address string, err error) {
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/mosquitto"); err != nil {
			return "", fmt.Errorf("mosquitto is not installed: apt-get install -y mosquitto")
		}
	}
	if address, err = freeAddr(); err != nil {
		return "", err
	}
	conf := filepath.Join(site.Dir, "mosquitto.conf")
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nmax_inflight_messages %d\n"+
		"set_tcp_nodelay true\nlog_type error\n", portOf(address), mqttWindow)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return "", err
	}
	p, err := startProcess(exec.CommandContext(context.WithoutCancel(ctx), path, "-c", conf), site.Log)
	if err != nil {
		return "", err
	}
	parts.push(p.stop)
	return address, p.await(ctx, listens(address))
}
