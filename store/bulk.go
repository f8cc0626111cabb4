package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
)

// rowsAtOnce is how many rows a bulk writes with one statement. With more of them a statement costs little beside its rows.
const rowsAtOnce = 8

// A bulk is a statement with the VALUES of one row, which is prepared for several, too: running a statement costs as much as
// a row does.
type bulk struct {
	name      string
	one, many *sql.Stmt
	width     int // the parameters of a row
}

// prepare prepares the statement as it is in the file, and for several rows.
func (b *bulk) prepare(ctx context.Context, on preparer, file statements) error {
	text := file[b.name]
	b.width = strings.Count(text, "?")
	row := "(?" + strings.Repeat(", ?", b.width-1) + ")"
	several := statements{b.name: strings.Replace(text, row, row+strings.Repeat(", "+row, rowsAtOnce-1), 1)}
	if err := file.prepare(ctx, on, []prepared{{b.name, &b.one}}); err != nil {
		return err
	}
	return several.prepare(ctx, on, []prepared{{b.name, &b.many}})
}

// write runs the statement with rows that stand one after the other.
func (b *bulk) write(rows []any) error {
	for len(rows) > 0 {
		stmt, n := b.one, b.width
		if len(rows) >= rowsAtOnce*b.width {
			stmt, n = b.many, rowsAtOnce*b.width
		}
		if _, err := stmt.ExecContext(context.Background(), rows[:n]...); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		rows = rows[n:]
	}
	return nil
}

// close ends the statements.
func (b *bulk) close() error {
	return closeAll([]prepared{{b.name, &b.one}, {b.name, &b.many}})
}
