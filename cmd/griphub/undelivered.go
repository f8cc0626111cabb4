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
					return requeueAll(cmd, db, subscriber)
				}
				return requeue(cmd, db, ids)
			})
		},
	}
	cmd.Flags().StringVar(&subscriber, "subscriber", "", "all messages of the subscriber with this `name`")
	return cmd
}

// requeue marks all of the messages, or none.
func requeue(cmd *cobra.Command, db store.Store, ids []int64) error {
	var batch channels.Batch
	for _, id := range ids {
		found, err := db.Undelivered(cmd.Context(), channels.UndeliveredQuery{Before: id + 1, Limit: 1})
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].ID != id {
			return fmt.Errorf("requeue %d: there is no such message", id)
		}
		found[0].Requeued = true
		batch.State = append(batch.State, found[0])
	}
	_, err := db.Append(cmd.Context(), batch)
	return err
}

func requeueAll(cmd *cobra.Command, db store.Store, subscriber string) error {
	query := channels.UndeliveredQuery{Subscriber: subscriber, Limit: 1000}
	for {
		list, err := db.Undelivered(cmd.Context(), query)
		if err != nil || len(list) == 0 {
			return err
		}
		var batch channels.Batch
		for _, u := range list {
			u.Requeued = true
			batch.State = append(batch.State, u)
			query.Before = u.ID
		}
		if _, err := db.Append(cmd.Context(), batch); err != nil {
			return err
		}
	}
}
