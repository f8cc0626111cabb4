// Command griphub records what devices say and shows it in browsers, live.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/devices"
)

// Exit codes.
const (
	exitOther    = 1
	exitUsage    = 2
	exitNotSent  = 3
	exitNoAnswer = 4
)

func main() {
	gin.SetMode(gin.ReleaseMode)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, message(err))
	return exitCode(err)
}

// message is the error on one line; a configuration's mistakes have a line each.
func message(err error) string {
	var problems config.Problems
	if errors.As(err, &problems) {
		return problems.Error()
	}
	return "griphub: " + strings.ReplaceAll(err.Error(), "\n", "; ")
}

// A usageError is a command that was not written as it must be.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errNotSent tells that what was published is stored but no proxy took it.
var errNotSent = errors.New("stored, but no proxy took it")

func exitCode(err error) int {
	var usage usageError
	var problems config.Problems
	switch {
	case errors.As(err, &usage), errors.As(err, &problems):
		return exitUsage
	case errors.Is(err, errNotSent):
		return exitNotSent
	case errors.Is(err, devices.ErrNoAnswer):
		return exitNoAnswer
	}
	return exitOther
}
