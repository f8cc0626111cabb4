package subject

import (
	"github.com/griphub/griphub/store/pgtest"
)

// startPostgres starts a server that forces everything to the disk, and returns the URL of its database.
func startPostgres(parts *stack) (string, error) {
	server := &pgtest.Server{Settings: []string{"fsync=on", "full_page_writes=on", "max_wal_size=4GB"}}
	parts.push(func() error { server.Stop(); return nil })
	if err := server.Start(); err != nil {
		return "", err
	}
	return server.URL("postgres"), nil
}

// StartPostgres starts a server for a log that is measured without a hub.
func StartPostgres() (url string, stop func() error, err error) {
	var parts stack
	if url, err = startPostgres(&parts); err != nil {
		_ = parts.Stop()
		return "", nil, err
	}
	return url, parts.Stop, nil
}
