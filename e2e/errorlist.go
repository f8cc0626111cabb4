package e2e

import (
	"slices"
	"sync"
)

// An errorList collects what a page does wrong. The zero value is ready.
type errorList struct {
	mu   sync.Mutex
	list []string
}

func (l *errorList) note(event any) {
	if text := errorText(event); text != "" {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.list = append(l.list, text)
	}
}

func (l *errorList) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}
