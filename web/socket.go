package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/grip"
)

const (
	// maxSocketBody bounds a batch of WebSocket events, and maxSocketReply what is answered, but for one message
	// that is larger by itself. The proxy's own bounds are 200,000 and 1,000,000 bytes, and of an answer of more than
	// 65,536 it may keep the rest until the client speaks again.
	maxSocketBody, maxSocketReply = 1 << 20, 60_000
	// minSocketRecheck is the shortest interval at which the proxy sends empty batches.
	minSocketRecheck = 20 * time.Second
)

func (s *Server) registerSockets(r gin.IRouter) {
	for path, chans := range map[string]selector{
		"/ws/iot/:type":     deviceChannel,
		"/ws/iot/:type/:id": deviceChannel,
		"/ws/events":        s.queryChannels,
		"/ws/user":          userDevices,
	} {
		r.POST(path, s.proxied, s.handle(func(c *gin.Context) error { return s.serveSocket(c, chans) }))
		r.GET(path, s.handle(func(*gin.Context) error {
			return &problem{status: http.StatusNotImplemented, code: "not-proxied",
				message: "WebSockets are served through a GRIP proxy, as WebSocket-over-HTTP; connect to the proxy's address."}
		}))
	}
}

// serveSocket answers a batch of events of one WebSocket connection. The connection is the proxy's: nothing
// is remembered from one batch to the next, and each batch is authorised anew.
func (s *Server) serveSocket(c *gin.Context, chans selector) error {
	if c.ContentType() != grip.TypeWSEvents {
		return &problem{status: http.StatusUnsupportedMediaType, code: "unsupported-media-type",
			message: "Want a batch of WebSocket events (" + grip.TypeWSEvents + ")."}
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, maxSocketBody))
	if err != nil {
		return badRequest("The batch of WebSocket events is too long or was cut off.")
	}
	events, err := grip.DecodeWSEvents(body)
	if err != nil {
		return badRequest("The batch of WebSocket events cannot be read.")
	}
	if s.guard.Check(c.Request) != nil {
		return crossOrigin()
	}
	// A wrong request is known before anyone asks who makes it.
	if _, err = chans(c.Request, channels.Principal{}); err != nil {
		return pollProblem(err)
	}
	sock := &socket{server: s, request: c.Request, response: c.Writer.Header(), selects: chans}
	if sock.form, err = socketForm(c.Request); err != nil {
		return pollProblem(err)
	}
	if strings.HasPrefix(c.FullPath(), "/ws/iot/") {
		if sock.snapshots, err = asksForSnapshot(c.Request); err != nil {
			return pollProblem(err)
		}
	}
	if err := sock.answer(events); err != nil {
		return err
	}
	reply, err := grip.EncodeWSEvents(sock.events())
	if err != nil {
		return fmt.Errorf("answer WebSocket events: %w", err)
	}
	if sock.opened {
		c.Header(grip.HeaderWSExtensions, grip.WSExtension)
	}
	if !sock.closed {
		c.Header(grip.HeaderKeepAliveInterval, strconv.Itoa(sock.recheck()))
	}
	c.Data(http.StatusOK, grip.TypeWSEvents, reply)
	return nil
}

// A socket is what one batch needs to be answered.
type socket struct {
	server    *Server
	request   *http.Request
	response  http.Header
	principal channels.Principal
	selects   selector
	channels  []channels.Channel
	opened    bool
	// snapshots tells that the client wants the state of devices where it has no place.
	snapshots bool
	closed    bool
	// asked is the cursor that a ping brought, nil for none.
	asked *string
	// commandsUntil is until when the batch's commands may take; zero before the first.
	commandsUntil time.Time

	outbox
}

func (k *socket) answer(events []grip.WSEvent) error {
	if len(events) > 0 && events[0].Type == grip.EventOpen {
		k.opened = true
		k.put(grip.OpenEvent())
	}
	if ended := endOf(events); ended != nil {
		if ended.Type == grip.EventClose {
			// A close is answered by the same close (RFC 6455, section 5.5.1).
			k.put(*ended)
		}
		k.closed = true
		return nil
	}
	if err := k.authorize(); err != nil {
		var no *refusal
		if !errors.As(notLetIn(err), &no) {
			return err
		}
		return k.close(channels.CloseForbidden, "forbidden")
	}
	if code, reason := k.kicked(); code != 0 {
		return k.close(code, reason)
	}
	for _, e := range events {
		if err := k.event(e); err != nil {
			return err
		}
	}
	if k.asked == nil {
		return nil
	}
	return k.pong(*k.asked)
}

// recheck is after how many silent seconds the proxy asks again: such that it does when the identity ends, or up to
// minSocketRecheck later.
func (k *socket) recheck() int {
	interval := max(k.server.opts.Stream.Recheck, minSocketRecheck)
	if end := k.principal.Expires; !end.IsZero() {
		left := end.Sub(k.server.now())
		times := (left + interval - 1) / interval
		interval = max(left/max(times, 1), minSocketRecheck)
	}
	return int((interval + time.Second - 1) / time.Second)
}

// endOf finds the event that ends the connection, after which nothing can be answered.
func endOf(events []grip.WSEvent) *grip.WSEvent {
	for i := range events {
		if t := events[i].Type; t == grip.EventClose || t == grip.EventDisconnect {
			return &events[i]
		}
	}
	return nil
}

func (k *socket) authorize() error {
	if _, known := kickPlace(k.request); k.opened || !known {
		// A log that is down must not close connections; the next batch asks again.
		if kicks, err := k.server.kicksBefore(k.request.Context(), false); err == nil {
			k.know(kicks.Next)
		}
	}
	principal, err := k.server.authenticate(k.request)
	if err != nil {
		return err
	}
	k.principal = principal
	if k.channels, err = k.selects(k.request, principal); err != nil {
		return err
	}
	if len(k.channels) == 0 {
		return denied(http.StatusUnauthorized, nil)
	}
	return k.server.authorize(k.request.Context(), principal, k.channels)
}

// know has the proxy remember with the connection up to where it knows the kicks.
func (k *socket) know(kicks channels.Seq) {
	k.response.Set(grip.HeaderSetMetaPrefix+kickMeta, kicks.String())
}

// kicked tells why the connection is to be closed if its user was kicked from one of its channels since it was opened, and
// 0 otherwise.
func (k *socket) kicked() (code int, reason string) {
	place, known := kickPlace(k.request)
	if k.opened || !known || !kickable(k.principal.User, k.channels) {
		return 0, ""
	}
	kicked, err := k.server.opts.Reader.KicksAfter(k.request.Context(), place)
	switch {
	case err != nil: // as above
	case kicked.Lost:
		return closeRestart, "connect again"
	case refuseKicked(kicked, k.principal.User, k.channels) != nil:
		return channels.CloseForbidden, "forbidden"
	case kicked.Next != place:
		k.know(kicked.Next)
	}
	return 0, ""
}

func (k *socket) close(code int, reason string) error {
	k.closed = true
	e, err := grip.CloseEvent(code, reason)
	if err != nil {
		return err
	}
	k.put(e)
	return nil
}

// event answers one event. What cannot be understood is ignored: a stray message is no reason to lose the
// connection.
func (k *socket) event(e grip.WSEvent) error {
	switch e.Type {
	case grip.EventOpen:
		return k.open()
	case grip.EventPing:
		k.put(grip.WSEvent{Type: grip.EventPong, Content: e.Content, HasContent: e.HasContent})
	case grip.EventText:
		return k.text(e.Content)
	}
	return nil
}

// open subscribes the connection and sends what the viewer missed since "?cursor=".
func (k *socket) open() error {
	if user := k.principal.User; user != "" {
		e, err := grip.SetMetaEvent(grip.MetaUser, user)
		if err != nil {
			return err
		}
		k.put(e)
	}
	var cursor channels.Cursor
	if text := k.request.URL.Query().Get("cursor"); text != "" {
		var err error
		if cursor, err = channels.ParseCursor(text); err != nil {
			return badRequest("cursor: cannot be read.")
		}
	}
	if k.snapshots && startsSnapshot(cursor, k.channels[0]) {
		return k.snapshot(cursor)
	}
	if err := k.subscribe(); err != nil || cursor == nil {
		return err
	}
	_, _, err := k.missed(cursor, causeResume)
	return err
}

// subscribe has the proxy send what is published on the connection's channels.
func (k *socket) subscribe() error {
	for _, c := range k.channels {
		e, err := grip.SubscribeEvent(k.server.opts.Prefix+c.GripIn(k.form), grip.FilterSkipUsers)
		if err != nil {
			return err
		}
		k.put(e)
		if !kickable(k.principal.User, []channels.Channel{c}) {
			continue
		}
		kick := channels.Kick{User: k.principal.User, Channel: c}
		if e, err = grip.SubscribeEvent(k.server.opts.Prefix + kick.Grip()); err != nil {
			return err
		}
		k.put(e)
	}
	return nil
}

// text answers a plain ping, notes the cursor of another, and gives commands.
func (k *socket) text(content []byte) error {
	var message struct {
		Action string `json:"action"`
		Cursor any    `json:"cursor"`
	}
	understood := json.Unmarshal(content, &message) == nil
	switch {
	case understood && message.Action == "command":
		return k.command(content)
	case !understood || message.Action != "ping":
	case message.Cursor == nil:
		k.send([]byte(`{"event":"pong"}`))
	default:
		cursor, ok := message.Cursor.(string)
		if !ok {
			k.send(errCursor())
			break
		}
		// Of several cursors in a batch the last one is the client's place: the log is read once.
		k.asked = &cursor
	}
	return nil
}

// errCursor answers a ping whose cursor is none.
func errCursor() []byte {
	return []byte(`{"event":"error","data":{"condition":"bad-request","text":"The cursor cannot be read."}}`)
}

// pong sends what the client missed after the cursor, and then the pong with the place that it has reached.
// An empty cursor asks only for the place.
func (k *socket) pong(text string) error {
	var from channels.Cursor
	bad := false
	if text != "" {
		parsed, err := channels.ParseCursor(text)
		from, bad = parsed, err != nil
	}
	if bad {
		k.send(errCursor())
		return nil
	}
	if _, under := snapshotPlace(from); k.snapshots && under {
		return k.snapshot(from)
	}
	cursor, more, err := k.missed(from, causeRepair)
	if err != nil {
		return err
	}
	return k.sendPong(cursor, more)
}

// sendPong sends the place that the client has reached, and whether there is more behind it.
func (k *socket) sendPong(cursor channels.Cursor, more bool) error {
	pong := struct {
		Event  string          `json:"event"`
		Cursor channels.Cursor `json:"cursor"`
		More   bool            `json:"more,omitempty"`
	}{"pong", cursor, more}
	encoded, err := json.Marshal(pong)
	if err != nil {
		return err
	}
	k.send(encoded)
	return nil
}

// missed sends what follows the cursor, up to what a reply may hold, and returns the place after it.
func (k *socket) missed(from channels.Cursor, cause string) (cursor channels.Cursor, more bool, err error) {
	replay, err := k.server.opts.Reader.Read(k.request.Context(), k.channels, from, maxPollEvents)
	if err != nil {
		return nil, false, err
	}
	cursor = append(cursor, replay.Start...)
	if len(replay.Lost) > 0 {
		if err := k.reset(replay.Lost, cursor); err != nil {
			return nil, false, err
		}
	}
	sent := 0
	for _, step := range replay.Steps {
		if !step.Event.Skips(k.principal.User) {
			message := step.Event.AppendMessage(nil, step.Channel)
			if sent > 0 && k.size+len(message) > maxSocketReply {
				return cursor, true, nil
			}
			k.send(message)
			k.server.meter.replayed.WithLabelValues(viaSocket, cause).Inc()
			sent++
		}
		cursor.Set(step.Channel, step.Seq)
	}
	return cursor, replay.More, nil
}

// reset tells that events of the channels were missed, which the log no longer has.
func (k *socket) reset(lost []channels.Channel, cursor channels.Cursor) error {
	reset, err := json.Marshal(map[string]any{
		"event": "stream-reset", "data": map[string]any{"channels": lost}, "cursor": cursor,
	})
	if err != nil {
		return err
	}
	k.send(reset)
	k.server.meter.resets.WithLabelValues(viaSocket).Inc()
	return nil
}
