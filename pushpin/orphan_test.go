package pushpin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/griphub/griphub/pushpin"
)

// superviseEnv makes the test program a supervisor, to be killed by a test: its value is the
// configuration as JSON.
const superviseEnv = "PUSHPIN_TEST_SUPERVISE"

func TestMain(m *testing.M) {
	if config, ok := os.LookupEnv(superviseEnv); ok {
		if err := supervise(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"))
}

func supervise(text string) error {
	var config pushpin.Config
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		return err
	}
	s, err := pushpin.NewServer(config, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return s.Run(ctx)
}

// startSupervisor runs the test program as a supervisor, until its end.
func startSupervisor(t *testing.T, config pushpin.Config) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), superviseEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func TestNothingOutlivesTheSupervisor(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			config := pushpin.Config{
				Dir:         t.TempDir(),
				Listen:      freeAddress(t),
				ControlPort: port(t, freeAddress(t)),
				Backend:     holdBackend(t),
				SigKey:      []byte("key"),
			}
			cmd := startSupervisor(t, config)
			waitFor(t, "the backend to be reached", func() bool { return answers("http://" + config.Listen) })
			children := childrenOf(t, cmd.Process.Pid)
			if len(children) != 4 {
				t.Fatalf("children %v, want 4", children)
			}
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			err := cmd.Wait()
			if sig != syscall.SIGKILL && err != nil {
				t.Errorf("the supervisor failed: %v", err)
			}
			for _, pid := range children {
				waitFor(t, "the children to end", func() bool { return ended(pid) })
			}
			for _, address := range []string{config.Listen, fmt.Sprintf("127.0.0.1:%d", config.ControlPort)} {
				// Somebody else may have been given the port for a moment.
				waitFor(t, address+" to be free", func() bool {
					l, err := net.Listen("tcp", address)
					return err == nil && l.Close() == nil
				})
			}
		})
	}
}

// childrenOf returns the processes that the process has started and that run.
func childrenOf(t *testing.T, pid int) []int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	var children []int
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			var child int
			if _, err := fmt.Sscan(field, &child); err != nil {
				t.Fatal(err)
			}
			children = append(children, child)
		}
	}
	return children
}

// ended tells whether a process has ended; one that nobody has waited for has.
func ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

func answers(url string) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience / 20}
	resp, err := client.Head(url + "/")
	if err != nil {
		return false
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func port(t testing.TB, address string) int {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return a.Port
}
