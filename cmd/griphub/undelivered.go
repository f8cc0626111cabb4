package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

// listUndelivered prints messages that subscribers did not take, with what was sent.
func listUndelivered(cmd *cobra.Command, db store.Store, query channels.UndeliveredQuery) error {
	list, err := db.Undelivered(cmd.Context(), query)
	if err != nil {
		return err
	}
	out := json.NewEncoder(cmd.OutOrStdout())
	for _, u := range list {
		line := struct {
			channels.Undelivered
			Event string          `json:"event_id"`
			Body  json.RawMessage `json:"body"`
		}{u, u.Event.String(), u.Body}
		if !json.Valid(u.Body) {
			line.Body = quoted(string(u.Body))
		}
		if err := out.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) newRequeue() *cobra.Command {
	var subscriber string
	cmd := &cobra.Command{
		Use:   "requeue [ID…]",
		Short: "Send again what webhook subscribers did not take",
		Long: "Send messages again that webhook subscribers did not take, by the ids that events list --undelivered shows, or\n" +
			"with --subscriber all of one. The running griphub does so within seconds, the oldest first.",
		RunE: func(cmd *cobra.Command, args []string) error {
			ids := make([]int64, len(args))
			for i, arg := range args {
				id, err := strconv.ParseInt(arg, 10, 64)
				if err != nil || id < 1 {
					return usageError{fmt.Errorf("events requeue: %q is not an id of events list --undelivered", arg)}
				}
				ids[i] = id
			}
			if (len(ids) == 0) == (subscriber == "") {
				return usageError{errors.New("events requeue: give either IDs or --subscriber")}
			}
			return a.withStore(cmd, func(db store.Store) error {
				if subscriber != "" {
					return channels.RequeueAll(cmd.Context(), db, db.Append, subscriber)
				}
				err := channels.Requeue(cmd.Context(), db, db.Append, ids...)
				if errors.Is(err, channels.ErrNotFound) {
					return fmt.Errorf("events requeue: %w", err)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&subscriber, "subscriber", "", "all messages of the subscriber with this `name`")
	return cmd
}
