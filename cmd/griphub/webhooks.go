package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/webhook"
)

// webhookSubscribers are the receivers that the configuration names.
func webhookSubscribers(cfg config.Config, list channels.Rules, db store.Store, bell *channels.Bell, log *slog.Logger) (
	[]*webhook.Subscriber, error) {
	all := make([]*webhook.Subscriber, 0, len(cfg.Hooks.Subscribers))
	for i, c := range cfg.Hooks.Subscribers {
		path := fmt.Sprintf("hooks.subscribers[%d]", i)
		follow, err := followed(c.Names(), list)
		if err != nil {
			return nil, fmt.Errorf("%s.channels: %w", path, err)
		}
		events, err := patterns(c.Events)
		if err != nil {
			return nil, fmt.Errorf("%s.events: %w", path, err)
		}
		endpoint, err := endpoint(c.URL, c.Secret, c.Timeout, cfg.Hooks.DenyPrivate)
		if err != nil {
			return nil, fmt.Errorf("%s.secret: %w", path, err)
		}
		s, err := webhook.NewSubscriber(webhook.SubscriberOptions{
			Name: c.Name, Endpoint: endpoint, Channels: follow, Events: events, Retries: c.Retries,
			Log: db, Bell: bell, Logger: log, Now: now,
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// hooks are those that the configuration names.
func hooks(cfg config.Config, log *slog.Logger) (list channels.Hooks, err error) {
	if list.Receive, err = hook("on_receive", cfg.Hooks.OnReceive, cfg.Hooks.DenyPrivate, log); err != nil {
		return list, err
	}
	list.Send, err = hook("before_send", cfg.Hooks.BeforeSend, cfg.Hooks.DenyPrivate, log)
	return list, err
}

// hookRequests bounds the requests that one batch takes: each is bounded by the hook's own timeout.
const hookRequests = 25

// hook is none where it has no URL.
func hook(name string, c config.Hook, denyPrivate bool, log *slog.Logger) ([]*channels.HookPoint, error) {
	if c.URL == "" {
		return nil, nil
	}
	match, err := channels.ParsePattern(c.Match)
	if err != nil {
		return nil, fmt.Errorf("hooks.%s.match: %w", name, err)
	}
	endpoint, err := endpoint(c.URL, c.Secret, c.Timeout, denyPrivate)
	if err != nil {
		return nil, fmt.Errorf("hooks.%s.secret: %w", name, err)
	}
	asks, err := webhook.NewHook(webhook.HookOptions{Name: name, Endpoint: endpoint, Logger: log, Now: now})
	if err != nil {
		return nil, fmt.Errorf("hooks.%s: %w", name, err)
	}
	return []*channels.HookPoint{channels.NewHookPoint(asks, channels.HookOptions{
		Name: name, Match: match, Open: c.OnError == "open", Timeout: hookRequests * c.Timeout,
	})}, nil
}

// followed are channels that a backend may follow: internal ones too, and only stored ones.
func followed(names []string, list channels.Rules) ([]channels.Channel, error) {
	all := make([]channels.Channel, len(names))
	for i, name := range names {
		c, err := channels.ParseBackendChannel(name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(all[:i], c) {
			return nil, fmt.Errorf("channel %q is named twice", name)
		}
		if !list.Stored(c) {
			return nil, fmt.Errorf("channel %q keeps no events that could be followed (its rule says reliable: false)", name)
		}
		all[i] = c
	}
	return all, nil
}

func patterns(texts []string) ([]channels.Pattern, error) {
	all := make([]channels.Pattern, len(texts))
	for i, text := range texts {
		p, err := channels.ParsePattern(text)
		if err != nil {
			return nil, err
		}
		all[i] = p
	}
	return all, nil
}

func endpoint(url config.SecretURL, secret config.Secret, timeout time.Duration, denyPrivate bool) (webhook.Endpoint, error) {
	raw, err := secret.Bytes()
	if err != nil {
		return webhook.Endpoint{}, err
	}
	key, err := webhook.ParseSecret(string(raw))
	if err != nil {
		return webhook.Endpoint{}, err
	}
	return webhook.Endpoint{URL: string(url), Secret: key, Timeout: timeout, DenyPrivate: denyPrivate}, nil
}

// electedSubscribers tell receivers of events while this process is the leader among all that share the database.
type electedSubscribers struct {
	list []*webhook.Subscriber
	db   store.Store
	log  *slog.Logger
}

// Run leads and delivers, again and again, until ctx ends.
func (e *electedSubscribers) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := e.term(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("subscribers", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(leadAgain):
			}
		}
	}
	return nil
}

// term is one leadership. It ends all subscribers together.
func (e *electedSubscribers) term(ctx context.Context) error {
	leading, release, err := e.db.Lead(ctx, "subscribers")
	if err != nil {
		return err
	}
	defer release()
	var group errgroup.Group
	for _, s := range e.list {
		group.Go(func() error { return s.Run(leading) })
	}
	return group.Wait()
}
