package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/cmd/griphub/config"
)

func (a *app) newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Look at the configuration",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check",
			Short: "Name every mistake in the configuration, with its line",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := a.load(true, nil)
				if err != nil {
					return err
				}
				// What keys mean is for the package that uses them to say.
				if _, err := proxies(cfg); err != nil {
					return err
				}
				_, err = fmt.Fprintln(cmd.OutOrStdout(), "The configuration is good.")
				return err
			},
		},
		&cobra.Command{
			Use:   "print",
			Short: "Print what holds, secrets hidden, and where each value comes from",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				cfg, err := a.load(false, nil)
				if err != nil {
					return err
				}
				return config.Print(cmd.OutOrStdout(), cfg)
			},
		},
		&cobra.Command{
			Use:   "reference",
			Short: "Print the reference of all keys, in Markdown",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return config.WriteReference(cmd.OutOrStdout())
			},
		},
	)
	return cmd
}
