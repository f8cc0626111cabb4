package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

func (a *app) newEvents() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Look at the event log",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var dead bool
	var limit int
	list := &cobra.Command{
		Use:   "list CHANNEL",
		Short: "List the newest events of a channel, or refused messages",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case dead && len(args) > 0:
				return usageError{errors.New("events list: --dead takes no CHANNEL")}
			case !dead && len(args) == 0:
				return usageError{errors.New("events list: name a CHANNEL, or use --dead")}
			case limit < 1 || limit > 10_000:
				return usageError{errors.New("events list: --limit: want 1 to 10000")}
			}
			return a.withStore(cmd, func(db store.Store) error {
				if dead {
					return listRefusals(cmd, db, limit)
				}
				return listEvents(cmd, db, args[0], limit)
			})
		},
	}
	list.Flags().BoolVar(&dead, "dead", false, "messages that were refused, newest first, instead of events")
	list.Flags().IntVar(&limit, "limit", 100, "`number` of entries at most")
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show one event with its private data",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := channels.ParseEventID(args[0])
			if err != nil {
				return usageError{fmt.Errorf("events show: %w", err)}
			}
			return a.withStore(cmd, func(db store.Store) error { return showEvent(cmd, db, id) })
		},
	}
	cmd.AddCommand(list, show)
	return cmd
}

// withStore opens the database for one command.
func (a *app) withStore(cmd *cobra.Command, do func(store.Store) error) error {
	cfg, err := a.load(false, nil)
	if err != nil {
		return err
	}
	db, err := openStore(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	return errors.Join(do(db), db.Close())
}

// An eventLine is an event as commands print it.
type eventLine struct {
	ID      string          `json:"id"`
	Cursor  channels.Cursor `json:"cursor"`
	Event   string          `json:"event"`
	Scope   channels.Scope  `json:"scope"`
	User    string          `json:"user,omitempty"`
	Time    time.Time       `json:"time"`
	Data    json.RawMessage `json:"data"`
	Raw     bool            `json:"raw,omitempty"`
	Private json.RawMessage `json:"private_data,omitempty"`
}

func lineOf(e *channels.Event) eventLine {
	line := eventLine{
		ID: e.PublicID(), Cursor: e.Cursor(), Event: e.Type, Scope: e.Scope, User: e.User, Time: e.Time,
		Data: e.Data, Raw: e.Raw, Private: e.Private,
	}
	if e.Raw {
		line.Data = quoted(string(e.Data))
	}
	return line
}

func listEvents(cmd *cobra.Command, db store.Store, name string, limit int) error {
	channel, err := channels.ParseChannel(name)
	if err != nil {
		return usageError{fmt.Errorf("events list: %w", err)}
	}
	page, err := db.Latest(cmd.Context(), channel, limit)
	if err != nil {
		return fmt.Errorf("list events of %s: %w", channel, err)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	for i := range page.Events {
		if err := out.Encode(lineOf(&page.Events[i])); err != nil {
			return err
		}
	}
	return nil
}

func listRefusals(cmd *cobra.Command, db store.Store, limit int) error {
	list, err := db.Refusals(cmd.Context(), 0, limit)
	if err != nil {
		return fmt.Errorf("list refused messages: %w", err)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	for _, r := range list {
		line := struct {
			ID      int64     `json:"id"`
			Time    time.Time `json:"time"`
			Source  string    `json:"source"`
			Reason  string    `json:"reason"`
			Payload string    `json:"payload"`
		}{r.ID, r.Time, r.Source, r.Reason, string(r.Payload)}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func showEvent(cmd *cobra.Command, db store.Store, id channels.EventID) error {
	e, err := db.Event(cmd.Context(), id)
	if errors.Is(err, channels.ErrNotFound) {
		return fmt.Errorf("show event %s: there is no such event", id)
	}
	if err != nil {
		return fmt.Errorf("show event %s: %w", id, err)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(lineOf(&e))
}
