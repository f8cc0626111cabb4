package client_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// The scripts' own tests, with node's runner: `node --test web/client/*.test.mjs web/static/*.test.mjs` runs them alone.
func TestTheScriptsPassTheirOwnTests(t *testing.T) {
	t.Parallel()
	var files []string
	for _, dir := range []string{".", "../static"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.test.mjs"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no tests in %s: %v", dir, err)
		}
		files = append(files, found...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	node := exec.CommandContext(ctx, "node", append([]string{"--test", "--test-timeout=60000"}, files...)...)
	node.Env = append(os.Environ(), "NO_COLOR=1")
	if out, err := node.CombinedOutput(); err != nil {
		t.Errorf("node: %v\n%s", err, out)
	}
}
