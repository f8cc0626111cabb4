package main

import (
	"context"
	"net/http"
	"net/url"

	"github.com/griphub/griphub/web"
	"github.com/griphub/griphub/web/admin"
)

// admin returns the pages for administrators, over what the server has.
func (h *hub) admin(of web.Options) (http.Handler, error) {
	options := admin.Options{
		Log: of.Log, Records: of.Records, Overview: h.db, Publisher: of.Publisher, Rules: h.rules, Registry: of.Registry, Editor: of.Editor,
		Commander: of.Commander, Audience: of.Audience, Authenticator: of.Authenticator, Sealer: of.Sealer,
		Health: h.health, Metrics: h.registry, Logger: of.Logger, Now: of.Now,
	}
	if _, tokens := of.Authenticator.(web.JWT); tokens {
		options.Cookie = h.cfg.Auth.Cookie
	}
	return admin.New(options)
}

// health is how the proxies and the broker do, as administrators see it.
func (h *hub) health() admin.Health {
	var health admin.Health
	for _, s := range h.client.Status() {
		p := admin.Proxy{
			Name: withoutSecrets(s.Proxy), State: s.State.String(), Since: s.Since, QueuedItems: s.QueuedItems, QueuedBytes: s.QueuedBytes,
			Sent: s.Sent, Rejected: s.Rejected, Dropped: s.Dropped, Requests: s.Requests, Failures: s.Failures, Repairs: s.Repairs,
		}
		if s.Err != nil {
			p.Error = s.Err.Error()
		}
		health.Proxies = append(health.Proxies, p)
	}
	if h.source != nil {
		health.Broker = admin.Broker{Address: withoutSecrets(string(h.cfg.MQTT.URL)), Connected: h.source.Connected()}
		if err := h.source.Err(); err != nil {
			health.Broker.Error = err.Error()
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyPatience)
	defer cancel()
	if err := h.readiness(ctx); err != nil {
		health.Problem = err.Error()
	}
	return health
}

// withoutSecrets is the address without whoever it names.
func withoutSecrets(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an address that cannot be read"
	}
	u.User, u.RawQuery = nil, ""
	return u.String()
}
