// Package doctor examines a hub and everything that it depends on, and says what to change.
package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/mqttbridge"
)

// patience bounds each group of checks.
const patience = 30 * time.Second

// A Hub is what there is to examine.
type Hub struct {
	// Config is the configuration, File where it was read; empty where there is no file.
	Config config.Config
	File   string
	// Proxies, Rules and Broker are what the configuration comes to.
	Proxies []grip.Proxy
	Rules   channels.Rules
	Broker  mqttbridge.Config
	// ViewerURLs are the public addresses of the proxies, as far as they are known, in the proxies' order.
	ViewerURLs []string
}

// An examination of a hub sees it from where `griphub serve` would run.
type examination struct {
	Hub
	machine machine
}

// Examine runs all checks, groups of them at the same time, and prints what they find in order. Nothing that runs is
// disturbed. The error is that of printing.
func Examine(ctx context.Context, hub Hub, p *Printer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	d := &examination{hub, thisMachine()}
	groups := []func(context.Context, *Report){
		d.examineDatabase, d.examineBroker, d.examineProxies,
		d.examineSignatures, d.examineSecrets, d.examineListeners, d.examineLimits,
	}
	found := make([]chan []Finding, len(groups))
	for i, examine := range groups {
		found[i] = make(chan []Finding, 1)
		go func() {
			var r Report
			examine(ctx, &r)
			found[i] <- r.Findings
		}()
	}
	var err error
	for _, findings := range found {
		list := <-findings // also after an error: every check puts away what it started
		if err == nil {
			err = p.Print(list)
		}
	}
	return err
}

// tolerableSkew is the difference of clocks that harms nothing.
const tolerableSkew = 5 * time.Second

// clock reports how far another clock is ahead of this machine's.
func (r *Report) clock(whose string, ahead time.Duration) {
	if ahead.Abs() <= tolerableSkew {
		r.OK("clock", "%s agrees with this machine's", whose)
		return
	}
	direction := "ahead of"
	if ahead < 0 {
		direction = "behind"
	}
	r.Warn("clock", fmt.Sprintf("%s is %s %s this machine's, and tokens and Grip-Sig are good for a limited time",
		whose, ahead.Abs().Round(time.Second), direction), "run an NTP service on both machines, such as chrony")
}
