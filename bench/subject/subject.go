// Package subject is what the benchmark measures: something that takes events and brings them to viewers. Each has its
// own proxy, broker and database, started for one measurement and gone after it.
package subject

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
)

// An Event is what is published.
type Event struct {
	Channel int
	Data    []byte // a JSON object
}

// A Subject runs. Stop ends it.
type Subject interface {
	// Publish returns when the subject has taken the events, for good where it says that it keeps them. Events of one
	// channel are published one call after the other.
	Publish(ctx context.Context, events []Event) error
	// Stream is the URL of a channel's event stream.
	Stream(channel int) string
	// Socket is the URL of a channel's WebSocket, empty where there is none.
	Socket(channel int) string
	// Stop ends it and deletes what it has stored.
	Stop() error
}

// A Starter starts a Subject.
type Starter interface {
	// Start returns when everything works.
	Start(ctx context.Context, site Site) (Subject, error)
}

// A Site is where subjects run.
type Site struct {
	// Dir is a directory for the subject alone.
	Dir string
	// Griphub is the program.
	Griphub string
	// Log takes what the parts say.
	Log *slog.Logger
}

// freeAddr returns an address of this machine on which nobody listens, from below the ports that the kernel gives to clients.
func freeAddr() (string, error) {
	const first, last, attempts = 12_000, 32_000, 100
	for range attempts {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(last-first)))
		if l, err := net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("no free port in %d attempts", attempts)
}

// freeAddrs returns several.
func freeAddrs(n int) ([]string, error) {
	addresses := make([]string, n)
	for i := range addresses {
		var err error
		if addresses[i], err = freeAddr(); err != nil {
			return nil, err
		}
	}
	return addresses, nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// A stack is parts that are stopped in the reverse of the order in which they were started.
type stack []func() error

func (s *stack) push(stop func() error) { *s = append(*s, stop) }

// Stop stops them all.
func (s *stack) Stop() error {
	var errs []error
	for i := len(*s) - 1; i >= 0; i-- {
		errs = append(errs, (*s)[i]())
	}
	*s = nil
	return errors.Join(errs...)
}
