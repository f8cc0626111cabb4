package e2e_test

import (
	"os"
	"testing"

	"github.com/griphub/griphub/e2e"
	"github.com/griphub/griphub/store/pgtest"
)

// server is the PostgreSQL of all tests that need one.
var server = &pgtest.Server{}

func TestMain(m *testing.M) { os.Exit(e2e.Main(server.Main(m))) }
