package store

import (
	"crypto/rand"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// A fileIdentity tells a file from a copy of it. The device's number has no part in it: it may change when
// the machine starts again. The time of birth does, because file systems give a deleted file's inode to the
// next one.
type fileIdentity struct {
	inode uint64
	born  int64 // nanoseconds since 1970; 0 where the file system does not know
}

func identifyFile(path string) (fileIdentity, error) {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return fileIdentity{}, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	id := fileIdentity{inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.born = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	return id, nil
}

// bootID names this run of the machine. Where it cannot, no run is taken for another's continuation.
func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return rand.Text()
	}
	return strings.TrimSpace(string(id))
}
