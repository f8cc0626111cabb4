package usage

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestChildrenAreCountedByName(t *testing.T) {
	// The child of the child goes with it: the process group is ended.
	cmd := exec.Command("sh", "-c", "while :; do :; done & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	deadline := time.Now().Add(20 * time.Second)
	for {
		s, err := Take()
		if err != nil {
			t.Fatal(err)
		}
		if s["sh"].CPU >= 2*ticks && s["sh"].RSS > 0 && s["bench"].RSS > 0 {
			if since := s.Since(s); since["sh"].CPU != 0 || since["sh"].RSS != s["sh"].RSS {
				t.Errorf("between a moment and itself: %+v", since)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%+v", s)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestNamesMayHoldAnything(t *testing.T) {
	s, err := parse([]byte("12 (a) b (c) S 3 1 1 0 -1 0 0 0 0 0 10 20 30 40 20 0 1 0 5 6 7"))
	if err != nil || s.pid != 12 || s.ppid != 3 || s.name != "a) b (c" || s.cpu != 100*ticks {
		t.Errorf("%+v, %v", s, err)
	}
	for _, text := range []string{"", "1", "1 (a", "x (a) S 1", "1 (a) S", "1 (a) S x 1 1 0 -1 0 0 0 0 0 1 1 1 1 1"} {
		if s, err := parse([]byte(text)); err == nil {
			t.Errorf("%q is %+v", text, s)
		}
	}
}
