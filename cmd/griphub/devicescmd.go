package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

// listPage is how many devices are read at a time.
const listPage = 500

func (a *app) newDevices() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "Look at devices",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var deviceType string
	list := &cobra.Command{
		Use:   "list",
		Short: "List devices with status and last readings",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd, func(r store.Store) error { return a.listDevices(cmd, r, deviceType) })
		},
	}
	list.Flags().StringVar(&deviceType, "type", "", "only devices of this `type`")
	show := &cobra.Command{
		Use:   "show TYPE/ID",
		Short: "Show one device",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withStore(cmd, func(r store.Store) error { return showDevice(cmd, r, args[0]) })
		},
	}
	cmd.AddCommand(list, show)
	return cmd
}

func (a *app) listDevices(cmd *cobra.Command, registry devices.Registry, deviceType string) error {
	write, flush := a.deviceWriter(cmd.OutOrStdout())
	var after channels.DeviceRef
	for {
		page, err := registry.List(cmd.Context(), deviceType, after, listPage)
		if err != nil {
			return fmt.Errorf("list devices: %w", err)
		}
		for _, d := range page {
			if err := write(d); err != nil {
				return err
			}
		}
		if len(page) < listPage {
			return flush()
		}
		after = page[len(page)-1].DeviceRef
	}
}

// deviceWriter writes devices as JSON lines, or as a table for people.
func (a *app) deviceWriter(out io.Writer) (write func(devices.Device) error, flush func() error) {
	if a.json {
		encoder := json.NewEncoder(out)
		return func(d devices.Device) error { return encoder.Encode(d) }, func() error { return nil }
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DEVICE\tSTATUS\tLAST SEEN\tREADINGS")
	return func(d devices.Device) error {
		values, err := json.Marshal(d.Values)
		if err != nil {
			return err
		}
		seen := "never"
		if !d.LastSeen.IsZero() {
			seen = d.LastSeen.Local().Format(time.DateTime)
		}
		_, err = fmt.Fprintf(table, "%s/%s\t%s\t%s\t%s\n", d.Type, d.ID, d.Status, seen, values)
		return err
	}, table.Flush
}

func showDevice(cmd *cobra.Command, registry devices.Registry, name string) error {
	deviceType, id, ok := strings.Cut(name, "/")
	if !ok || deviceType == "" || id == "" {
		return usageError{fmt.Errorf("devices show: %q is not TYPE/ID", name)}
	}
	found, err := registry.Devices(cmd.Context(), []channels.DeviceRef{{Type: deviceType, ID: id}})
	if err != nil {
		return fmt.Errorf("show device %s: %w", name, err)
	}
	if len(found) == 0 {
		return fmt.Errorf("show device %s: there is no such device", name)
	}
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetIndent("", "  ")
	return encoder.Encode(found[0])
}
