package grip

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ControlTokenTTL is how long a control-port token that [Proxy.Authorization]
// makes is valid. It leaves room for clocks that differ between machines.
const ControlTokenTTL = time.Hour

// Proxy is where one GRIP proxy is published to, and how its signatures are
// known. The zero Proxy names no control port and has no keys.
//
// Printing, logging or marshalling a Proxy shows neither keys nor password.
type Proxy struct {
	// ControlURI is the base of the control port: scheme, host, path without
	// a trailing slash, and any query parameters that are not GRIP's own.
	ControlURI string

	// Issuer is the iss claim of control-port tokens. It needs a Key.
	Issuer string

	// Key authorises publishing: it signs tokens where Issuer is set, and is
	// itself the bearer token where not. A symmetric Key also verifies
	// Grip-Sig, unless VerifyKey is set.
	Key Key

	// VerifyIssuer is the iss claim that Grip-Sig must carry; empty accepts
	// any issuer.
	VerifyIssuer string

	// VerifyKey verifies Grip-Sig; the zero Key leaves that to Key.
	VerifyKey Key

	// Behind a pointer, so that no formatting of an enclosing value prints it.
	basic *basicAuth
}

type basicAuth struct{ user, password string }

// ParseURL reads a GRIP_URL:
//
//	scheme://[user:password@]host[:port]/path?iss=…&key=…&verify-iss=…&verify-key=…
//
// The four parameters are GRIP's and are taken out; others stay part of the
// control URI. Keys are read by [ParseKey]. A service of Fastly Fanout,
// https://api.fastly.com/service/ID?key=TOKEN, has [FastlyKey] and the issuer
// fastly:ID unless others are given. Errors never repeat the text that was
// given, since it holds secrets.
func ParseURL(s string) (Proxy, error) {
	p, err := parseURL(s)
	if err != nil {
		return Proxy{}, fmt.Errorf("GRIP URL: %w", err)
	}
	return p, nil
}

func parseURL(s string) (Proxy, error) {
	// url.Parse quotes its input in its errors, so none of them is passed on.
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		return Proxy{}, errors.New("not a valid URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return Proxy{}, errors.New("scheme must be http or https")
	case u.Hostname() == "":
		return Proxy{}, errors.New("no host")
	case u.Fragment != "":
		return Proxy{}, errors.New("a fragment has no meaning here")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Proxy{}, errors.New("malformed query")
	}

	var p Proxy
	if err := p.takeParameters(query); err != nil {
		return Proxy{}, err
	}
	if u.User != nil {
		password, _ := u.User.Password()
		p.basic = &basicAuth{user: u.User.Username(), password: password}
	}
	p.ControlURI = u.Scheme + "://" + u.Host + strings.TrimSuffix(u.EscapedPath(), "/")
	if len(query) > 0 {
		p.ControlURI += "?" + query.Encode()
	}
	if err := p.completeFastly(u); err != nil {
		return Proxy{}, err
	}
	return p, nil
}

// takeParameters moves GRIP's own parameters from query into p.
func (p *Proxy) takeParameters(query url.Values) error {
	var err error
	if p.Issuer, _, err = take(query, "iss"); err != nil {
		return err
	}
	if p.VerifyIssuer, _, err = take(query, "verify-iss"); err != nil {
		return err
	}
	if p.Key, err = takeKey(query, "key"); err != nil {
		return err
	}
	if p.VerifyKey, err = takeKey(query, "verify-key"); err != nil {
		return err
	}
	switch {
	case p.Issuer != "" && p.Key.IsZero():
		// Publishing unauthenticated would look like success until the proxy is asked to check.
		return errors.New("iss is given without key")
	case p.Issuer != "" && !p.Key.CanSign():
		return errors.New("key is a public key and cannot sign tokens for iss")
	case p.Issuer == "" && !p.Key.IsZero() && !p.Key.Symmetric():
		return errors.New("key is an asymmetric key and needs iss")
	}
	return nil
}

// take removes a parameter that may be given once.
func take(query url.Values, name string) (value string, given bool, err error) {
	values, given := query[name]
	if len(values) > 1 {
		return "", true, fmt.Errorf("%s is given %d times", name, len(values))
	}
	delete(query, name)
	if !given {
		return "", false, nil
	}
	return values[0], true, nil
}

func takeKey(query url.Values, name string) (Key, error) {
	value, given, err := take(query, name)
	if err != nil || !given {
		return Key{}, err
	}
	key, err := ParseKey(value)
	if err != nil {
		return Key{}, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// ControlPorts returns the proxies to publish to: the first of those that have a control port in common. While a
// proxy's key is changed it has two entries, so that signatures by either key are verified.
func ControlPorts(proxies []Proxy) []Proxy {
	var distinct []Proxy
	for _, p := range proxies {
		if !slices.ContainsFunc(distinct, func(other Proxy) bool { return other.ControlURI == p.ControlURI }) {
			distinct = append(distinct, p)
		}
	}
	return distinct
}

// PublishURL is where items are posted. The path ends in a slash, which
// Fastly requires and Pushpin accepts.
func (p Proxy) PublishURL() string { return p.endpoint("/publish/") }

// RecoverURL is where a POST makes the proxy forget its channel positions, so
// that every holder asks again. Fastly Fanout has no such endpoint.
func (p Proxy) RecoverURL() string { return p.endpoint("/recover") }

// endpoint extends the path, which ends before any query.
func (p Proxy) endpoint(path string) string {
	base, query, hasQuery := strings.Cut(p.ControlURI, "?")
	base = strings.TrimSuffix(base, "/") + path
	if hasQuery {
		base += "?" + query
	}
	return base
}

// Authorization is the value of the Authorization header for a request to the
// control port, or "" when there is nothing to authorise with. Issuer and Key
// make a signed token that expires [ControlTokenTTL] after now; a Key alone is
// the token; user and password of the URL make Basic authentication, which a
// Key takes the place of.
func (p Proxy) Authorization(now time.Time) (string, error) {
	switch {
	case p.Issuer != "":
		token, err := p.Key.Sign(p.Issuer, now.Add(ControlTokenTTL))
		if err != nil {
			return "", fmt.Errorf("control-port token: %w", err)
		}
		return "Bearer " + token, nil
	case !p.Key.IsZero():
		token, err := p.Key.bearer()
		if err != nil {
			return "", fmt.Errorf("control-port token: %w", err)
		}
		return "Bearer " + token, nil
	case p.basic != nil:
		pair := p.basic.user + ":" + p.basic.password
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)), nil
	}
	return "", nil
}

// String is the proxy's address with everything that could be secret
// replaced: password, keys, and the values of parameters that are not GRIP's.
func (p Proxy) String() string {
	base, query, _ := strings.Cut(p.ControlURI, "?")
	var b strings.Builder
	if scheme, rest, ok := strings.Cut(base, "://"); ok && p.basic != nil {
		b.WriteString(scheme + "://REDACTED@" + rest)
	} else {
		b.WriteString(base)
	}
	sep := "?"
	add := func(name, value string) {
		b.WriteString(sep + name + "=" + value)
		sep = "&"
	}
	for name := range strings.SplitSeq(query, "&") {
		if name, _, _ = strings.Cut(name, "="); name != "" {
			add(name, "REDACTED")
		}
	}
	if p.Issuer != "" {
		add("iss", url.QueryEscape(p.Issuer))
	}
	if !p.Key.IsZero() {
		add("key", "REDACTED")
	}
	if p.VerifyIssuer != "" {
		add("verify-iss", url.QueryEscape(p.VerifyIssuer))
	}
	if !p.VerifyKey.IsZero() {
		add("verify-key", "REDACTED")
	}
	return b.String()
}

// GoString is [Proxy.String], so that %#v shows no secret either.
func (p Proxy) GoString() string { return p.String() }

// LogValue is [Proxy.String], for slog.
func (p Proxy) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText is [Proxy.String], for JSON and YAML dumps of configuration.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
