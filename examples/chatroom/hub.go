package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// roomChannel is where griphub keeps the room's messages.
const roomChannel = "chatroom"

// A message is one that somebody wrote.
type message struct {
	Username  string    `json:"username"`
	Text      string    `json:"message"`
	Timestamp time.Time `json:"timestamp"`
}

// A hub is griphub, as applications use it.
type hub struct {
	url      *url.URL
	key      string
	sessions *sessions
	client   *http.Client
}

// errTooFast tells that more is written than the room's key may publish.
var errTooFast = errors.New("too many messages")

// publish tells everybody the message, and keeps it for those who come later: both or neither. The id makes it safe to
// publish the same message again; empty for none.
func (h *hub) publish(ctx context.Context, m message, id string) error {
	type draft struct {
		Global  bool    `json:"global,omitempty"`
		Channel string  `json:"channel,omitempty"`
		Event   string  `json:"event"`
		Data    message `json:"data"`
		ID      string  `json:"id,omitempty"`
	}
	drafts := []draft{{Global: true}, {Channel: roomChannel}}
	for i := range drafts {
		drafts[i].Event, drafts[i].Data = "chat_message", m
		if id != "" {
			// An id stands for one event.
			drafts[i].ID = fmt.Sprintf("%d/%s/%s", i, m.Username, id)
		}
	}
	body, err := json.Marshal(drafts)
	if err != nil {
		return err
	}
	return h.ask(ctx, http.MethodPost, "/api/publish", body, h.key, nil)
}

// history returns up to limit messages, newest first, without the newest offset ones.
func (h *hub) history(ctx context.Context, offset, limit int) ([]message, error) {
	token, err := h.sessions.token("chatroom", time.Minute, roomChannel)
	if err != nil {
		return nil, err
	}
	var page struct {
		Events []struct {
			Data message `json:"data"`
		} `json:"events"`
		Cursor string `json:"cursor"`
	}
	const path = "/api/channels/" + roomChannel + "/events"
	if err := h.ask(ctx, http.MethodGet, path+"?limit="+strconv.Itoa(limit), nil, token, &page); err != nil {
		return nil, err
	}
	if offset > 0 {
		// A channel counts its events 1, 2, 3…, and the newest page ends at its head.
		head, err := strconv.Atoi(page.Cursor[strings.LastIndexByte(page.Cursor, ':')+1:])
		if err != nil {
			return nil, fmt.Errorf("read the history: the cursor %q", page.Cursor)
		}
		limit = min(limit, head-offset)
		page.Events = nil
		if limit <= 0 {
			return nil, nil
		}
		query := url.Values{"after": {strconv.Itoa(head - offset - limit)}, "limit": {strconv.Itoa(limit)}}
		if err := h.ask(ctx, http.MethodGet, path+"?"+query.Encode(), nil, token, &page); err != nil {
			return nil, err
		}
	}
	messages := make([]message, len(page.Events))
	for i, e := range page.Events {
		messages[len(messages)-1-i] = e.Data
	}
	return messages, nil
}

// ask makes a request, and reads the answer unless it is nil.
func (h *hub) ask(ctx context.Context, method, path string, body []byte, credentials string, answer any) error {
	r, err := http.NewRequestWithContext(ctx, method, h.url.String()+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+credentials)
	r.Header.Set("Content-Type", "application/json")
	response, err := h.client.Do(r)
	if err != nil {
		return fmt.Errorf("griphub: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	switch {
	case err != nil:
		return fmt.Errorf("griphub: %w", err)
	case response.StatusCode == http.StatusTooManyRequests:
		return errTooFast
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("griphub: %s: %s", response.Status, text)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(text, answer)
}
