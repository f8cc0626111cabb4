package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
)

// examineProxies examines each proxy: its control port, its configuration where it is on this machine, and the way of a
// viewer through it.
func (d *examination) examineProxies(ctx context.Context, r *Report) {
	b := d.findBackend(ctx, r)
	defer b.close()
	for i, p := range d.Proxies {
		c := &proxyCheck{
			examination: d, Report: r, backend: b, proxy: p, index: i, name: "proxy " + hostOf(p),
		}
		c.examine(ctx)
	}
	if len(d.ViewerURLs) > len(d.Proxies) {
		r.Warn("proxy", fmt.Sprintf("--proxy-url is given %d times for %d of grip.urls", len(d.ViewerURLs), len(d.Proxies)), "give it once for each proxy")
	}
}

// A proxyCheck is the examination of one proxy.
type proxyCheck struct {
	*examination
	*Report
	backend *backend
	proxy   grip.Proxy
	index   int // in grip.urls
	name    string
	// settings are those of the Pushpin on this machine, nil where they cannot be seen.
	settings *pushpinSettings
}

func (c *proxyCheck) examine(ctx context.Context) {
	if !c.controlPort(ctx) {
		return
	}
	c.viewers(ctx)
}

// url is how the report calls the proxy's entry in the configuration.
func (c *proxyCheck) key() string { return fmt.Sprintf("grip.urls[%d]", c.index) }

// controlPort tells whether the proxy takes items.
func (c *proxyCheck) controlPort(ctx context.Context) bool {
	check := c.name + " control port"
	e, err := pushpin.Examine(ctx, c.proxy, c.Config.Grip.Prefix+"griphub-doctor")
	switch {
	case errors.Is(err, pushpin.ErrKeyRefused):
		c.Fail(check, err.Error(), "set iss and key of "+c.key()+" to what the proxy accepts; for Fastly, key is an API token of the service")
	case errors.Is(err, pushpin.ErrNoControlPort):
		c.Fail(check, err.Error(), "let "+c.key()+" name the HTTP control port, for Pushpin push_in_http_port (5561), not the port for browsers")
	case err != nil:
		c.Fail(check, err.Error(), "start the proxy, or correct "+c.key()+"; Pushpin listens there when pushpin.conf has push_in_http_port and a push_in_http_addr that this machine reaches")
	case e.Pushpin && e.Recovers:
		c.OK(check, "Pushpin, takes events, and can make viewers ask for what they missed")
	case e.Pushpin:
		c.Warn(check, "Pushpin takes events, and cannot make viewers ask for what they missed (POST /recover)", "install Pushpin 1.36 or later")
	case !e.Hints:
		c.Warn(check, "takes events and no hints: its long polls and kicks wait for their time", "use streams or WebSockets there, and see docs/fastly.md")
	case isFastly(c.proxy):
		c.OK(check, "Fastly Fanout takes events")
	default:
		c.OK(check, "takes events, and is neither Pushpin nor Fastly")
	}
	if e.Dated {
		c.clock("the clock of "+hostOf(c.proxy), e.Ahead)
	}
	if e.Pushpin {
		c.configuration(ctx)
	}
	return err == nil
}

func isFastly(p grip.Proxy) bool { return hostname(p) == "api.fastly.com" }
