package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
)

// A simulation is a fleet that speaks real MQTT.
type simulation struct {
	broker  mqttbridge.Config
	devices int
	types   []string // none means all
	seed    uint64
	// rate is in messages per second, of all devices together.
	rate float64
	// duration ends it; 0 for never.
	duration time.Duration
}

// inFlight bounds the messages that wait for the broker's acknowledgement; behind a slow broker the fleet falls
// behind its rate and does not pile up. Messages of one device wait for one another, so that they stay in order.
const inFlight = 64

func (a *app) newSimulate() *cobra.Command {
	sim := simulation{}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Simulate a fleet of devices over real MQTT",
		Long: "Simulate a fleet of devices over real MQTT. Devices that are watched (the topic watched) speak twice as\n" +
			"often; --rate is that of a fleet which nobody watches.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			if sim.devices < 1 || sim.rate <= 0 || sim.rate > 1e6 {
				return usageError{errors.New("simulate: --devices and --rate must be more than 0")}
			}
			if sim.broker, err = bridgeConfig(cfg); err != nil {
				return err
			}
			sim.broker.ClientID = ""
			return sim.run(cmd.Context())
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&sim.devices, "devices", 100, "`number` of devices")
	flags.StringSliceVar(&sim.types, "types", devices.FleetTypes(), "`types` of devices")
	flags.Float64Var(&sim.rate, "rate", 100, "`messages` per second, of all devices together")
	flags.Uint64Var(&sim.seed, "seed", 1, "`number` that the fleet's course depends on")
	flags.DurationVar(&sim.duration, "duration", 0, "how long to run; 0 until Ctrl-C")
	return cmd
}

// run publishes at the rate until ctx or the duration ends.
func (s *simulation) run(ctx context.Context) error {
	fleet, err := devices.NewFleet(s.seed, s.devices, s.types)
	if err != nil {
		return usageError{fmt.Errorf("simulate: %w", err)}
	}
	publisher, err := mqttbridge.NewPublisher(s.broker)
	if err != nil {
		return fmt.Errorf("simulate: %w", err)
	}
	if s.duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.duration)
		defer cancel()
	}
	group, ctx := errgroup.WithContext(ctx)
	inbox := newFleetInbox(fleet, s.broker.Rules)
	inbox.follow(ctx, publisher)
	group.Go(func() error { return publisher.Run(ctx) })
	group.Go(func() error { return inbox.answer(ctx, publisher) })
	lanes := make([]chan devices.FleetMessage, min(inFlight, s.devices))
	for i := range lanes {
		lanes[i] = make(chan devices.FleetMessage, 1)
		group.Go(func() error { return send(ctx, publisher, lanes[i]) })
	}
	group.Go(func() error { return s.pace(ctx, fleet, lanes, inbox.watched) })
	return group.Wait()
}

// pace deals messages to the lanes; those of a device always to the same. The rate is that of a fleet that nobody watches.
func (s *simulation) pace(ctx context.Context, fleet *devices.Fleet, lanes []chan devices.FleetMessage, heeded <-chan watchNotice) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for due := time.Now(); ; {
		select {
		case <-ctx.Done():
			return nil
		case n := <-heeded:
			fleet.Watch(n.device, n.watched)
			continue
		case <-timer.C:
		}
		m := fleet.Next()
		select {
		case <-ctx.Done():
			return nil
		case lanes[lane(m.Topic, len(lanes))] <- m:
		}
		faster := float64(fleet.Turns()) / float64(s.devices)
		due = due.Add(time.Duration(float64(time.Second) / (s.rate * faster)))
		timer.Reset(time.Until(due))
	}
}

// lane is the same for all messages of a topic.
func lane(topic string, lanes int) int {
	h := fnv.New32a()
	h.Write([]byte(topic)) // never fails (hash.Hash)
	return int(h.Sum32() % uint32(lanes))
}

func send(ctx context.Context, publisher *mqttbridge.Publisher, lane <-chan devices.FleetMessage) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-lane:
			if err := publisher.Publish(ctx, m.Topic, m.Payload); err != nil && ctx.Err() == nil {
				return fmt.Errorf("simulate: %w", err)
			}
		}
	}
}
