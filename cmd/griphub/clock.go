//go:build !clockfile

package main

import "time"

// now is the clock of everything that decides by it: retention, tokens, next links.
func now() time.Time { return time.Now() }
