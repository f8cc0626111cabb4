package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

func (a *app) newDeviceCommand() *cobra.Command {
	command := devices.Command{}
	var noWait bool
	cmd := &cobra.Command{
		Use:   "command [flags] TYPE/ID NAME [JSON]",
		Short: "Tell a device to do something",
		Long: "Tell a device to do something, by MQTT, and print what it answers. With --no-wait the command's id is printed\n" +
			"instead, as soon as the broker has the command. JSON is the payload; - reads it from standard input.\n" +
			"Exits with 4 when the device has not answered in time. A device that is away gets the command only if it comes\n" +
			"back within the timeout.",
		Example: `  griphub devices command pump/pump-001 restart
  griphub devices command pump/pump-001 set_speed '{"rpm":900}' --timeout 30s`,
		Args: cobra.RangeArgs(2, 3),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			if command.Device, err = deviceArgument(cmd, args[0]); err != nil {
				return err
			}
			command.Name = args[1]
			if len(args) == 3 {
				if command.Payload, err = readData(cmd.InOrStdin(), args[2:]); err != nil {
					return err
				}
			}
			return giveCommand(cmd.Context(), cfg, command, !noWait, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&command.Timeout, "timeout", devices.DefaultCommandTimeout, "how long to wait for the answer, and how long the command holds")
	flags.BoolVar(&noWait, "no-wait", false, "do not wait for the answer")
	flags.StringVar(&command.ID, "id", "", "the command's `id`, unlike all others: sent again with it, it is the same command")
	return cmd
}

// giveCommand sends the command and prints the answer.
func giveCommand(ctx context.Context, cfg config.Config, command devices.Command, wait bool, out io.Writer) error {
	if cfg.MQTT.URL == "" {
		return errors.New("devices command: mqtt.url is empty: there is no broker")
	}
	courier, err := newCourier(cfg)
	if err != nil {
		return fmt.Errorf("devices command: %w", err)
	}
	channelRules, err := rules(cfg)
	if err != nil {
		return err
	}
	err = withPublisher(ctx, cfg, func(db store.Store, publisher *channels.Publisher) (err error) {
		running, stop := context.WithCancel(ctx)
		var group errgroup.Group
		group.Go(func() error {
			if err := courier.publisher.Run(running); err != nil {
				stop() // nobody needs to wait for a broker that refuses
				return err
			}
			return nil
		})
		defer func() {
			stop()
			err = errors.Join(group.Wait(), err)
		}()
		commander := devices.NewCommander(channels.NewReader(db, channelRules), publisher, db, courier, now)
		return converse(running, commander, command, wait, out)
	})
	if errors.Is(err, errNotSent) {
		return nil // the device has its command; viewers see it once their proxy is back
	}
	return err
}

// converse sends the command and waits for the answer.
func converse(ctx context.Context, commander *devices.Commander, command devices.Command, wait bool, out io.Writer) error {
	name := command.Device.Type + "/" + command.Device.ID
	if wait && !commander.Answerable(command.Device) {
		return fmt.Errorf("devices command %s: %w; send it with --no-wait", name, devices.ErrUnanswerable)
	}
	sent, err := commander.Send(ctx, command)
	var invalid *channels.InvalidError
	switch {
	case errors.As(err, &invalid):
		return usageError{fmt.Errorf("devices command: %w", err)}
	case errors.Is(err, devices.ErrNotSent):
		return fmt.Errorf("devices command %s: %w; try again with --id %s", name, err, sent.ID)
	case err != nil:
		return fmt.Errorf("devices command %s: %w", name, err)
	}
	if !wait {
		_, err := fmt.Fprintln(out, sent.ID)
		return err
	}
	answer, err := commander.Await(ctx, sent)
	if err != nil {
		return fmt.Errorf("devices command %s: %w (id %s, after %v)", name, err, sent.ID, command.Timeout.Round(time.Millisecond))
	}
	return json.NewEncoder(out).Encode(answer)
}
