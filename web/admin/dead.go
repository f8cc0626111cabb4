package admin

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/griphub/griphub/channels"
)

// An undeliveredPage is what subscribers did not take.
type undeliveredPage struct {
	Subscriber string
	Messages   []channels.Undelivered
	Older      string
}

func (s *Site) listUndelivered(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	form := r.URL.Query()
	data := undeliveredPage{Subscriber: form.Get("subscriber")}
	before, err := readPlace(form)
	if err != nil {
		return err
	}
	data.Messages, err = s.Records.Undelivered(r.Context(), channels.UndeliveredQuery{Subscriber: data.Subscriber, Before: before, Limit: pageSize + 1})
	if err != nil {
		return err
	}
	if len(data.Messages) > pageSize {
		data.Messages = data.Messages[:pageSize]
		data.Older = address("/admin/dead", "subscriber", data.Subscriber, "before", data.Messages[pageSize-1].ID)
	}
	return s.show(w, r, by, &page{template: "dead", Title: "Dead letters", Section: "dead", Data: data})
}

// pathNumber is the {id} of the path.
func pathNumber(r *http.Request) (int64, error) {
	n, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || n < 1 {
		return 0, errNoPage
	}
	return n, nil
}

func (s *Site) undelivered(r *http.Request) (channels.Undelivered, error) {
	id, err := pathNumber(r)
	if err != nil {
		return channels.Undelivered{}, err
	}
	return channels.FindUndelivered(r.Context(), s.Records, id)
}

func (s *Site) showUndelivered(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	u, err := s.undelivered(r)
	if err != nil {
		return err
	}
	return s.show(w, r, by, &page{template: "undelivered", Title: fmt.Sprintf("Dead letter %d", u.ID), Section: "dead", Data: u})
}

func (s *Site) askRequeue(r *http.Request) (question, error) {
	u, err := s.undelivered(r)
	if err != nil {
		return question{}, err
	}
	return question{
		Title: fmt.Sprintf("Send message %s to %s again?", u.Message, u.Subscriber), Text: "It keeps its id, by which the subscriber can tell that it had it.",
		Button: "Requeue", Back: fmt.Sprintf("/admin/dead/%d", u.ID),
	}, nil
}

func (s *Site) requeue(w http.ResponseWriter, r *http.Request, _ channels.Principal) error {
	id, err := pathNumber(r)
	if err != nil {
		return err
	}
	if err := channels.Requeue(r.Context(), s.Records, s.Publisher.Publish, id); err != nil {
		return err
	}
	http.Redirect(w, r, "/admin/dead?done=requeued", http.StatusSeeOther)
	return nil
}

func (s *Site) askRequeueAll(r *http.Request) (question, error) {
	name := r.PostForm.Get("subscriber")
	if name == "" {
		return question{}, &problem{http.StatusBadRequest, "Name the subscriber."}
	}
	return question{
		Title: fmt.Sprintf("Send everything to %s again that it did not take?", name), Text: "The oldest message goes first.",
		Button: "Requeue all", Back: address("/admin/dead", "subscriber", name),
	}, nil
}

func (s *Site) requeueAll(w http.ResponseWriter, r *http.Request, _ channels.Principal) error {
	name := r.PostForm.Get("subscriber")
	if name == "" {
		return &problem{http.StatusBadRequest, "Name the subscriber."}
	}
	if err := channels.RequeueAll(r.Context(), s.Records, s.Publisher.Publish, name); err != nil {
		return err
	}
	http.Redirect(w, r, address("/admin/dead", "subscriber", name, "done", "requeued"), http.StatusSeeOther)
	return nil
}

// A refusedPage is messages that could not become events.
type refusedPage struct {
	Messages []channels.Refusal
	Older    string
}

func (s *Site) listRefused(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	before, err := readPlace(r.URL.Query())
	if err != nil {
		return err
	}
	var data refusedPage
	if data.Messages, err = s.Log.Refusals(r.Context(), before, pageSize+1); err != nil {
		return err
	}
	if len(data.Messages) > pageSize {
		data.Messages = data.Messages[:pageSize]
		data.Older = address("/admin/refused", "before", data.Messages[pageSize-1].ID)
	}
	return s.show(w, r, by, &page{template: "refused", Title: "Refused messages", Section: "dead", Data: data})
}

func (s *Site) showRefused(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	id, err := pathNumber(r)
	if err != nil {
		return err
	}
	found, err := s.Log.Refusals(r.Context(), id+1, 1)
	if err == nil && (len(found) == 0 || found[0].ID != id) {
		err = channels.ErrNotFound
	}
	if err != nil {
		return err
	}
	return s.show(w, r, by, &page{template: "refusal", Title: fmt.Sprintf("Refused message %d", id), Section: "dead", Data: found[0]})
}
