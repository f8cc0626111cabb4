package main

import (
	"cmp"
	"fmt"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/cmd/griphub/config"
	"github.com/griphub/griphub/devices"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/mqttbridge"
	"github.com/griphub/griphub/mqttbridge/decode"
	"github.com/griphub/griphub/web"
)

// What follows turns configuration, which is text and numbers, into what each package asks for.

func proxies(cfg config.Config) ([]grip.Proxy, error) {
	list := make([]grip.Proxy, 0, len(cfg.Grip.URLs))
	for i, text := range cfg.Grip.URLs {
		p, err := grip.ParseURL(string(text))
		if err != nil {
			return nil, fmt.Errorf("grip.urls[%d]: %w", i, err)
		}
		list = append(list, p)
	}
	return list, nil
}

func rules(cfg config.Config) (channels.Rules, error) {
	list := make(channels.Rules, 0, len(cfg.Channels))
	for i, c := range cfg.Channels {
		match, err := channels.ParsePattern(c.Match)
		if err != nil {
			return nil, fmt.Errorf("channels[%d].match: %w", i, err)
		}
		rule := channels.Rule{
			Match:     match,
			Read:      channels.Access(c.Read),
			Unstored:  !c.Reliable,
			Retention: channels.Retention{Age: c.Retention, Count: c.Keep},
			Shared:    c.Shared,
		}
		if c.Class == "state" {
			rule.MaxRate = c.MaxRate
		}
		list = append(list, rule)
	}
	return list, nil
}

func topicRules(cfg config.Config) (mqttbridge.Rules, error) {
	list := make([]mqttbridge.Rule, 0, len(cfg.MQTT.Topics))
	for i, t := range cfg.MQTT.Topics {
		var kind devices.Kind
		var err error
		if t.Kind != "" || !decode.Placing(t.Decoder) {
			kind, err = devices.ParseKind(t.Kind)
		}
		if err != nil {
			return mqttbridge.Rules{}, fmt.Errorf("mqtt.topics[%d].kind: %w", i, err)
		}
		list = append(list, mqttbridge.Rule{Topic: t.Topic, Kind: kind, Type: t.Type, Decoder: t.Decoder, ID: t.ID})
	}
	return mqttbridge.ParseRules(list)
}

func unknownDevices(cfg config.Config) devices.Unknown {
	switch cfg.Devices.Unknown {
	case "ignore":
		return devices.IgnoreUnknown
	case "dead-letter":
		return devices.RefuseUnknown
	}
	return devices.RegisterUnknown
}

func streamRoutes(cfg config.Config) []web.StreamRoute {
	list := make([]web.StreamRoute, len(cfg.Streams))
	for i, s := range cfg.Streams {
		list[i] = web.StreamRoute{Path: s.Path, Channels: s.Channels}
	}
	return list
}

func streamOptions(cfg config.Config) web.StreamOptions {
	return web.StreamOptions{
		MaxChannels:       cfg.Stream.MaxChannels,
		KeepAlive:         cfg.Stream.Keepalive,
		DeviceKeepAlive:   cfg.Stream.DeviceKeepalive,
		RealtimeKeepAlive: cfg.Stream.RealtimeKeepalive,
		Recheck:           cfg.Stream.Recheck,
	}
}

func sealer(cfg config.Config) (*web.Sealer, error) {
	secrets := []string{}
	for _, s := range []config.Secret{cfg.Secret, cfg.SecretPrevious} {
		raw, err := s.Bytes()
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		if len(raw) > 0 {
			secrets = append(secrets, string(raw))
		}
	}
	return web.NewSealer(secrets...)
}

func publishKeys(cfg config.Config) ([]web.PublishKey, error) {
	keys := make([]web.PublishKey, len(cfg.Publish.Keys))
	for i, k := range cfg.Publish.Keys {
		digest, err := k.Key.SHA256()
		if err != nil {
			return nil, fmt.Errorf("publish.keys[%d].key: %w", i, err)
		}
		patterns, err := web.ParsePatterns(k.Channels)
		if err != nil {
			return nil, fmt.Errorf("publish.keys[%d].channels: %w", i, err)
		}
		keys[i] = web.PublishKey{
			// A part of the digest tells keys apart and opens nothing.
			Name:   cmp.Or(k.Name, fmt.Sprintf("key-%x", digest[:4])),
			Digest: digest, Channels: patterns, Rate: web.PublishRate{Events: k.Rate, Burst: k.Burst},
		}
	}
	return keys, nil
}
