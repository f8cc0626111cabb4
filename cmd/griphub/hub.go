package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/fragments"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
	"github.com/griphub/griphub/store"
	"github.com/griphub/griphub/web"
	"github.com/griphub/griphub/webhook"
)

// A hub is the backend: everything between the broker and the proxies, put together but not running.
type hub struct {
	cfg       config.Config
	log       *slog.Logger
	db        store.Store
	recent    *channels.Recent // what viewers read
	rules     channels.Rules
	proxies   []grip.Proxy
	fragments *fragments.Library
	client    *pushpin.Client
	conflater *channels.Conflater
	audience  *pushpin.Audience // nil where no proxy tells who is watching
	publisher *channels.Publisher
	meter     *meter // of what is given to the publisher
	// bell wakes who follows the log, subscribers who do.
	bell        *channels.Bell
	subscribers []*webhook.Subscriber
	web         *web.Server
	source      deviceSource // nil without a broker
	courier     *courier     // nil where devices get no commands
	registry    *prometheus.Registry
	// alsoReady is what else must work; nil for nothing.
	alsoReady func(ctx context.Context) error
}

// identity is who visitors are and what they may read.
type identity struct {
	authenticator web.Authenticator
	authorizer    channels.Authorizer
}

// newHub puts the hub together. visitors is nil for what the configuration says; ownBroker is the address of a
// broker of its own, empty for the configured one.
func newHub(ctx context.Context, cfg config.Config, visitors *identity, ownBroker string, log *slog.Logger) (*hub, error) {
	h := &hub{cfg: cfg, log: log, registry: newRegistry()}
	var err error
	if h.rules, err = rules(cfg); err != nil {
		return nil, err
	}
	if h.proxies, err = proxies(cfg); err != nil {
		return nil, err
	}
	if h.db, err = openStore(ctx, cfg); err != nil {
		return nil, err
	}
	if err := h.assemble(visitors, ownBroker); err != nil {
		return nil, errors.Join(err, h.db.Close())
	}
	return h, nil
}

func (h *hub) assemble(visitors *identity, ownBroker string) error {
	var err error
	h.fragments, err = fragments.Open(h.cfg.Templates.Dir, fragments.Options{Logger: h.log, Registerer: h.registry})
	if err != nil {
		return err
	}
	if h.audience, err = newAudience(h.cfg, h.registry, h.log); err != nil {
		return err
	}
	var viewers func(string) pushpin.Viewers
	if h.audience != nil {
		// A proxy that does not tell may have any number.
		all := len(h.cfg.Grip.Stats) >= len(grip.ControlPorts(h.proxies))
		viewers = func(channel string) pushpin.Viewers {
			v := h.audience.Viewers(channel)
			v.Sure = v.Sure && all
			return v
		}
	}
	h.client = newClient(h.cfg, h.proxies, h.db, h.fragments, viewers, h.registry, h.log)
	h.conflater = channels.NewConflater(h.client, h.rules, devices.StateKey)
	h.bell = &channels.Bell{}
	h.publisher = channels.NewPublisher(h.db, h.rules, channels.Sinks{h.conflater, h.bell}, now)
	registerEvents(h.registry, h.publisher, h.conflater)
	h.meter = newMeter(h.registry)
	asked, err := hooks(h.cfg, h.log)
	if err != nil {
		return err
	}
	h.publisher.SetHooks(asked)
	registerHooks(h.registry, asked)
	if h.subscribers, err = webhookSubscribers(h.cfg, h.rules, h.db, h.bell, h.log); err != nil {
		return err
	}
	registerSubscribers(h.registry, h.subscribers)
	h.recent = channels.NewRecent(h.db, recentBytes, now)
	reader := channels.NewReader(h.recent, h.rules)
	sealer, err := sealer(h.cfg)
	if err != nil {
		return err
	}
	if visitors == nil {
		visitors = &identity{}
		if visitors.authenticator, visitors.authorizer, err = authentication(h.cfg, h.rules, reader, h.log); err != nil {
			return err
		}
	}
	keys, err := publishKeys(h.cfg)
	if err != nil {
		return err
	}
	options := web.Options{
		Log:             h.db,
		Records:         h.db,
		Reader:          reader,
		Horizon:         h.client.Horizon,
		Publisher:       h.meter.of(sourceHTTP, h.publisher),
		Registry:        h.db,
		Authenticator:   visitors.authenticator,
		Authorizer:      visitors.authorizer,
		Sealer:          sealer,
		Verifier:        grip.NewVerifier(h.proxies),
		RequireProxy:    h.cfg.Grip.RequireProxy,
		Fragments:       h.fragments,
		Prefix:          h.cfg.Grip.Prefix,
		Stream:          streamOptions(h.cfg),
		Routes:          streamRoutes(h.cfg),
		CORS:            web.CORS{Origins: h.cfg.CORS.Origins, Credentials: h.cfg.CORS.Credentials, Headers: h.cfg.CORS.Headers},
		PublishKeys:     keys,
		UserPublishRate: web.PublishRate{Events: h.cfg.Publish.UserRate, Burst: h.cfg.Publish.UserBurst},
		Registerer:      h.registry,
		AssetsDir:       h.cfg.Assets.Dir,
		Logger:          h.log,
		AccessLog:       h.cfg.Log.Access,
		Now:             now,
		Editor:          h.db,
		Moments:         h.db,
	}
	if h.audience != nil {
		options.Audience = h.audience
	}
	if h.cfg.MQTT.URL != "" {
		if err := h.connect(ownBroker); err != nil {
			return err
		}
		if h.courier, err = newCourier(h.cfg); err != nil {
			h.log.Warn("devices get no commands", "error", err)
			h.courier = nil
		} else {
			options.Commander = devices.NewCommander(options.Reader, options.Publisher, h.db, h.courier, now)
		}
	}
	if options.Admin, err = h.admin(options); err != nil {
		return err
	}
	h.web, err = web.NewServer(options)
	return err
}

// connect makes the source of messages: a session at the configured broker, or the hub's own broker at the
// address ownBroker.
func (h *hub) connect(ownBroker string) error {
	topics, err := bridgeConfig(h.cfg)
	if err != nil {
		return err
	}
	processor := devices.NewProcessor(h.meter.of(sourceMQTT, h.publisher), h.db, devices.Options{
		Unknown:   unknownDevices(h.cfg),
		KeepState: h.fragments.HasType,
	})
	watchman, err := newWatchman(h.cfg, h.audience, h.db, h.log)
	if err != nil {
		return err
	}
	if ownBroker != "" {
		h.source, err = newDevBroker(ownBroker, topics.Rules, processor, h.db, watchman, h.monitor, h.log)
	} else {
		h.source, err = newElectedBridge(topics, processor, h.db, watchman, h.monitor, h.log)
	}
	if err != nil {
		return err
	}
	registerSource(h.registry, h.source)
	registerProcessor(h.registry, processor)
	return nil
}

// monitor returns the monitor of the devices that the source brings messages of.
func (h *hub) monitor(source devices.Source) *devices.Monitor {
	return devices.NewMonitor(source, h.db, devices.MonitorOptions{
		Overdue: time.Duration(float64(h.cfg.Devices.Heartbeat) * h.cfg.Devices.Grace), Logger: h.log, Now: now,
	})
}

// newClient returns the client of the proxies' control ports. viewers may be nil.
func newClient(cfg config.Config, proxies []grip.Proxy, events channels.Log, html *fragments.Library, viewers func(string) pushpin.Viewers,
	registry prometheus.Registerer, log *slog.Logger,
) *pushpin.Client {
	watched := func(channel string) bool { return viewers == nil || viewers(channel).Watched() }
	return pushpin.NewClient(grip.ControlPorts(proxies), pushpin.Options{
		Render: func(dst []grip.Item, e *channels.Event) []grip.Item {
			dst = e.AppendCompositeItems(e.AppendItems(dst, cfg.Grip.Prefix), cfg.Grip.Prefix, watched)
			dst = e.AppendBatchItems(dst, cfg.Grip.Prefix, watched)
			return html.AppendItems(dst, e, cfg.Grip.Prefix, watched)
		},
		Log: events,
		Place: func(item *grip.Item) (channels.Position, bool) {
			return channels.PlaceOf(item, cfg.Grip.Prefix)
		},
		Reset: func(dst []grip.Item, channel string) []grip.Item {
			return channels.AppendResetItem(dst, channel, cfg.Grip.Prefix)
		},
		Merge: func(items []grip.Item) []byte {
			if items[0].HTTPStream == nil {
				return channels.MergeBatches(items)
			}
			return channels.MergeStreams(items, cfg.Grip.Prefix)
		},
		Viewers:         viewers,
		WritesPerSecond: cfg.Grip.Writes,
		Registerer:      registry,
		Logger:          log,
	})
}

// ports are what the user calls the hub's ports, for errors about them.
type ports struct{ listen, ops string }

// stages are the hub's parts in the order in which they start.
func (h *hub) stages(names ports) ([]stage, error) {
	backend, err := httpStage("backend", h.cfg.Listen, names.listen, h.web, h.log)
	if err != nil {
		return nil, err
	}
	ops, err := httpStage("ops", h.cfg.OpsListen, names.ops, h.ops(), h.log)
	if err != nil {
		return nil, err
	}
	list := []stage{
		{name: "publishing to the proxies", run: h.client.Run},
		{name: "conflation", run: h.conflater.Run},
		{name: "publisher", run: h.publisher.Run},
		{name: "trimming", run: h.trim},
		ops, backend,
	}
	if h.audience != nil {
		list = append(list, stage{name: "presence", run: h.audience.Run})
	}
	if len(h.subscribers) > 0 {
		elected := &electedSubscribers{list: h.subscribers, db: h.db, log: h.log}
		list = append(list,
			stage{name: "watching the log", run: func(ctx context.Context) error { return h.db.Watch(ctx, h.bell.Ring) }},
			stage{name: "subscribers", run: elected.Run})
	}
	if h.source != nil {
		list = append(list, stage{name: "MQTT", run: h.source.Run})
	}
	if h.courier != nil {
		list = append(list, stage{name: "commands", run: func(ctx context.Context) error { return h.courier.run(ctx, h.log) }})
	}
	return list, nil
}

// recentBytes bounds what is remembered of the log for viewers who come back.
const recentBytes = 8 << 20

const (
	trimFirst    = 5 * time.Second // a hub that is restarted often trims as well
	trimInterval = time.Minute
)

// trim deletes what rules no longer keep, until ctx ends.
func (h *hub) trim(ctx context.Context) error {
	trimmer := channels.Trimmer{Log: h.recent, Keep: h.rules.Retention, Now: now}
	timer := time.NewTimer(trimFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if err := trimmer.Pass(ctx); err != nil && ctx.Err() == nil {
			h.log.Error("trim the log", "error", err)
		}
		timer.Reset(trimInterval)
	}
}
