package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
)

// A StreamRoute is a configured event stream: what it listens to comes from its path alone.
type StreamRoute struct {
	// Path is the route; a level "{name}" stands for any one level.
	Path string
	// Channels are templates in which "{name}" stands for that level's text.
	Channels []string
}

// registerStreams mounts everything that the proxy holds.
func (s *Server) registerStreams(r gin.IRouter) error {
	events := s.families.events
	s.get(r, "/events", events, s.queryChannels)
	s.get(r, "/events/:channel", events, func(r *http.Request, _ channels.Principal) ([]channels.Channel, error) {
		return one(channels.ParseChannel(param(r, "channel")))
	})
	s.get(r, "/iot/stream/:type", s.families.device, deviceChannel)
	s.get(r, "/iot/stream/:type/:id", s.families.device, deviceChannel)
	s.get(r, "/realtime/sse", s.families.realtime, realtimeChannels)
	r.GET(nextPath+":ticket", s.proxied, s.handle(s.followLink))
	r.POST(gonePath+":ticket", s.proxied, s.handle(s.depart))
	for _, route := range s.opts.Routes {
		if err := s.registerRoute(r, route); err != nil {
			return err
		}
	}
	return nil
}

// registerRoute mounts a configured stream. gin panics where two routes claim the same path.
func (s *Server) registerRoute(r gin.IRouter, route StreamRoute) (err error) {
	if !strings.HasPrefix(route.Path, "/") {
		return fmt.Errorf(`stream route %q: want a path that begins with "/"`, route.Path)
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("stream route %s: %v", route.Path, v)
		}
	}()
	s.get(r, ginPath(route.Path), s.families.events, route.channels)
	return nil
}

func (s *Server) get(r gin.IRouter, path string, f *family, chans selector) {
	h := s.handle(func(c *gin.Context) error { return s.serveStream(c, f, chans) })
	r.GET(path, s.proxied, h)
	r.HEAD(path, s.proxied, h)
}

// queryChannels are those that the query's values "channel" name, each once.
func (s *Server) queryChannels(r *http.Request, _ channels.Principal) ([]channels.Channel, error) {
	var chans []channels.Channel
	for _, name := range r.URL.Query()["channel"] {
		c, err := channels.ParseChannel(name)
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, "bad-request", "Invalid request: " + sentence(err), nil}
		}
		if !slices.Contains(chans, c) {
			chans = append(chans, c)
		}
		if len(chans) > s.opts.Stream.MaxChannels {
			return nil, &refusal{http.StatusBadRequest, "bad-request", "Invalid request: Channel limit exceeded.", nil}
		}
	}
	if len(chans) == 0 {
		return nil, &refusal{http.StatusBadRequest, "bad-request", "Invalid request: No channels specified.", nil}
	}
	return chans, nil
}

// channels fills in the route's templates.
func (route StreamRoute) channels(r *http.Request, _ channels.Principal) ([]channels.Channel, error) {
	var pairs []string
	for level := range strings.SplitSeq(route.Path, "/") {
		if key, ok := placeholder(level); ok {
			pairs = append(pairs, level, param(r, key))
		}
	}
	// A Replacer does not look into what it has put in: a viewer's "{name}" is just text.
	fill := strings.NewReplacer(pairs...)
	chans := make([]channels.Channel, 0, len(route.Channels))
	for _, template := range route.Channels {
		c, err := channels.ParseChannel(fill.Replace(template))
		if err != nil {
			return nil, &refusal{http.StatusBadRequest, "bad-request", "Invalid request: " + sentence(err), nil}
		}
		if !slices.Contains(chans, c) {
			chans = append(chans, c)
		}
	}
	return chans, nil
}

func placeholder(level string) (name string, ok bool) {
	if len(level) < 3 || level[0] != '{' || level[len(level)-1] != '}' {
		return "", false
	}
	return level[1 : len(level)-1], true
}

// ginPath is the route's path as gin writes it, without the trailing slash that is optional everywhere.
func ginPath(path string) string {
	levels := strings.Split(strings.TrimSuffix(path, "/"), "/")
	for i, level := range levels {
		if name, ok := placeholder(level); ok {
			levels[i] = ":" + name
		}
	}
	return strings.Join(levels, "/")
}

// deviceChannel is that of the device type, or of the one device, in the path.
func deviceChannel(r *http.Request, _ channels.Principal) ([]channels.Channel, error) {
	return one(channels.Device(param(r, "type"), param(r, "id")))
}

// realtimeChannels are everybody's and the viewer's own.
func realtimeChannels(_ *http.Request, p channels.Principal) ([]channels.Channel, error) {
	if p.Anonymous() {
		return []channels.Channel{channels.Public}, nil
	}
	own, err := one(channels.User(p.User))
	return append(own, channels.Public), err
}

// userDevices is the channel of the visitor's own devices, none for who is nobody.
func userDevices(_ *http.Request, p channels.Principal) ([]channels.Channel, error) {
	if p.Anonymous() {
		return nil, nil
	}
	return one(channels.UserDevices(p.User))
}

func one(c channels.Channel, err error) ([]channels.Channel, error) {
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "bad-request", "Invalid request: " + sentence(err), nil}
	}
	return []channels.Channel{c}, nil
}

// sentence ends an error's text as a client reads it.
func sentence(err error) string { return fmt.Sprintf("%v.", err) }
