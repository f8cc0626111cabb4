package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/pushpin"
)

// newAudience returns who counts viewers, nil where no proxy tells.
func newAudience(cfg config.Config, r prometheus.Registerer, log *slog.Logger) (*pushpin.Audience, error) {
	if len(cfg.Grip.Stats) == 0 {
		return nil, nil
	}
	audience, err := pushpin.NewAudience(cfg.Grip.Stats, cfg.Grip.Prefix, log)
	if err != nil {
		return nil, fmt.Errorf("grip.%w", err)
	}
	registerAudience(r, audience)
	return audience, nil
}

// A watchman tells devices by MQTT whether they are watched, for as long as this process has the devices' messages.
type watchman struct {
	audience *pushpin.Audience
	registry devices.Registry
	broker   mqttbridge.Config
	topic    mqttbridge.DeviceTopic
	log      *slog.Logger
}

// watchedTopic is the last level of the topic that says "1" while somebody watches the device, and "0" afterwards.
const watchedTopic = "watched"

// newWatchman returns nil where no proxy tells who is watching, or the devices' topics leave no place for the answer.
func newWatchman(cfg config.Config, audience *pushpin.Audience, registry devices.Registry, log *slog.Logger) (*watchman, error) {
	if audience == nil {
		return nil, nil
	}
	broker, err := bridgeConfig(cfg)
	if err != nil {
		return nil, err
	}
	topic, err := broker.Rules.Beside(watchedTopic)
	if err != nil {
		log.Warn("devices are not told whether they are watched", "error", err)
		return nil, nil
	}
	broker.ClientID = ""
	return &watchman{audience, registry, broker, topic, log}, nil
}

// run watches until ctx ends.
func (w *watchman) run(ctx context.Context) error {
	publisher, err := mqttbridge.NewPublisher(w.broker)
	if err != nil {
		return err
	}
	watcher := devices.NewWatcher(w.audience, w.registry, retainer{publisher, w.topic}, 0, w.log)
	publisher.Follow([]string{w.topic.Filter()}, watcher.Renewed, func(topic string, payload []byte, retained bool) {
		if device, ok := w.topic.Device(topic); ok && retained {
			watcher.Heard(device, string(payload) == "1")
		}
	})
	var g errgroup.Group
	g.Go(func() error { return stubbornly(ctx, publisher, w.log) })
	g.Go(func() error { return watcher.Run(ctx) })
	return g.Wait()
}

// A retainer tells devices by messages that the broker retains.
type retainer struct {
	publisher *mqttbridge.Publisher
	topic     mqttbridge.DeviceTopic
}

// Tell sets the device's topic.
func (r retainer) Tell(ctx context.Context, device channels.DeviceRef, watched bool) error {
	topic, err := r.topic.Of(device)
	if err != nil {
		return err
	}
	payload := "0"
	if watched {
		payload = "1"
	}
	return r.publisher.Retain(ctx, topic, []byte(payload))
}

// stubbornly runs the publisher until ctx ends, also where the broker refuses it: what it may do there can be changed
// while griphub runs.
func stubbornly(ctx context.Context, publisher *mqttbridge.Publisher, log *slog.Logger) error {
	for {
		err := publisher.Run(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to stop
		}
		log.Error("no connection to the broker for commands and notices, trying again", "error", errors.Unwrap(err))
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(leadAgain):
		}
	}
}
