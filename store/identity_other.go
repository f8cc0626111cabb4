//go:build !linux

package store

import (
	"crypto/rand"
	"os"
	"reflect"
)

// A fileIdentity tells a file from a copy of it, as far as the system says: the inode, where there is one.
type fileIdentity struct {
	inode uint64
	born  int64 // nanoseconds since 1970; 0 for unknown
}

func identifyFile(path string) (fileIdentity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileIdentity{}, err
	}
	var id fileIdentity
	// The field has this name on every Unix, and each has a type of its own around it.
	if sys := reflect.Indirect(reflect.ValueOf(info.Sys())); sys.Kind() == reflect.Struct {
		if ino := sys.FieldByName("Ino"); ino.IsValid() && ino.CanUint() {
			id.inode = ino.Uint()
		}
	}
	return id, nil
}

// bootID cannot name this run of the machine, so that no run is taken for another's continuation.
func bootID() string { return rand.Text() }
