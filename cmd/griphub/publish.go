package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/fragments"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/web"
)

const (
	// jsonlBatch bounds the events of one transaction of --jsonl.
	jsonlBatch = 1000
	// sendPatience bounds how long publish waits for the proxies after the events are stored.
	sendPatience = 10 * time.Second
)

// publishFlags are one event as flags say it.
type publishFlags struct {
	event, user, device, private, id string
	skipUsers                        []string
	raw, global, system, jsonl       bool
}

func (a *app) newPublish() *cobra.Command {
	var f publishFlags
	cmd := &cobra.Command{
		Use:   "publish [flags] CHANNEL [DATA]",
		Short: "Publish an event",
		Long: "Publish an event to a channel, or to a user, everybody, the backend or a device's viewers (then without\n" +
			"CHANNEL). DATA is JSON, or with --raw any text; without DATA, or with -, it is read from standard input.\n" +
			"Prints the event's id. Exits with 0 when the event is stored and sent, and with 3 when it is stored but\n" +
			"no proxy took it: viewers get it once their proxy is back.",
		Example: `  griphub publish room-1 '{"text":"hello"}'
  griphub publish iot_weatherstation --event note '{"text":"hello"}'
  echo '<b>42 %</b>' | griphub publish --raw --event sse_stat test
  griphub publish --user 7 --event task_complete '{"task_id":123}'`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.load(false, nil)
			if err != nil {
				return err
			}
			source, err := f.source(cmd, args)
			if err != nil {
				return usageError{fmt.Errorf("publish: %w", err)}
			}
			return withPublisher(cmd.Context(), cfg, func(_ store.Store, publisher *channels.Publisher) error {
				return publishAll(cmd.Context(), publisher, source, cmd.OutOrStdout())
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.event, "event", "message", "event `type`; '' sends no event line, which is what htmx 4 swaps")
	flags.BoolVar(&f.raw, "raw", false, "send DATA as it is, such as HTML, and not as JSON")
	flags.StringVar(&f.user, "user", "", "send to the user with this `id`, on all tabs and devices")
	flags.BoolVar(&f.global, "global", false, "send to everybody")
	flags.BoolVar(&f.system, "system", false, "send to backend subscribers only")
	flags.StringVar(&f.device, "device", "", "send as an event of the device `TYPE/ID`")
	flags.StringVar(&f.private, "private", "", "`JSON` that never leaves the log")
	flags.StringVar(&f.id, "id", "", "idempotency `key`: publishing it again yields the first event")
	flags.StringArrayVar(&f.skipUsers, "skip-user", nil, "`id` of a user who does not see the event; may be repeated")
	flags.BoolVar(&f.jsonl, "jsonl", false, "read events from standard input, one JSON object a line, as POST /api/publish takes them")
	return cmd
}

// drafts yields events until io.EOF.
type drafts func() (channels.Draft, error)

// source is where the events come from: standard input as JSON lines, or the one that flags and arguments make.
func (f *publishFlags) source(cmd *cobra.Command, args []string) (drafts, error) {
	if f.jsonl {
		if len(args) > 0 {
			return nil, errors.New("--jsonl takes no arguments: each line says where its event goes")
		}
		return web.NewDraftReader(bufio.NewReaderSize(cmd.InOrStdin(), 1<<20), now).Next, nil
	}
	draft, err := f.draft(cmd, args)
	if err != nil {
		return nil, err
	}
	done := false
	return func() (channels.Draft, error) {
		if done {
			return channels.Draft{}, io.EOF
		}
		done = true
		return draft, nil
	}, nil
}

func (f *publishFlags) draft(cmd *cobra.Command, args []string) (channels.Draft, error) {
	form := web.DraftForm{Event: &f.event, Raw: f.raw, Global: f.global, System: f.system, Device: f.device, ID: f.id}
	toChannel := !f.global && !f.system && f.device == "" && !cmd.Flags().Changed("user")
	if toChannel {
		if len(args) == 0 {
			return channels.Draft{}, errors.New("name a CHANNEL, or use --user, --global, --system or --device")
		}
		form.Channel, args = args[0], args[1:]
		if form.Channel == "" {
			return channels.Draft{}, errors.New("CHANNEL is empty")
		}
	}
	if len(args) > 1 {
		return channels.Draft{}, errors.New("with --user, --global, --system or --device there is no CHANNEL")
	}
	if cmd.Flags().Changed("user") {
		form.User = quoted(f.user)
	}
	if f.private != "" {
		form.Private = json.RawMessage(f.private)
	}
	for _, user := range f.skipUsers {
		form.SkipUsers = append(form.SkipUsers, quoted(user))
	}
	data, err := readData(cmd.InOrStdin(), args)
	if err != nil {
		return channels.Draft{}, err
	}
	if form.Data = data; f.raw {
		form.Data = quoted(string(data))
	}
	return form.Draft(now())
}

func quoted(text string) json.RawMessage {
	raw, _ := json.Marshal(text) // a string always has a JSON form
	return raw
}

// readData returns the argument, or standard input without its last line break.
func readData(in io.Reader, args []string) ([]byte, error) {
	if len(args) == 1 && args[0] != "-" {
		return []byte(args[0]), nil
	}
	data, err := io.ReadAll(io.LimitReader(in, channels.MaxSystemBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	if n := len(data); n > 0 && data[n-1] == '\n' {
		data = data[:n-1]
	}
	return data, nil
}

// withPublisher publishes for one command, and waits until everything is sent to the proxies.
func withPublisher(ctx context.Context, cfg config.Config, do func(store.Store, *channels.Publisher) error) (err error) {
	list, err := proxies(cfg)
	if err != nil {
		return err
	}
	channelRules, err := rules(cfg)
	if err != nil {
		return err
	}
	asked, err := hooks(cfg, slog.New(slog.DiscardHandler)) // a failure is the command's own error
	if err != nil {
		return err
	}
	db, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closed := db.Close(); err == nil {
			err = closed
		}
	}()
	html, err := fragments.Open(cfg.Templates.Dir, fragments.Options{})
	if err != nil {
		return err
	}
	client := newClient(cfg, list, db, html, nil, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	sink := &patientSink{ctx: ctx, client: client, proxies: len(grip.ControlPorts(list))}
	publisher := channels.NewPublisher(db, channelRules, sink, now)
	publisher.SetHooks(asked)

	// Both run until everything is stored and sent, or cannot be.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { return client.Run(running) })
	group.Go(func() error { return publisher.Run(running) })
	err = do(db, publisher)
	if err == nil {
		err = flush(ctx, client, sink.proxies)
	}
	stop()
	if waited := group.Wait(); err == nil {
		err = cmp.Or(sink.missed, waited)
	}
	return err
}

// A patientSink has those who publish wait for proxies that do not keep up, where otherwise the queue would drop the oldest.
type patientSink struct {
	ctx     context.Context //nolint:containedctx // it is the command's
	client  *pushpin.Client
	proxies int

	given  int
	missed error // why a proxy did not take something; nobody waits for it any more
}

// Send is channels.Sink's.
func (s *patientSink) Send(events []channels.Event) {
	const atOnce = 5000
	s.client.Send(events)
	if s.given += len(events); s.given >= atOnce && s.missed == nil {
		s.given = 0
		s.missed = flush(s.ctx, s.client, s.proxies)
	}
}

// publishAll stores what next yields, many events at a time, and prints their ids.
func publishAll(ctx context.Context, publisher *channels.Publisher, next drafts, out io.Writer) error {
	for {
		batch, end := collect(next)
		if len(batch) > 0 {
			events, err := publisher.Publish(ctx, channels.Batch{Drafts: batch})
			if err != nil {
				return publishError(err)
			}
			if err := printIDs(out, events); err != nil {
				return err
			}
		}
		if errors.Is(end, io.EOF) {
			return nil
		}
		if end != nil {
			return publishError(end)
		}
	}
}

func printIDs(out io.Writer, events []channels.Event) error {
	for i := range events {
		if _, err := fmt.Fprintln(out, events[i].PublicID()); err != nil {
			return err
		}
	}
	return nil
}

// collect reads a batch of events; end is why there are no more, nil where there may be.
func collect(next drafts) (batch []channels.Draft, end error) {
	for len(batch) < jsonlBatch {
		draft, err := next()
		if err != nil {
			return batch, err
		}
		batch = append(batch, draft)
	}
	return batch, nil
}

// publishError marks what the user wrote wrongly.
func publishError(err error) error {
	var invalid *channels.InvalidError
	if errors.As(err, &invalid) {
		return usageError{fmt.Errorf("publish: %w", err)}
	}
	return fmt.Errorf("publish: %w", err)
}

// flush waits until a proxy has taken what was stored.
func flush(ctx context.Context, client *pushpin.Client, proxies int) error {
	if proxies == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sendPatience)
	defer cancel()
	err := client.Flush(ctx)
	var undelivered *pushpin.FlushError
	if errors.As(err, &undelivered) && len(undelivered.Proxies) < proxies {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNotSent, err)
	}
	return nil
}
