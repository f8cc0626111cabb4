package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/cmd/griphub/logs"
	"github.com/griphub/griphub/web"
)

// An app is what all commands share: the flags that stand on each of them.
type app struct {
	configFile string
	json       bool
	verbose    bool
}

func newRoot() *cobra.Command {
	a := &app{}
	root := &cobra.Command{
		Use:           "griphub",
		Short:         "Live device events in every browser, through a GRIP proxy",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cmd.Help(); err != nil {
				return err
			}
			return usageError{errors.New("name a command")}
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&a.configFile, "config", "", "configuration `file` (default griphub.yaml if it is there)")
	flags.BoolVar(&a.json, "json", false, "write lists as JSON lines")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "log what is normally not worth a line")
	root.AddCommand(
		a.newDev(), a.newServe(), a.newPublish(), a.newSubscribe(), a.newEvents(), a.newDevices(), a.newToken(),
		a.newKick(), a.newSimulate(), a.newConfig(), a.newMigrate(), a.newDoctor(), newVersion(),
	)
	usageFromArgs(root)
	return root
}

// usageFromArgs makes wrong arguments a usage error on every command.
func usageFromArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		usageFromArgs(sub)
	}
}

// load reads the configuration; overrides are what flags say, by key.
func (a *app) load(serve bool, overrides map[string]string) (config.Config, error) {
	return config.Load(config.Options{
		File: a.configFile, Environ: os.Environ(), Overrides: overrides, Serve: serve,
	})
}

// logger writes to standard error: standard output is for what a command answers. flush tells of what was left out, at the end.
func (a *app) logger(cfg config.Log) (log *slog.Logger, flush func()) {
	level := slog.LevelDebug
	if !a.verbose {
		// The configuration allows the levels' names alone.
		_ = level.UnmarshalText([]byte(cfg.Level))
	}
	return logs.New(os.Stderr, logs.Options{Level: level, JSON: cfg.Format == "json", Request: web.RequestID})
}
