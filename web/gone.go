package web

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/grip"
)

// A gone link is asked by the proxy when a viewer has left, where it can (Grip-Feature link:gone, Pushpin 1.41 and later). It says when
// the stream was opened, and so tells how long it lived: streams that all live equally long are cut by something between the
// viewer and the proxy. It says nothing of whose stream it was. Who is there now does not follow from it: a proxy that is killed
// asks for nobody.
const gonePath = "/gone/"

const sealGoneLink = "gone-link"

// longestStream is for how long a gone link may be asked.
const longestStream = 30 * 24 * time.Hour

// A departure is what a gone link says.
type departure struct {
	Family string `json:"f"`
	Opened int64  `json:"o"`
}

// links are those of a reply to a stream: the next link, and in the first reply a gone link if the proxy knows those.
func (s *Server) links(r *http.Request, st *stream, next grip.Link) ([]grip.Link, error) {
	if st.followed || !grip.ParseFeatures(r.Header.Values(grip.HeaderFeature)).Has(grip.FeatureLinkGone) {
		return []grip.Link{next}, nil
	}
	now := s.now()
	sealed, err := s.sealer.Seal(sealGoneLink, departure{st.family.name, now.Unix()}, now.Add(longestStream))
	if err != nil {
		return nil, err
	}
	return []grip.Link{next, {URI: gonePath + sealed, Rel: grip.RelGone}}, nil
}

// depart answers the proxy's request for a gone link, with nothing, as the proxy wants it.
func (s *Server) depart(c *gin.Context) error {
	if s.guard.Check(c.Request) != nil {
		return crossOrigin()
	}
	var d departure
	if s.sealer.Open(sealGoneLink, param(c.Request, "ticket"), &d, s.now()) == nil && s.families.named(d.Family) != nil {
		s.meter.lifetimes.WithLabelValues(d.Family).Observe(s.now().Sub(time.Unix(d.Opened, 0)).Seconds())
	}
	c.Status(http.StatusOK)
	return nil
}
