package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/store"
)

// recordFlags say what administrators say of a device.
type recordFlags struct {
	code, key, name, owner, productType, attributes string
	groups                                          []string
	active                                          bool
	latitude, longitude                             float64
}

func (f *recordFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.code, "code", "", "`code` in topics of the device's user; unique")
	flags.StringVar(&f.key, "key", "", "the application's own `key`; unique")
	flags.StringVar(&f.name, "name", "", "`name` for people")
	flags.StringVar(&f.owner, "owner", "", "`id` of the user whose device it is")
	flags.StringArrayVar(&f.groups, "group", nil, "group as `ID[=NAME]`; may be repeated, and '' is none")
	flags.StringVar(&f.productType, "product-type", "", "the application's `word` for what was sold")
	flags.StringVar(&f.attributes, "attributes", "", "the application's own `JSON` object")
	flags.BoolVar(&f.active, "active", true, "whether it is in service")
	flags.Float64Var(&f.latitude, "latitude", 0, "`degrees` north")
	flags.Float64Var(&f.longitude, "longitude", 0, "`degrees` east")
}

// patch is what the flags that are given say.
func (f *recordFlags) patch(cmd *cobra.Command) (p devices.Patch) {
	given := cmd.Flags().Changed
	p.Code, p.Key, p.Name = ifGiven(given("code"), f.code), ifGiven(given("key"), f.key), ifGiven(given("name"), f.name)
	p.Owner, p.ProductType = ifGiven(given("owner"), f.owner), ifGiven(given("product-type"), f.productType)
	p.Active = ifGiven(given("active"), f.active)
	p.Attributes = ifGiven(given("attributes"), json.RawMessage(f.attributes))
	p.Latitude, p.Longitude = ifGiven(given("latitude"), f.latitude), ifGiven(given("longitude"), f.longitude)
	if given("group") {
		p.Groups = &[]devices.Group{}
		for _, text := range f.groups {
			if text != "" {
				*p.Groups = append(*p.Groups, devices.ParseGroup(text))
			}
		}
	}
	return p
}

func ifGiven[T any](given bool, value T) *T {
	if !given {
		return nil
	}
	return &value
}

func (a *app) newDevicesAdd() *cobra.Command {
	var flags recordFlags
	var ref channels.DeviceRef
	cmd := &cobra.Command{
		Use:     "add --type TYPE --id ID",
		Short:   "Add a device",
		Example: `  griphub devices add --type pump --id p-17 --code 4711 --name "Pump in hall 3" --owner 7 --group hall-3`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.edit(cmd, devices.Edit{DeviceRef: ref, Kind: devices.EditAdd, Patch: flags.patch(cmd)})
		},
	}
	cmd.Flags().StringVar(&ref.Type, "type", "", "the device's `type`")
	cmd.Flags().StringVar(&ref.ID, "id", "", "the device's `id` within its type")
	flags.add(cmd)
	return cmd
}

func (a *app) newDevicesSet() *cobra.Command {
	var flags recordFlags
	cmd := &cobra.Command{
		Use:     "set TYPE/ID",
		Short:   "Change what is said of a device; what no flag names stays",
		Example: `  griphub devices set pump/p-17 --owner 8 --active=false`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := deviceArgument(cmd, args[0])
			if err != nil {
				return err
			}
			return a.edit(cmd, devices.Edit{DeviceRef: ref, Kind: devices.EditSet, Patch: flags.patch(cmd)})
		},
	}
	flags.add(cmd)
	return cmd
}

func (a *app) newDevicesRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove TYPE/ID…",
		Short: "Remove devices from the registry, all that are named or none; their events stay",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			edits := make([]devices.Edit, len(args))
			for i, text := range args {
				ref, err := deviceArgument(cmd, text)
				if err != nil {
					return err
				}
				edits[i] = devices.Edit{DeviceRef: ref, Kind: devices.EditRemove}
			}
			return a.edit(cmd, edits...)
		},
	}
}

// edit does the edits, and says of a mistake whether it is the user's.
func (a *app) edit(cmd *cobra.Command, edits ...devices.Edit) error {
	for i := range edits {
		if err := edits[i].Validate(); err != nil {
			return usageError{fmt.Errorf("devices %s: %w", cmd.Name(), err)}
		}
	}
	return a.withStore(cmd, func(r store.Store) error {
		err := r.Edit(cmd.Context(), edits)
		var wrong *devices.EditError
		if errors.As(err, &wrong) {
			err = wrong.Err
		}
		if err != nil {
			return fmt.Errorf("devices %s: %w", cmd.Name(), err)
		}
		return nil
	})
}
