package devices

import "context"

// A Mark is a small named value that is committed together with events, such as how far a source of messages has
// come. It travels in channels.Batch.State and replaces the value of that name.
type Mark struct {
	Name  string
	Value []byte
}

// Marks reads what was committed as a Mark.
type Marks interface {
	// Mark returns the value of the name, nil where there is none.
	Mark(ctx context.Context, name string) ([]byte, error)
}
