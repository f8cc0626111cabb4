package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/web"
)

// subscribeFlags say what is followed from where.
type subscribeFlags struct {
	since, user, name, exec string
	system, global          bool
}

func (a *app) newSubscribe() *cobra.Command {
	var f subscribeFlags
	cmd := &cobra.Command{
		Use:   "subscribe [flags] CHANNEL…",
		Short: "Follow channels as JSON lines, or run a command for each event",
		Long: "Follow channels in the log, and print each event as a line of JSON with its private data, or run a command\n" +
			"for each with the JSON on its standard input. A command that fails is run again, with growing pauses, before the\n" +
			"next event comes. With --name the place is kept in the database, and the next run goes on there: each\n" +
			"event comes at least once. Where the log no longer has all events, a line of type stream-reset says so, and\n" +
			"standard error. Ends with 0 on SIGINT, SIGTERM, and when nobody reads the output any more.",
		Example: `  griphub subscribe iot_weatherstation
  griphub subscribe orders --since 24h --name billing --exec ./bill-order
  griphub subscribe --system --user 7`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			err = f.run(cmd, cfg, args)
			if cmd.Context().Err() != nil || errors.Is(err, syscall.EPIPE) {
				return nil //nolint:nilerr // an end that was asked for, or that nobody reads beyond, is no failure
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.since, "since", "", "begin at a cursor, so long ago (24h), or at a time; without it, now")
	flags.BoolVar(&f.system, "system", false, "follow system events, which only backends see")
	flags.BoolVar(&f.global, "global", false, "follow global events")
	flags.StringVar(&f.user, "user", "", "follow the own events of the user with this `id`")
	flags.StringVar(&f.name, "name", "", "keep the place under this `name`, and go on there")
	flags.StringVar(&f.exec, "exec", "", "run this shell `command` for each event")
	return cmd
}

// channels are what arguments and flags name.
func (f *subscribeFlags) channels(cmd *cobra.Command, args []string, list channels.Rules) ([]channels.Channel, error) {
	names := append([]string(nil), args...)
	if f.system {
		names = append(names, string(channels.System))
	}
	if f.global {
		names = append(names, string(channels.Public))
	}
	if cmd.Flags().Changed("user") {
		own, err := channels.User(f.user)
		if err != nil {
			return nil, err
		}
		names = append(names, string(own))
	}
	if len(names) == 0 {
		return nil, errors.New("name a CHANNEL, or use --system, --global or --user")
	}
	return followed(names, list)
}

func (f *subscribeFlags) run(cmd *cobra.Command, cfg config.Config, args []string) (err error) {
	list, err := rules(cfg)
	if err != nil {
		return err
	}
	chans, err := f.channels(cmd, args, list)
	if err != nil {
		return usageError{fmt.Errorf("subscribe: %w", err)}
	}
	db, err := openStore(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closed := db.Close(); err == nil {
			err = closed
		}
	}()
	// A reader that has gone is an error of a write, and not a signal that ends the program.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	for {
		lost, err := f.term(cmd, db, chans)
		if !lost || cmd.Context().Err() != nil {
			return err
		}
		_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "griphub: subscribe: %v; trying again\n", err)
	}
}

// term follows until it fails. lost tells that the place's name was lost to whoever may have it now.
func (f *subscribeFlags) term(cmd *cobra.Command, db store.Store, chans []channels.Channel) (lost bool, err error) {
	ctx := cmd.Context()
	if f.name != "" {
		leading, release, err := alone(ctx, db, f.name, cmd.ErrOrStderr())
		if err != nil {
			return false, err
		}
		defer release()
		ctx = leading
	}
	from, err := f.from(ctx, db, chans)
	if err != nil {
		return ctx.Err() != nil, err
	}
	bell := &channels.Bell{}
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return db.Watch(running, bell.Ring) })
	group.Go(func() error {
		sub, err := channels.Subscribe(running, db, bell, chans, from)
		if err != nil {
			return err
		}
		defer sub.Close()
		return f.follow(running, db, sub, cmd.OutOrStdout(), cmd.ErrOrStderr())
	})
	err = group.Wait()
	return ctx.Err() != nil, err
}

// alone waits until no other process follows under the name: both would do everything.
func alone(ctx context.Context, db store.Store, name string, log io.Writer) (context.Context, func(), error) {
	const quiet = time.Second
	told := time.AfterFunc(quiet, func() {
		_, _ = fmt.Fprintf(log, "griphub: subscribe: waiting for the other process that follows as %q\n", name)
	})
	defer told.Stop()
	return db.Lead(ctx, "subscribe/"+name)
}

// from is where the subscription begins: at the kept place, or where --since says. nil means now.
func (f *subscribeFlags) from(ctx context.Context, db store.Store, chans []channels.Channel) (channels.Cursor, error) {
	if f.name != "" {
		kept, err := db.Bookmark(ctx, f.bookmark())
		if err != nil || kept != nil {
			return kept, err
		}
	}
	if f.since == "" {
		return nil, nil
	}
	if moment, err := web.ParseSince(f.since, now()); err == nil {
		return channels.CursorAt(ctx, db, chans, moment)
	}
	cursor, err := channels.ParseCursor(f.since)
	if err != nil {
		return nil, usageError{fmt.Errorf("subscribe: --since: %q is no cursor, no duration like 24h, and no time like 2025-01-15T12:00:00Z", f.since)}
	}
	return cursor, nil
}

func (f *subscribeFlags) bookmark() string { return "subscribe/" + f.name }

// follow hands on what the subscription yields, until ctx ends or the output does.
func (f *subscribeFlags) follow(ctx context.Context, db store.Store, sub *channels.Subscription, out, log io.Writer) error {
	// What comes from now on is not lost by a process that ends before it has taken anything.
	if err := f.keep(ctx, db, sub.Cursor(), log); err != nil {
		return err
	}
	for {
		var d channels.Delivery
		err := again(ctx, log, func() (err error) {
			d, err = sub.Next(ctx)
			return err
		})
		if err != nil {
			return err
		}
		if len(d.Lost) > 0 {
			_, _ = fmt.Fprintf(log, "griphub: subscribe: events were lost on %q: the log no longer has them\n", d.Lost)
		}
		line, err := json.Marshal(d.Backend())
		if err != nil {
			return err
		}
		if err := f.handOn(ctx, append(line, '\n'), out, log); err != nil {
			return err
		}
		if err := f.keep(ctx, db, d.Cursor, log); err != nil {
			return err
		}
	}
}

// again does what needs the database until it succeeds or ctx ends.
func again(ctx context.Context, log io.Writer, do func() error) error {
	for {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		_, _ = fmt.Fprintf(log, "griphub: subscribe: %v; trying again\n", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(leadAgain):
		}
	}
}

// handOn prints the event, or runs the command for it.
func (f *subscribeFlags) handOn(ctx context.Context, line []byte, out, log io.Writer) error {
	if f.exec != "" {
		return f.execute(ctx, line, out, log)
	}
	_, err := out.Write(line)
	return err
}

// keep stores the place, if it has a name.
func (f *subscribeFlags) keep(ctx context.Context, db store.Store, cursor channels.Cursor, log io.Writer) error {
	if f.name == "" {
		return nil
	}
	place := channels.Batch{State: []any{channels.Bookmark{Name: f.bookmark(), Cursor: cursor}}}
	return again(ctx, log, func() error {
		_, err := db.Append(ctx, place)
		return err
	})
}

const (
	execFirst, execLast = time.Second, time.Minute
	// execStop is how long a command may take to end after SIGTERM.
	execStop = 10 * time.Second
)

// execute runs the command until it succeeds.
func (f *subscribeFlags) execute(ctx context.Context, event []byte, out, log io.Writer) error {
	for pause := execFirst; ; pause = min(2*pause, execLast) {
		cmd := exec.CommandContext(ctx, "sh", "-c", f.exec)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(event), out, log
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = execStop
		err := cmd.Run()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_, _ = fmt.Fprintf(log, "griphub: subscribe: --exec: %v; trying again in %v\n", err, pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
