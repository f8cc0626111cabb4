package e2e

import (
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Background runs another griphub command with this hub's configuration until the end of the test.
func (h *Hub) Background(t testing.TB, args ...string) {
	t.Helper()
	cmd := exec.Command(binary(t), append(args, "--config", h.Config)...)
	cmd.Dir, cmd.Env = t.TempDir(), environment(nil)
	p := startProcess(t, filepath.Join(t.TempDir(), args[0]+".log"), cmd)
	t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		if !p.await(stopPatience) {
			_ = p.cmd.Process.Kill()
			t.Errorf("griphub %s has not stopped within %v", args[0], stopPatience)
		}
		if t.Failed() {
			t.Logf("griphub %s: %s", args[0], p.output())
		}
	})
}
