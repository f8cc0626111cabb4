package doctor

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
	"github.com/griphub/griphub/pushpin"
	"github.com/griphub/griphub/web"
)

// viewers goes the way of a browser: through the proxy to the backend, and back with events.
func (c *proxyCheck) viewers(ctx context.Context) {
	address, given := c.viewerURL(ctx)
	check := c.name + " viewers"
	switch {
	case !c.backend.serving && c.backend.standIn == nil:
		c.Warn(check, "not tested, as griphub does not answer", "see the check of the backend")
		return
	case address == "":
		c.Warn(check, "not tested: where browsers connect is not known", "give the public address with --proxy-url")
		return
	}
	v := c.newViewing(address)
	first, err := v.open(ctx)
	if errors.Is(err, errNoAnswer) {
		// Requests that come in the moments after Pushpin's start are never answered.
		first, err = v.open(ctx)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED) && !given:
		c.Warn(check, fmt.Sprintf("not tested: nobody answers at %s", address), "give the public address with --proxy-url")
		return
	case err != nil && !errors.Is(err, errNotPermitted):
		c.Fail(check, fmt.Sprintf("%s: %v", address, err), c.routeCure(err))
		return
	}
	c.OK(check, "a stream that a browser opens at %s reaches griphub", address)
	c.signature()
	if err != nil {
		c.Warn(c.name+" events", "not tested: "+err.Error(), c.routeCure(err))
		return
	}
	first.close()
	c.events(ctx, v)
}

// viewerURL is the address where browsers connect to the proxy.
func (c *proxyCheck) viewerURL(ctx context.Context) (address string, given bool) {
	if c.index < len(c.ViewerURLs) {
		return strings.TrimSuffix(c.ViewerURLs[c.index], "/"), true
	}
	if c.settings != nil {
		if address := c.settings.viewerURL(); address != "" {
			return address, false
		}
	}
	if len(c.Proxies) == 1 && strings.HasPrefix(c.proxy.ControlURI, "http://") && isLocal(ctx, hostname(c.proxy)) {
		return "http://" + pushpin.DefaultListen, false
	}
	return "", false
}

// Why a stream does not open.
var (
	errNoAnswer     = fmt.Errorf("no answer within %s", answerPatience)
	errNotHeld      = errors.New("the proxy cannot hold streams")
	errNotRouted    = errors.New("the proxy cannot reach griphub")
	errNotOurs      = errors.New("another backend answers")
	errNotSigned    = errors.New("griphub does not accept the proxy's signature")
	errNoProxy      = errors.New("there is no GRIP proxy on the way: its instructions come through to the browser")
	errHeldBack     = errors.New("the stream's beginning does not arrive: something on the way holds it back")
	errNotPermitted = errors.New("griphub refuses the doctor's stream, as it does not know who asks")
)

// routeCure says what to change where a viewer does not get through.
func (c *proxyCheck) routeCure(err error) string {
	routes, conf := "the routes file", "pushpin.conf"
	if c.settings != nil {
		routes, conf = c.settings.routesFile(), c.settings.file
	}
	target := dialAddress(c.Config.Listen)
	switch {
	case errors.Is(err, errNotHeld):
		return "run the doctor again if Pushpin has just started, else restart it and see in its log what is wrong with pushpin-handler"
	case errors.Is(err, errNotRouted):
		return fmt.Sprintf("let %s send requests to griphub with the line \"* %s,over_http\", and see that zurl runs (Pushpin before 1.40 sends requests through it)", routes, target)
	case errors.Is(err, errNotOurs):
		return fmt.Sprintf("let %s send requests to griphub with the line \"* %s,over_http\"", routes, target)
	case errors.Is(err, errNotSigned):
		return fmt.Sprintf("set key in %s to the sig_key of %s, and restart griphub; if they are the same, compare the clocks", c.key(), conf)
	case errors.Is(err, errNoProxy):
		return "let browsers connect to the proxy and not to griphub, and --proxy-url name that address"
	case errors.Is(err, errHeldBack):
		return "turn off buffering in what stands before the proxy, in nginx with proxy_buffering off"
	case errors.Is(err, errNotPermitted):
		return "to test it, let a rule in channels make griphub-doctor-** public"
	}
	return "start the proxy, or correct --proxy-url"
}

// signature reports whether griphub knows the proxy by its signature, as far as that shows.
func (c *proxyCheck) signature() {
	check := c.name + " signature"
	if c.backend.standIn == nil {
		if c.Config.Grip.RequireProxy && grip.NewVerifier(c.Proxies).SignatureRequired() {
			c.OK(check, "griphub accepts the proxy's Grip-Sig")
		}
		return
	}
	err := c.backend.standIn.lastSignature()
	conf := "pushpin.conf"
	if c.settings != nil {
		conf = c.settings.file
	}
	switch {
	case err == nil:
		c.OK(check, "griphub accepts the proxy's Grip-Sig")
	case errors.Is(err, grip.ErrNoSig):
		c.Fail(check, "requests come without a Grip-Sig", "set sig_key in "+conf+" and key in "+c.key()+" to the same secret, and restart both")
	case errors.Is(err, grip.ErrSigExpired):
		c.Fail(check, "the proxy's Grip-Sig has expired when it comes: its clock is far behind", "run an NTP service on both machines, such as chrony")
	default:
		c.Fail(check, fmt.Sprintf("griphub does not accept the proxy's Grip-Sig (%v)", err), "set key in "+c.key()+" to the sig_key of "+conf+", and restart griphub")
	}
}

// A viewing is where streams are opened, and with which rights.
type viewing struct {
	*proxyCheck
	address string
}

func (c *proxyCheck) newViewing(address string) *viewing { return &viewing{c, address} }

// header is what the doctor's requests carry: a token of its own, where it can make one.
func (v *viewing) header(channel channels.Channel) http.Header {
	h := http.Header{}
	if s := v.backend.standIn; s != nil {
		h.Set(standInHeader, s.token)
		return h
	}
	j := v.Config.Auth.JWT
	secret, err := j.Secret.Bytes()
	if v.Config.Auth.Mode != "jwt" || j.Algorithm != "HS256" || err != nil || len(secret) == 0 {
		return h
	}
	claims := web.Claims{Channels: []string{string(channel)}}
	claims.Subject, claims.Issuer = "griphub-doctor", j.Issuer
	if j.Audience != "" {
		claims.Audience = jwt.Audience{j.Audience}
	}
	claims.IssuedAt, claims.Expiry = jwt.NewNumericDate(time.Now()), jwt.NewNumericDate(time.Now().Add(time.Minute))
	if text, err := claims.Sign(secret); err == nil {
		h.Set("Authorization", "Bearer "+text)
	}
	return h
}

// open opens a stream of a channel that nobody else has.
func (v *viewing) open(ctx context.Context) (*doctorStream, error) {
	return v.openChannel(ctx, v.newChannel())
}

func (v *viewing) newChannel() channels.Channel {
	return channels.Channel("griphub-doctor-" + strings.ToLower(rand.Text()))
}

func (v *viewing) openChannel(ctx context.Context, channel channels.Channel) (*doctorStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	resp, err := openPage(ctx, v.address+"/events/"+string(channel), v.header(channel)) //nolint:bodyclose // doctorStream.close does
	if err != nil {
		cancel()
		return nil, plainError(err)
	}
	s := &doctorStream{lines: bufio.NewScanner(resp.Body), body: resp.Body, cancel: cancel}
	if err := v.judge(resp); err != nil {
		s.close()
		return nil, err
	}
	late := time.AfterFunc(answerPatience, cancel)
	defer late.Stop()
	if err := s.awaitOpening(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// judge tells by its headers whether an answer is griphub's, through a proxy.
func (v *viewing) judge(resp *http.Response) error {
	standIn := v.backend.standIn
	switch {
	case resp.StatusCode == http.StatusBadGateway:
		return fmt.Errorf("%w (status 502)", errNotRouted)
	case resp.StatusCode == http.StatusInternalServerError && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain"):
		// Pushpin's own answer; griphub's is of another type.
		return fmt.Errorf("%w (status 500)", errNotHeld)
	case resp.Header.Get(grip.HeaderHold) != "" || resp.Header.Get(grip.HeaderChannel) != "":
		return errNoProxy
	case standIn != nil && resp.Header.Get(standInHeader) == standIn.token:
		return nil
	case standIn == nil && refusedAsNotProxied(resp):
		return fmt.Errorf("%w (status 501)", errNotSigned)
	case standIn == nil && resp.StatusCode == http.StatusOK && isEventStream(resp):
		return nil
	}
	return fmt.Errorf("%w (status %d, %s)", errNotOurs, resp.StatusCode, cmp.Or(resp.Header.Get("Content-Type"), "no content type"))
}

// A doctorStream is a stream of the doctor's own.
type doctorStream struct {
	lines  *bufio.Scanner
	body   io.Closer
	cancel context.CancelFunc
}

func (s *doctorStream) close() {
	s.cancel()
	_ = s.body.Close()
}

// Events that tell how a stream does.
const (
	streamOpen  = "stream-open"
	streamError = "stream-error"
	streamReset = "stream-reset"
	probeEvent  = "griphub-doctor"
)

// next returns the type of the next event; ok is false at the end.
func (s *doctorStream) next() (event string, ok bool) {
	for s.lines.Scan() {
		if event, ok := strings.CutPrefix(s.lines.Text(), "event: "); ok {
			return event, true
		}
	}
	return "", false
}

func (s *doctorStream) awaitOpening() error {
	event, ok := s.next()
	switch {
	case !ok:
		return errHeldBack
	case event == streamError:
		return errNotPermitted
	case event != streamOpen:
		return fmt.Errorf("%w: its streams begin with %q", errNotOurs, event)
	}
	return nil
}

// plainError takes the address out of an error: the report says it already.
func plainError(err error) error {
	if os.IsTimeout(err) {
		return errNoAnswer
	}
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		return inURL.Err
	}
	return err
}
