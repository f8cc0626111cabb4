package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

// A backend is what the proxies' requests go to while the doctor looks: the griphub serve that runs, or the doctor itself in
// its place.
type backend struct {
	// serving tells that griphub serve answers.
	serving bool
	// standIn answers instead of it; nil where it runs, or the address cannot be used.
	standIn *standIn
}

// answerPatience bounds the wait for an answer's headers.
const answerPatience = 5 * time.Second

// findBackend finds out who answers at the address that the proxies' requests go to, and answers itself if nobody does.
func (d *examination) findBackend(ctx context.Context, r *Report) *backend {
	const check = "backend"
	address := dialAddress(d.Config.Listen)
	resp, err := openPage(ctx, "http://"+address+"/events/griphub-doctor", nil)
	if err == nil {
		resp.Body.Close()
		// A stream that is asked for without a proxy is refused, or answered with instructions for one.
		if !refusedAsNotProxied(resp) && resp.Header.Get(grip.HeaderHold) == "" && !isEventStream(resp) {
			r.Fail(check, fmt.Sprintf("%s answers, and is not griphub (status %d)", address, resp.StatusCode),
				"stop what listens there, or choose another address with listen")
			return &backend{}
		}
		d.examineReadiness(ctx, r, address)
		return &backend{serving: true}
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		r.Fail(check, fmt.Sprintf("%s does not answer: %v", address, err), "restart griphub serve, or correct listen")
		return &backend{}
	}
	s, err := startStandIn(ctx, d.Config.Listen, grip.NewVerifier(d.Proxies), d.Config.Grip.Prefix)
	if err != nil {
		r.Fail(check, err.Error(), "correct listen")
		return &backend{}
	}
	r.OK(check, "griphub serve does not run; %s is free, and the doctor answers there for the moment", d.Config.Listen)
	return &backend{standIn: s}
}

func (b *backend) close() {
	if b.standIn != nil {
		b.standIn.close()
	}
}

// dialAddress is where an address to listen on is reached from this machine.
func dialAddress(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return listen
}

// examineReadiness asks a running serve whether it can do its work.
func (d *examination) examineReadiness(ctx context.Context, r *Report, address string) {
	const check = "backend"
	resp, err := openPage(ctx, "http://"+dialAddress(d.Config.OpsListen)+"/readyz", nil)
	if err != nil {
		r.Warn(check, fmt.Sprintf("griphub serves on %s, and its readyz on %s does not answer: %v", address, d.Config.OpsListen, err),
			"run the doctor with the configuration that griphub runs with")
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		const enough = 500
		why, _ := io.ReadAll(io.LimitReader(resp.Body, enough)) // what there is of it
		r.Warn(check, fmt.Sprintf("griphub serves on %s and is not ready: %s", address, strings.TrimSpace(string(why))), "see the checks that FAIL")
		return
	}
	r.OK(check, "griphub serves on %s and is ready", address)
}

// openPage asks for a page. The caller closes the body; ctx bounds it.
func openPage(ctx context.Context, address string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true, ResponseHeaderTimeout: answerPatience},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return client.Do(req)
}

func isEventStream(resp *http.Response) bool {
	return strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream")
}

// refusedAsNotProxied tells whether griphub has answered that a request did not come through a proxy that it knows.
func refusedAsNotProxied(resp *http.Response) bool {
	return resp.StatusCode == http.StatusNotImplemented && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/problem+json")
}

// A standIn answers on griphub's address while griphub does not run. It holds the doctor's own streams, whatever their
// signature, and remembers what was wrong with it; viewers are told to come back.
type standIn struct {
	server *http.Server
	// token marks the answers, so that the doctor knows them from another backend's.
	token    string
	verifier grip.Verifier
	prefix   string

	mu        sync.Mutex
	signature error // of the last request of the doctor's own
}

// standInHeader carries the token, in requests and answers.
const standInHeader = "Griphub-Doctor"

func startStandIn(ctx context.Context, address string, verifier grip.Verifier, prefix string) (*standIn, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &standIn{token: rand.Text(), verifier: verifier, prefix: prefix}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: answerPatience}
	go s.server.Serve(listener) //nolint:errcheck // it ends with close
	return s, nil
}

func (s *standIn) close() { _ = s.server.Close() }

// lastSignature is why the last request of the doctor's own did not count as the proxy's, nil where it did.
func (s *standIn) lastSignature() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signature
}

// ServeHTTP holds a stream of the channel that the path names.
func (s *standIn) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, isStream := strings.CutPrefix(r.URL.Path, "/events/")
	switch {
	case r.URL.Path == "/publish/":
		// As griphub: this is no control port.
		http.NotFound(w, r)
		return
	case !isStream, r.Header.Get(standInHeader) != s.token:
		w.Header().Set("Retry-After", "5")
		http.Error(w, "griphub does not run", http.StatusServiceUnavailable)
		return
	}
	s.mu.Lock()
	s.signature = s.verifier.Verify(r.Header.Get(grip.HeaderSig), time.Now())
	s.mu.Unlock()
	instruct := grip.Instruct{
		Hold: grip.Hold{Mode: grip.HoldStream},
		// The filters are those of web's holds, as items with other filters close a stream. Without a prev-id there
		// is no need of a next link.
		Channels: []grip.Channel{{
			Name:    s.prefix + channels.Channel(name).Grip(),
			Filters: []string{grip.FilterBuildID, grip.FilterSkipUsers},
		}},
		Meta: map[string]string{grip.MetaIDFormat: "doctor"},
	}
	if err := instruct.WriteHeader(w.Header()); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set(standInHeader, s.token)
	_, _ = io.WriteString(w, "event: "+streamOpen+"\ndata:\n\n")
}
