package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/mqttbridge"
)

// doctorPatience bounds each group of checks.
const doctorPatience = 30 * time.Second

// A doctor examines the hub that a configuration describes, and everything that it depends on, from where
// `griphub serve` would run.
type doctor struct {
	cfg config.Config
	// file is the configuration file; empty where there is none.
	file    string
	proxies []grip.Proxy
	rules   channels.Rules
	broker  mqttbridge.Config
	// viewerURLs are the public addresses of the proxies, as far as they were given, in the proxies' order.
	viewerURLs []string
	machine    machine
}

func (a *app) newDoctor() *cobra.Command {
	var viewerURLs []string
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
			w := &findingWriter{out: cmd.OutOrStdout(), json: a.json}
			if err := a.doctor(cmd.Context(), viewerURLs, w); err != nil {
				return err
			}
			if w.failed > 0 {
				return fmt.Errorf("doctor: %d of %d checks FAIL", w.failed, w.all)
			}
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&viewerURLs, "proxy-url", nil,
		"public `address` of a proxy, where browsers connect; once for each of grip.urls, in their order")
	return cmd
}

// doctor runs all checks. The error is that of writing the report.
func (a *app) doctor(ctx context.Context, viewerURLs []string, w *findingWriter) error {
	d := &doctor{viewerURLs: viewerURLs, machine: thisMachine(), file: a.usedFile()}
	var first report
	usable := a.examineConfig(d, &first)
	if err := w.write(first.findings); err != nil || !usable {
		return err
	}
	return d.examine(ctx, w)
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
func (a *app) examineConfig(d *doctor, r *report) bool {
	const check = "configuration"
	cfg, err := a.load(true, nil)
	var problems config.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			r.fail(check, p.String(), "correct it, and see the rest with griphub config check")
		}
		// Where only what serve demands is missing, the rest can be examined.
		cfg, err = a.load(false, nil)
	} else if err == nil {
		r.ok(check, "%s is good", cmp.Or(d.file, "the environment, as there is no file,"))
	}
	if err != nil {
		if problems == nil {
			r.fail(check, err.Error(), "correct it")
		}
		return false
	}
	d.cfg = cfg
	for _, step := range []func() error{
		func() (err error) { d.proxies, err = proxies(cfg); return err },
		func() (err error) { d.rules, err = rules(cfg); return err },
		func() (err error) { d.broker, err = bridgeConfig(cfg); return err },
	} {
		if err := step(); err != nil {
			r.fail(check, err.Error(), "correct it")
			return false
		}
	}
	return true
}

// examine runs the groups of checks at the same time, and writes what they find in order.
func (d *doctor) examine(ctx context.Context, w *findingWriter) error {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	groups := []func(context.Context, *report){
		d.examineDatabase, d.examineBroker, d.examineProxies,
		d.examineSignatures, d.examineSecrets, d.examineListeners, d.examineLimits,
	}
	found := make([]chan []finding, len(groups))
	for i, examine := range groups {
		found[i] = make(chan []finding, 1)
		go func() {
			var r report
			examine(ctx, &r)
			found[i] <- r.findings
		}()
	}
	var err error
	for _, findings := range found {
		list := <-findings // also after an error: every check puts away what it started
		if err == nil {
			err = w.write(list)
		}
	}
	return err
}

// tolerableSkew is the difference of clocks that harms nothing.
const tolerableSkew = 5 * time.Second

// clock reports how far another clock is ahead of this machine's.
func (r *report) clock(whose string, ahead time.Duration) {
	if ahead.Abs() <= tolerableSkew {
		r.ok("clock", "%s agrees with this machine's", whose)
		return
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	r.warn("clock", fmt.Sprintf("%s is %s %s this machine's, and tokens and Grip-Sig are good for a limited time",
		whose, ahead.Abs().Round(time.Second), direction), "run an NTP service on both machines, such as chrony")
}
