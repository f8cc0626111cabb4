package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
		Short: "Look at devices, and say what they are",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.newDevicesList(), a.newDevicesShow(), a.newDevicesAdd(), a.newDevicesSet(), a.newDevicesRemove(),
		a.newDevicesImport(), a.newDevicesExport(), a.newDeviceCommand())
	return cmd
}

// filterFlags narrow a list of devices.
type filterFlags struct {
	filter devices.Filter
	status string
	active bool
}

func (f *filterFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Type, "type", "", "only devices of this `type`")
	flags.StringVar(&f.status, "status", "", "only devices with this `status`")
	flags.StringVar(&f.filter.Owner, "owner", "", "only devices of the user with this `id`")
	flags.StringVar(&f.filter.Group, "group", "", "only devices in the group with this `id`")
	flags.BoolVar(&f.active, "active", false, "only active devices; --active=false: only those that are not")
	flags.StringVar(&f.filter.Text, "text", "", "only devices with this `text` in TYPE/ID, code, key or name")
}

func (f *filterFlags) read(cmd *cobra.Command) (devices.Filter, error) {
	f.filter.Status = devices.Status(f.status)
	if cmd.Flags().Changed("active") {
		f.filter.Active = &f.active
	}
	if err := f.filter.Validate(); err != nil {
		return f.filter, usageError{fmt.Errorf("devices %s: %w", cmd.Name(), err)}
	}
	return f.filter, nil
}

func (a *app) newDevicesList() *cobra.Command {
	var flags filterFlags
	var after string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List devices with status and last readings",
		Long: "List devices in the order of type and id, all or, with --limit, a page of them. Where a page is not the last, the\n" +
			"last line on standard error says how to go on.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := flags.read(cmd)
			if err != nil {
				return err
			}
			var from channels.DeviceRef
			if after != "" {
				if from, err = devices.ParseRef(after); err != nil {
					return usageError{fmt.Errorf("devices list: --after: %w", err)}
				}
			}
			if limit < 0 {
				return usageError{errors.New("devices list: --limit: want 1 or more")}
			}
			return a.withStore(cmd, func(r store.Store) error { return a.listDevices(cmd, r, filter, from, limit) })
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&after, "after", "", "begin after the device `TYPE/ID`")
	cmd.Flags().IntVar(&limit, "limit", 0, "`number` of devices at most (default all)")
	return cmd
}

func (a *app) listDevices(cmd *cobra.Command, registry devices.Registry, filter devices.Filter, after channels.DeviceRef, limit int) error {
	write, flush := a.deviceWriter(cmd.OutOrStdout())
	left := limit
	err := eachDevice(cmd, registry, filter, after, func(d *devices.Device) error {
		if limit > 0 && left == 0 {
			return errEnough
		}
		left, after = left-1, d.DeviceRef
		return write(d)
	})
	if errors.Is(err, errEnough) {
		defer fmt.Fprintf(cmd.ErrOrStderr(), "There are more: --after %s/%s\n", after.Type, after.ID)
		err = nil
	}
	return errors.Join(err, flush())
}

var errEnough = errors.New("enough")

// eachDevice reads devices page by page.
func eachDevice(cmd *cobra.Command, registry devices.Registry, filter devices.Filter, after channels.DeviceRef, do func(*devices.Device) error) error {
	for {
		page, err := registry.List(cmd.Context(), filter, after, listPage)
		if err != nil {
			return fmt.Errorf("list devices: %w", err)
		}
		for i := range page {
			if err := do(&page[i]); err != nil {
				return err
			}
		}
		if len(page) < listPage {
			return nil
		}
		after = page[len(page)-1].DeviceRef
	}
}

// deviceWriter writes devices as JSON lines, or as a table for people.
func (a *app) deviceWriter(out io.Writer) (write func(*devices.Device) error, flush func() error) {
	if a.json {
		encoder := json.NewEncoder(out)
		return func(d *devices.Device) error { return encoder.Encode(d) }, func() error { return nil }
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "DEVICE\tNAME\tOWNER\tSTATUS\tLAST SEEN\tREADINGS")
	return func(d *devices.Device) error {
		values, err := json.Marshal(d.Values)
		if err != nil {
			return err
		}
		seen, status := "never", string(d.Status)
		if !d.LastSeen.IsZero() {
			seen = d.LastSeen.Local().Format(time.DateTime)
		}
		if !d.Active {
			status += " (inactive)"
		}
		_, err = fmt.Fprintf(table, "%s/%s\t%s\t%s\t%s\t%s\t%s\n", d.Type, d.ID, d.Name, d.Owner, status, seen, values)
		return err
	}, table.Flush
}

func (a *app) newDevicesShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show TYPE/ID",
		Short: "Show one device",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := deviceArgument(cmd, args[0])
			if err != nil {
				return err
			}
			return a.withStore(cmd, func(r store.Store) error { return showDevice(cmd, r, ref) })
		},
	}
}

func deviceArgument(cmd *cobra.Command, text string) (channels.DeviceRef, error) {
	ref, err := devices.ParseRef(text)
	if err != nil {
		err = usageError{fmt.Errorf("devices %s: %w", cmd.Name(), err)}
	}
	return ref, err
}

func showDevice(cmd *cobra.Command, registry devices.Registry, ref channels.DeviceRef) error {
	found, err := registry.Devices(cmd.Context(), []channels.DeviceRef{ref})
	if err != nil {
		return fmt.Errorf("show device %s/%s: %w", ref.Type, ref.ID, err)
	}
	if len(found) == 0 {
		return fmt.Errorf("show device %s/%s: there is no such device", ref.Type, ref.ID)
	}
	encoder := json.NewEncoder(cmd.OutOrStdout())
	encoder.SetIndent("", "  ")
	return encoder.Encode(found[0])
}
