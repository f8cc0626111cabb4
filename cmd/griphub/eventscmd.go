package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"time"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

func (a *app) newEvents() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Look at the event log, and send events again",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var dead, undelivered bool
	var subscriber string
	var limit int
	list := &cobra.Command{
		Use:   "list CHANNEL",
		Short: "List the newest events of a channel, refused messages, or what subscribers did not take",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case dead && undelivered:
				return usageError{errors.New("events list: --dead and --undelivered are two lists")}
			case (dead || undelivered) && len(args) > 0:
				return usageError{errors.New("events list: --dead and --undelivered take no CHANNEL")}
			case !dead && !undelivered && len(args) == 0:
				return usageError{errors.New("events list: name a CHANNEL, or use --dead or --undelivered")}
			case subscriber != "" && !undelivered:
				return usageError{errors.New("events list: --subscriber belongs to --undelivered")}
			case limit < 1 || limit > 10_000:
				return usageError{errors.New("events list: --limit: want 1 to 10000")}
			}
			return a.withStore(cmd, func(db store.Store) error {
				if dead {
					return listRefusals(cmd, db, limit)
				}
				if undelivered {
					return listUndelivered(cmd, db, channels.UndeliveredQuery{Subscriber: subscriber, Limit: limit})
				}
				return listEvents(cmd, db, args[0], limit)
			})
		},
	}
	list.Flags().BoolVar(&dead, "dead", false, "messages that were refused, newest first, instead of events")
	list.Flags().BoolVar(&undelivered, "undelivered", false, "messages that webhook subscribers did not take, newest first")
	list.Flags().StringVar(&subscriber, "subscriber", "", "with --undelivered, only those of the subscriber with this `name`")
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
	cmd.AddCommand(list, show, a.newReplay(), a.newRequeue())
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
		if err := out.Encode(page.Events[i].Backend()); err != nil {
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
	activities, err := db.Activities(cmd.Context(), e.Original())
	if err != nil {
		return fmt.Errorf("show event %s: %w", id, err)
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	out.SetIndent("", "  ")
	return out.Encode(struct {
		channels.BackendEvent
		Activities []channels.Activity `json:"activities,omitempty"`
	}{e.Backend(), activities})
}

func (a *app) newReplay() *cobra.Command {
	return &cobra.Command{
		Use:   "replay ID…",
		Short: "Send stored events again",
		Long: "Send stored events again, all or none, at new places in their channels. Viewers who have had one already are told\n" +
			"so: it comes behind an event stream-replay. Prints the id of each. Exits as publish does.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ids []channels.EventID
			for _, arg := range args {
				id, err := channels.ParseEventID(arg)
				if err != nil {
					return usageError{fmt.Errorf("events replay: %q: %w", arg, err)}
				}
				ids = append(ids, id)
			}
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			return withPublisher(cmd.Context(), cfg, func(db store.Store, publisher *channels.Publisher) error {
				events, err := channels.SendAgain(cmd.Context(), db, publisher, ids, commandUser())
				if err != nil {
					return err
				}
				return printIDs(cmd.OutOrStdout(), events)
			})
		},
	}
}

// commandUser is who runs a command, for the records.
func commandUser() string {
	who, err := user.Current()
	if err != nil {
		return "a command"
	}
	return who.Username
}
