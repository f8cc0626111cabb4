//go:build !linux

package pushpin

import (
	"errors"
	"os/exec"
)

var (
	errPlatform = errors.New("running Pushpin as a child needs Linux: start Pushpin by itself and use griphub serve")
	errLocked   = errors.New("is locked")
)

func isolate(*exec.Cmd) {}

func fileLimit(uint64) (uint64, error) { return 0, errPlatform }

func limitFiles(int, uint64) error { return errPlatform }

type dirLock struct{}

func lockFile(string) (*dirLock, error) { return nil, errPlatform }

func (*dirLock) unlock() error { return nil }
