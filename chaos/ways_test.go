package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/griphub/griphub/mqttbridge/brokertest"
	"github.com/griphub/griphub/store/pgtest"
)

const ms = time.Millisecond

// addHub adds the ways of a hub.
func (s *system) addHub(hub *service) {
	s.services = append(s.services, hub)
	s.add(
		&way{part: hub.name, name: "kill -9", weight: 3, shortest: 100 * ms, longest: 4000 * ms,
			inject: func() { hub.down(syscall.SIGKILL) }, heal: hub.up},
		&way{part: hub.name, name: "SIGTERM", weight: 2, shortest: 100 * ms, longest: 3000 * ms,
			inject: func() { hub.down(syscall.SIGTERM) }, heal: hub.up},
		&way{part: hub.name, name: "SIGSTOP", weight: 2, shortest: 500 * ms, longest: 7000 * ms,
			inject: hub.pause, heal: hub.resume},
	)
}

// addClock adds the ways of a hub's clock, which the hub reads through the file (build tag clockfile).
func (s *system) addClock(hub, file string) {
	for _, step := range []string{"+30m", "-30m"} {
		s.add(&way{part: "clock of " + hub, name: "step of " + step, shortest: 500 * ms, longest: 6000 * ms,
			inject: func() { _ = os.WriteFile(file, []byte(step), 0o600) }, heal: func() { _ = os.Remove(file) }})
	}
}

// addProxy adds the ways of a Pushpin, whose supervisor starts what has ended again. programs lists its processes.
func (s *system) addProxy(name string, programs func() map[string]int) {
	for _, program := range []string{"condure", "pushpin-handler", "pushpin-proxy", "zurl"} {
		s.add(&way{part: name, name: "kill -9 of " + program, inject: func() {
			if pid, ok := programs()[program]; ok {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}})
	}
	s.add(&way{part: name, name: "kill -9 of all parts", weight: 2, inject: func() { signalAll(programs(), syscall.SIGKILL) }})
	s.add(s.stops(name, "SIGSTOP of all parts", programs, 5000*ms))
	for _, program := range []string{"pushpin-handler", "pushpin-proxy", "zurl"} {
		s.add(s.stops(name, "SIGSTOP of "+program, func() map[string]int {
			if pid, ok := programs()[program]; ok {
				return map[string]int{program: pid}
			}
			return nil
		}, 3000*ms))
	}
	var loop sync.WaitGroup
	var end chan struct{}
	s.add(&way{part: name, name: "crash loop", shortest: 500 * ms, longest: 3000 * ms,
		inject: func() {
			end = make(chan struct{})
			loop.Go(func() {
				for {
					signalAll(programs(), syscall.SIGKILL)
					select {
					case <-end:
						return
					case <-time.After(100 * ms):
					}
				}
			})
		},
		heal: func() {
			close(end)
			loop.Wait()
		}})
}

// stops is the way in which processes stop for a while, and go on.
func (s *system) stops(part, name string, programs func() map[string]int, longest time.Duration) *way {
	var stopped map[string]int
	return &way{part: part, name: name, shortest: 300 * ms, longest: longest,
		inject: func() {
			stopped = programs()
			signalAll(stopped, syscall.SIGSTOP)
		},
		heal: func() { signalAll(stopped, syscall.SIGCONT) }}
}

// addBroker starts a Mosquitto that saves what it has each second, and adds its ways.
func (s *system) addBroker(t *testing.T) *brokertest.Broker {
	t.Helper()
	broker := brokertest.Start(t)
	s.mqtt, s.forgets = broker.Addr, true
	s.add(
		&way{part: "Mosquitto", name: "SIGTERM", weight: 2, shortest: 50 * ms, longest: 3000 * ms, inject: broker.Stop, heal: broker.Restart},
		&way{part: "Mosquitto", name: "kill -9", weight: 2, shortest: 50 * ms, longest: 3000 * ms,
			inject: func() {
				s.kills = append(s.kills, time.Now())
				broker.Kill()
			}, heal: broker.Restart},
		&way{part: "Mosquitto", name: "SIGSTOP", weight: 2, shortest: 500 * ms, longest: 6000 * ms, inject: broker.Pause, heal: broker.Resume},
	)
	return broker
}

// addPostgres starts a PostgreSQL, adds its ways, and returns an empty database's URL.
func (s *system) addPostgres(t *testing.T) string {
	t.Helper()
	var server pgtest.Server
	t.Cleanup(server.Stop)
	var args []string
	var attributes syscall.SysProcAttr
	// Prepared before the database is made, so that it ends after the database is dropped.
	again := prepareService(t, "PostgreSQL", "", syscall.SIGINT, func() *exec.Cmd {
		cmd := exec.Command(args[0], args[1:]...)
		own := attributes
		cmd.Dir, cmd.SysProcAttr = args[len(args)-1], &own
		return cmd
	})
	database := server.Database(t)
	dir := hostOf(t, database)
	args, attributes = adopt(t, dir)
	cwd := filepath.Join(dir, "data")
	args = append(args, "-D", cwd)
	again.up()
	s.services = append(s.services, again)
	var stopped []int
	s.add(
		&way{part: again.name, name: "kill -9", weight: 3, shortest: 50 * ms, longest: 3000 * ms,
			inject: func() { again.down(syscall.SIGKILL) }, heal: again.up},
		&way{part: again.name, name: "SIGINT", shortest: 50 * ms, longest: 2000 * ms,
			inject: func() { again.down(syscall.SIGINT) }, heal: again.up},
		&way{part: again.name, name: "kill -9 of a session", inject: func() {
			// All sessions end, since the killed one may have left the shared memory in disorder.
			if pids := pidsIn(cwd); len(pids) > 1 {
				_ = syscall.Kill(pids[len(pids)-1], syscall.SIGKILL)
			}
		}},
		&way{part: again.name, name: "SIGSTOP", weight: 2, shortest: 300 * ms, longest: 6000 * ms,
			inject: func() {
				stopped = pidsIn(cwd)
				signalEach(stopped, syscall.SIGSTOP)
			},
			heal: func() { signalEach(stopped, syscall.SIGCONT) }},
	)
	return database
}

// hostOf finds the directory of the server's socket in the database's URL.
func hostOf(t *testing.T, database string) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query().Get("host")
}

// adopt ends the server that runs in the directory, and returns how to start it.
func adopt(t *testing.T, dir string) (args []string, attributes syscall.SysProcAttr) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil { // fast shutdown
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("PostgreSQL has not stopped")
		}
	}
	if os.Geteuid() == 0 {
		attributes.Credential = ownerOf(t, dir)
	}
	return strings.Split(strings.TrimRight(string(line), "\x00"), "\x00"), attributes
}

func ownerOf(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}
}

// smallDisk makes a directory on a small file system of its own, which can be full. That takes root.
func (s *system) smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		name := "somebody"
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
		s.leftOut = append(s.leftOut, fmt.Sprintf("full disk: a file system of its own takes root, and the tests are %s", name))
		return dir
	}
	if err := syscall.Mount("griphub-chaos", dir, "tmpfs", 0, "size=64m"); err != nil {
		s.leftOut = append(s.leftOut, fmt.Sprintf("full disk: mount a small file system: %v", err))
		return dir
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			_ = syscall.Unmount(dir, 0x2) // MNT_DETACH: whoever still has a file open keeps it
			t.Errorf("unmount the small file system: %v", err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	s.add(&way{part: "disk", name: "full", weight: 2, shortest: 500 * ms, longest: 4000 * ms,
		inject: func() { fill(ballast) },
		heal:   func() { _ = os.Remove(ballast) }})
	return dir
}

// fill writes until the disk is full.
func fill(name string) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	for block := make([]byte, 1<<16); len(block) > 0; {
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			block = block[:len(block)/2]
		} else if err != nil {
			return
		}
	}
}

// addCommon adds what can happen to every system, and what happens to all parts at once.
func (s *system) addCommon() {
	s.add(
		&way{part: "network", name: "connections of viewers cut", weight: 3, inject: s.balancer.cut},
		&way{part: "log", name: "trimmed", weight: 2, inject: func() {
			// It may fail where the database is away; the next one trims the more.
			go func() { _ = s.trim(context.Background()) }()
		}},
	)
	var kills, heals []func()
	for _, w := range s.ways {
		switch w.name {
		case "kill -9":
			kills, heals = append(kills, w.inject), append(heals, w.heal)
		case "kill -9 of all parts":
			kills = append(kills, w.inject)
		}
	}
	s.add(&way{part: "everything", name: "kill -9", all: true, shortest: 100 * ms, longest: 2000 * ms,
		inject: func() {
			for _, kill := range kills {
				kill()
			}
		},
		heal: func() {
			for _, heal := range heals {
				heal()
			}
		}})
}
