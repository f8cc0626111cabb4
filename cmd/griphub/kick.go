package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/store"
)

func (a *app) newKick() *cobra.Command {
	return &cobra.Command{
		Use:   "kick USER CHANNEL",
		Short: "End a user's streams of a channel, because a permission has changed",
		Long: "End a user's streams of a channel, because a permission has changed: event streams with a stream-error,\n" +
			"WebSockets with code 4403, long polls with 403. Whether the user may open new ones is for the token or the\n" +
			"application to say, so take the permission away first. Exits with 0 when the kick is stored and sent, and\n" +
			"with 3 when it is stored but no proxy took it: the streams then end at their next recheck.",
		Example: "  griphub kick 7 room-1",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			kick, err := channels.ParseKick(args[0], args[1])
			if err != nil {
				return usageError{fmt.Errorf("kick: %w", err)}
			}
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			return withPublisher(cmd.Context(), cfg, func(_ store.Store, publisher *channels.Publisher) error {
				events, err := publisher.Publish(cmd.Context(), channels.Batch{Drafts: []channels.Draft{kick.Draft()}})
				if err != nil {
					return fmt.Errorf("kick: %w", err)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "kicked user %q from %q (event %s)\n", kick.User, kick.Channel, events[0].PublicID())
				return err
			})
		},
	}
}
