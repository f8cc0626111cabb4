package store

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// A migration is one step of a schema. Its number is where the schema stands after it.
type migration struct {
	number int
	text   string
}

// readMigrations returns the files of dir, "0001_name.sql" and so on, in order and without a gap.
func readMigrations(files fs.FS, dir string) ([]migration, error) {
	entries, err := fs.ReadDir(files, dir)
	if err != nil {
		return nil, err
	}
	all := make([]migration, 0, len(entries))
	for i, entry := range entries {
		prefix, _, _ := strings.Cut(entry.Name(), "_")
		if number, err := strconv.Atoi(prefix); err != nil || number != i+1 {
			return nil, fmt.Errorf("migration %s: want the number %04d", entry.Name(), i+1)
		}
		text, err := fs.ReadFile(files, dir+"/"+entry.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, migration{i + 1, string(text)})
	}
	return all, nil
}

// pending returns the steps from version on. It fails where the schema was made by a newer program.
func pending(all []migration, version int) ([]migration, error) {
	if version > len(all) {
		return nil, fmt.Errorf("the schema has version %d and this program knows %d: a newer griphub was here, "+
			"use that one", version, len(all))
	}
	return all[version:], nil
}
