package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/griphub/griphub/store/pgtest"
)

const childEnv = "GRIPHUB_PGTEST_CHILD"

// TestChild is the test that is killed: it uses a server until then.
func TestChild(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		return
	}
	var server pgtest.Server
	fmt.Println("\n" + server.Database(t))
	select {}
}

func TestAServerEndsWithTheTestThatIsKilled(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	for lines := bufio.NewScanner(out); url == "" && lines.Scan(); {
		if text := lines.Text(); len(text) > 8 && text[:8] == "postgres" {
			url = text
		}
	}
	if err := connect(url); err != nil {
		t.Errorf("the server does not answer while the test runs: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for deadline := time.Now().Add(time.Minute); connect(url) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server goes on without its test")
		}
	}
	// It could not tidy up.
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(config.Host); err != nil {
		t.Error(err)
	}
}

func connect(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return conn.Close(ctx)
}

func TestDatabasesAreApartAndEmpty(t *testing.T) {
	var server pgtest.Server
	t.Cleanup(server.Stop)
	first, second := server.Database(t), server.Database(t)
	if first == second {
		t.Errorf("both are %s", first)
	}
	for _, url := range []string{first, second} {
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "CREATE TABLE only_here ()"); err != nil {
			t.Error(err)
		}
		_ = conn.Close(t.Context())
	}
}
