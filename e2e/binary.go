package e2e

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// binaryVariable names the program under test.
const binaryVariable = "GRIPHUB_E2E_BINARY"

// hubsAtOnce is how many tests run in parallel unless -parallel says otherwise. They wait more than they compute, but each
// has a hub and a Pushpin.
const hubsAtOnce = 3

// Main builds griphub, with the race detector if the tests have it, runs the tests and returns their exit code:
//
//	func TestMain(m *testing.M) { os.Exit(e2e.Main(m)) }
//
// What the tests share has to be stopped by m.Run: a test binary that leaves something running has failed.
// Tags are build tags for griphub. Where the environment variable GRIPHUB_E2E_BINARY names a program, that one is tested.
func Main(m goleak.TestingM, tags ...string) int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", fmt.Sprint(hubsAtOnce)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if os.Getenv(binaryVariable) != "" {
		return runTests(m)
	}
	dir, err := os.MkdirTemp("", "griphub-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := build(filepath.Join(dir, "griphub"), tags); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return runTests(m)
}

// runTests fails, too, where a test has left something that goes on.
func runTests(m goleak.TestingM) int {
	code := m.Run()
	if code != 0 {
		return code
	}
	new(http.Client).CloseIdleConnections() // those of the default transport, which clients share
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goleak:", err)
		return 1
	}
	return 0
}

// build makes the program and tells the tests where it is.
func build(file string, tags []string) error {
	args := []string{"build", "-o", file, "-tags", strings.Join(tags, ",")}
	if raceDetector {
		args = append(args, "-race")
	}
	args = append(args, "github.com/griphub/griphub/cmd/griphub")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("build griphub: %w\n%s", err, out)
	}
	return os.Setenv(binaryVariable, file)
}

// binary is the program under test.
func binary(t testing.TB) string {
	t.Helper()
	file := os.Getenv(binaryVariable)
	if file == "" {
		t.Fatal("e2e: the test binary has no TestMain that calls e2e.Main")
	}
	return file
}
