package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// printAPIKey prints a key that nobody can guess, and what recognises it.
func printAPIKey(cmd *cobra.Command) error {
	for _, name := range []string{"user", "channel", "publish", "admin", "ttl"} {
		if cmd.Flags().Changed(name) {
			return usageError{errors.New("token: what a key may do stands in the configuration; --key goes without --" + name)}
		}
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return fmt.Errorf("token: %w", err)
	}
	// The prefix lets scanners for leaked secrets find it.
	key := "griphub_" + base64.RawURLEncoding.EncodeToString(random)
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\nsha256:%x\n", key, sha256.Sum256([]byte(key)))
	return err
}
