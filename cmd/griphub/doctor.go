package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/cmd/griphub/doctor"
)

func (a *app) newDoctor() *cobra.Command {
	var hub doctor.Hub
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Test everything that the hub depends on, and say what to change",
		Long: "Test everything that the hub depends on: configuration, database, broker, proxies, signatures, secrets,\n" +
			"clocks. Prints a line for each check: ok, warn or FAIL, what was found, and what to change. Exits with 0\n" +
			"unless a check is FAIL. Run it on the machine and as the user that griphub serve runs on.\n\n" +
			"Nothing that runs is disturbed: nothing is written to the log, the broker gets about 1,100 small messages on\n" +
			"griphub/doctor/…, and each proxy up to 2,000 on channels that only the doctor sees. Where griphub serve does\n" +
			"not run, the doctor answers in its place for some seconds.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := &doctor.Printer{Out: cmd.OutOrStdout(), JSON: a.json}
			var first doctor.Report
			usable := a.examineConfig(&hub, &first)
			if err := p.Print(first.Findings); err != nil {
				return err
			}
			if usable {
				if err := doctor.Examine(cmd.Context(), hub, p); err != nil {
					return err
				}
			}
			if p.Failed > 0 {
				return fmt.Errorf("doctor: %d of %d checks FAIL", p.Failed, p.All)
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&hub.ViewerURLs, "proxy-url", nil,
		"public `address` of a proxy, where browsers connect; once for each of grip.urls, in their order")
	return cmd
}

// usedFile is the configuration file that config.Load reads.
func (a *app) usedFile() string {
	file := cmp.Or(a.configFile, os.Getenv("GRIPHUB_CONFIG"), config.DefaultFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the operator named it
		return ""
	}
	return file
}

// examineConfig reads the configuration and reports every mistake in it. It returns false where there is nothing to go
// on with.
func (a *app) examineConfig(hub *doctor.Hub, r *doctor.Report) bool {
	const check = "configuration"
	hub.File = a.usedFile()
	cfg, err := a.load(true, nil)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			r.Fail(check, p.String(), "correct it, and see the rest with griphub config check")
		}
		// Where only what serve demands is missing, the rest can be examined.
		cfg, err = a.load(false, nil)
	} else if err == nil {
		r.OK(check, "%s is good", cmp.Or(hub.File, "the environment, as there is no file,"))
	}
	if err != nil {
		if problems == nil {
			r.Fail(check, err.Error(), "correct it")
		}
		return false
	}
	hub.Config = cfg
	for _, step := range []func() error{
		func() (err error) { hub.Proxies, err = proxies(cfg); return err },
		func() (err error) { hub.Rules, err = rules(cfg); return err },
		func() (err error) { hub.Broker, err = bridgeConfig(cfg); return err },
	} {
		if err := step(); err != nil {
			r.Fail(check, err.Error(), "correct it")
			return false
		}
	}
	return true
}
