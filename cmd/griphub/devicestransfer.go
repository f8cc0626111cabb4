package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

func (a *app) newDevicesImport() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Add and change the devices of a file, all of them or none",
		Long: "Add and change devices as a file says, CSV with a header line or JSON lines, in the names that `griphub devices\n" +
			"export` writes; - is standard input. device_type and device_id name the device; a field that is not there stays as\n" +
			"it is. All of the file is taken, or nothing of it, and then the line and the field of the mistake are named.",
		Example: `  griphub devices import fleet.csv
  griphub devices export | ssh other griphub devices import --format jsonl -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := formatOf(format, args[0])
			if err != nil {
				return usageError{fmt.Errorf("devices import: %w", err)}
			}
			return a.importDevices(cmd, args[0], f)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "csv or jsonl (default by the `name` of the file)")
	return cmd
}

func (a *app) importDevices(cmd *cobra.Command, name string, format devices.Format) error {
	in := cmd.InOrStdin()
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("devices import: %w", err)
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	list, err := devices.ReadImport(bufio.NewReader(in), format)
	if err != nil {
		return importError(name, err)
	}
	return a.withStore(cmd, func(r store.Store) error {
		if err := list.Explain(r.Edit(cmd.Context(), list.Edits)); err != nil {
			return importError(name, err)
		}
		_, err := fmt.Fprintf(cmd.ErrOrStderr(), "Imported %d devices.\n", len(list.Edits))
		return err
	})
}

// importError marks what is wrong with the file as the user's mistake.
func importError(name string, err error) error {
	var wrong *devices.ImportError
	if errors.As(err, &wrong) || errors.Is(err, devices.ErrNothing) {
		return usageError{fmt.Errorf("devices import: %s: %w; nothing was imported", name, err)}
	}
	return fmt.Errorf("devices import: %s: %w", name, err)
}

func (a *app) newDevicesExport() *cobra.Command {
	var flags filterFlags
	var format string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what is said of devices as CSV or JSON lines, for import",
		Long: "Write what administrators say of devices, as CSV or JSON lines, so that `griphub devices import` makes the same\n" +
			"registry of it. What devices report is not in it: `griphub devices list --json` has that.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f, err := devices.ParseFormat(format)
			if err != nil {
				return usageError{fmt.Errorf("devices export: %w", err)}
			}
			filter, err := flags.read(cmd)
			if err != nil {
				return err
			}
			return a.withStore(cmd, func(r store.Store) error { return exportDevices(cmd, r, filter, f) })
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&format, "format", string(devices.JSONL), "csv or jsonl")
	return cmd
}

func exportDevices(cmd *cobra.Command, registry devices.Registry, filter devices.Filter, format devices.Format) error {
	out := bufio.NewWriter(cmd.OutOrStdout())
	export := devices.NewExporter(out, format)
	if err := export.Begin(); err != nil {
		return err
	}
	if err := eachDevice(cmd, registry, filter, channels.DeviceRef{}, export.Write); err != nil {
		return err
	}
	return errors.Join(export.End(), out.Flush())
}

// formatOf is the format that a flag names, or a file's name.
func formatOf(flag, file string) (devices.Format, error) {
	if flag != "" {
		return devices.ParseFormat(flag)
	}
	switch {
	case strings.HasSuffix(file, ".csv"):
		return devices.CSV, nil
	case strings.HasSuffix(file, ".jsonl"), strings.HasSuffix(file, ".ndjson"):
		return devices.JSONL, nil
	}
	return "", errors.New("the file's name does not end in .csv or .jsonl; give --format")
}
