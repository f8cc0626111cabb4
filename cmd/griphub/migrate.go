package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/store"
)

func (a *app) newMigrate() *cobra.Command {
	var restored bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database up to this version",
		Long: "Bring the database up to this version, as serve and dev also do when they start.\n\n" +
			"With --restored, after the database was put back from a backup, event numbers continue far above every\n" +
			"number given out before, so that no viewer mistakes a new event for one it has seen.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			db, err := openStore(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if restored {
				err = db.Jump(cmd.Context())
			}
			if closed := db.Close(); err == nil {
				err = closed
			}
			if err != nil {
				return fmt.Errorf("migrate: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The database is up to date.")
			return err
		},
	}
	cmd.Flags().BoolVar(&restored, "restored", false, "the database was put back from a backup")
	return cmd
}

// openStore opens the configured database, creating what is missing in it.
func openStore(ctx context.Context, cfg config.Config) (store.Store, error) {
	return store.Open(ctx, string(cfg.Database), store.Options{Now: now})
}
