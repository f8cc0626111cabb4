package devices

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

// A Mark is a small named value that is committed together with events, such as how far a source of messages has
// come. It travels in channels.Batch.State and replaces the value of that name, if that is the one its writer knows:
// a writer that was superseded, and has not heard of it, stores nothing any more.
type Mark struct {
	Name  string
	Value []byte
	// Before is the value that the writer read or wrote last, nil where there was none. A writer whose values may come to
	// be equal makes them differ, as otherwise they say nothing.
	Before []byte
}

// Why a batch with a Mark is not stored. channels.ErrState is in the same chain.
var (
	// ErrMarkMoved tells that somebody else has written the mark.
	ErrMarkMoved = errors.New("somebody else has written the mark")
	// ErrMarkWritten tells that the mark has the batch's value: this very batch was stored before, and nobody has heard
	// the answer.
	ErrMarkWritten = errors.New("the mark was written before")
)

// Over tells whether the mark may be written where current is the value now, nil for none. The error is ErrMarkMoved
// or ErrMarkWritten.
func (m *Mark) Over(current []byte) error {
	switch {
	case bytes.Equal(current, m.Before) && (current == nil) == (m.Before == nil):
		return nil
	case current != nil && bytes.Equal(current, m.Value):
		return fmt.Errorf("mark %s: %w", m.Name, ErrMarkWritten)
	}
	return fmt.Errorf("mark %s: %w", m.Name, ErrMarkMoved)
}

// Marks reads what was committed as a Mark.
type Marks interface {
	// Mark returns the value of the name, nil where there is none.
	Mark(ctx context.Context, name string) ([]byte, error)
}
