package web

import (
	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// holdSnapshot answers with the next part of a snapshot. Behind the last one the proxy holds the connection where the
// snapshot ends. lost are channels of which the viewer missed something, and gets a snapshot for that.
func (s *Server) holdSnapshot(c *gin.Context, st *stream, lost []channels.Channel) error {
	if err := s.checkKicks(c.Request.Context(), st); err != nil {
		return err
	}
	from := st.from
	if len(lost) > 0 {
		from = nil
	}
	part, err := s.snapshotPart(c.Request.Context(), st.channels[0], from, st.principal.User)
	if err != nil {
		return err
	}
	if part.lost {
		lost = st.channels
	}
	body, place, err := renderSnapshot(st, part, lost)
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		s.meter.resets.WithLabelValues(st.family.name).Inc()
	}
	if _, under := snapshotPlace(place); under {
		return s.answer(c, st, body, streamCursor(place), place)
	}
	// Without numbers a viewer has no place, and would be told everything again each time.
	st.snapshot = st.snapshot && part.stored
	return s.answer(c, st, body, place, nil)
}

// streamCursor is the cursor without the place in a snapshot.
func streamCursor(cursor channels.Cursor) channels.Cursor {
	var pure channels.Cursor
	for _, p := range cursor {
		if _, mark := snapshotPlace(channels.Cursor{p}); !mark {
			pure = append(pure, p)
		}
	}
	return pure
}

// renderSnapshot writes as much of the part as a reply holds, and returns the place behind it.
func renderSnapshot(st *stream, part *snapshotPart, lost []channels.Channel) (body []byte, place channels.Cursor, err error) {
	// A channel without numbers has no place to come back to: who is cut off is told everything again.
	id := func(place channels.Cursor) string {
		if part.stored {
			return place.String()
		}
		return ""
	}
	if place = part.start(); len(part.devices)+len(part.page.Events) == 0 {
		place = part.end()
	}
	limit := snapshotBytes
	if !st.followed {
		limit = channels.ReplayBytes
		body = st.family.opening(body, st.channels, id(place))
	}
	if len(lost) > 0 {
		body = resetEvent(body, id(place), lost)
	}
	written := 0
	for item := range part.items() {
		var text []byte
		if item.event != nil {
			text = item.event.AppendSSE(nil, id(item.place))
		} else {
			data, err := devices.AppendSnapshot(nil, item.device)
			if err != nil {
				return nil, nil, err
			}
			text = channels.AppendSSE(nil, eventSnapshot, id(item.place), data)
		}
		// The first one of a next link's reply goes out whatever its size: such replies are not bounded.
		if len(body)+len(text) > limit && (written > 0 || !st.followed) {
			return body, place, nil
		}
		body, place = append(body, text...), item.place
		written++
	}
	return body, part.end(), nil
}
