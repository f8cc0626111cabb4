//go:build !linux

package doctor

import "errors"

var errNotOnLinux = errors.New("only Linux tells")

func diskOf(string) (disk, error) { return disk{}, errNotOnLinux }

func descriptorLimit() (uint64, error) { return 0, errNotOnLinux }
