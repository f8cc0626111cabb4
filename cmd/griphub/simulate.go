package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

// A simulation is a fleet that speaks real MQTT.
type simulation struct {
	config  mqttbridge.PublisherConfig
	devices int
	types   int
	seed    uint64
	// rate is in messages per second, of all devices together.
	rate float64
	// duration ends it; 0 for never.
	duration time.Duration
	log      *slog.Logger
}

func (a *app) newSimulate() *cobra.Command {
	sim := simulation{}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Simulate a fleet of devices over real MQTT",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			if sim.devices < 1 || sim.types < 1 || sim.rate <= 0 {
				return usageError{errors.New("simulate: --devices, --types and --rate must be more than 0")}
			}
			sim.config, sim.log = publisherConfig(cfg.MQTT), a.logger()
			return sim.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&sim.devices, "devices", 100, "`number` of devices")
	flags.IntVar(&sim.types, "types", 5, "`number` of device types, up to 5")
	flags.Float64Var(&sim.rate, "rate", 100, "`messages` per second, of all devices together")
	flags.Uint64Var(&sim.seed, "seed", 1, "`number` that the fleet's course depends on")
	flags.DurationVar(&sim.duration, "duration", 0, "how long to run; 0 until Ctrl-C")
	return cmd
}
