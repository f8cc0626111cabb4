package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// formRef is the device that a form is about.
func formRef(r *http.Request) channels.DeviceRef {
	return channels.DeviceRef{Type: r.PostForm.Get("device_type"), ID: r.PostForm.Get("device_id")}
}

// The fields of the form, as the registry's JSON names them, and how their text becomes JSON.
var editable = []struct {
	name string
	json func(text string) (json.RawMessage, error)
}{
	{"name", quoted}, {"device_code", quoted}, {"key", quoted}, {"owner", quoted}, {"product_type", quoted},
	{"groups", groupsJSON}, {"is_active", literal}, {"latitude", literal}, {"longitude", literal}, {"attributes", literal},
}

func quoted(text string) (json.RawMessage, error) { return json.Marshal(text) }

// literal is JSON already; nothing leaves the value as it is.
func literal(text string) (json.RawMessage, error) {
	if strings.TrimSpace(text) == "" {
		return json.RawMessage("null"), nil
	}
	if !json.Valid([]byte(text)) {
		return nil, errors.New("is not JSON")
	}
	return json.RawMessage(text), nil
}

// groupsJSON reads a group from each line: its id, and after a blank its name.
func groupsJSON(text string) (json.RawMessage, error) {
	groups := []devices.Group{}
	for line := range strings.Lines(text) {
		id, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if id != "" {
			groups = append(groups, devices.Group{ID: id, Name: strings.TrimSpace(name)})
		}
	}
	return json.Marshal(groups)
}

// groupLines is what groupsJSON reads.
func groupLines(groups []devices.Group) string {
	lines := make([]string, len(groups))
	for i, g := range groups {
		lines[i] = strings.TrimSpace(g.ID + " " + g.Name)
	}
	return strings.Join(lines, "\n")
}

// readEdit reads what the form says of its device: only fields that are not as they were when the form was made, so that what
// somebody else has changed meanwhile stays. It returns these as well.
func readEdit(r *http.Request) (devices.Edit, []change, error) {
	edit := devices.Edit{DeviceRef: formRef(r), Kind: devices.EditSet}
	object := map[string]json.RawMessage{}
	var changes []change
	for _, f := range editable {
		text, was := oneForm(r, f.name), oneForm(r, "was_"+f.name)
		if f.name == "is_active" {
			text = strconv.FormatBool(text != "")
		}
		if text == was {
			continue
		}
		value, err := f.json(text)
		if err != nil {
			return edit, nil, &channels.InvalidError{Field: f.name, Reason: err.Error()}
		}
		object[f.name] = value
		changes = append(changes, change{f.name, was, text})
	}
	body, err := json.Marshal(object)
	if err != nil {
		return edit, nil, fmt.Errorf("edit: %w", err)
	}
	_, edit.Patch, err = devices.ParsePatch(body)
	return edit, changes, err
}

// oneForm is a field with the line breaks that it was given with: forms send CRLF.
func oneForm(r *http.Request, name string) string {
	return strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n")
}

func (s *Site) askEdit(r *http.Request) (question, error) {
	edit, changes, err := readEdit(r)
	if err != nil {
		return question{}, err
	}
	if len(changes) == 0 {
		return question{}, &problem{http.StatusBadRequest, "Nothing was changed."}
	}
	if _, err := s.device(r, edit.DeviceRef); err != nil {
		return question{}, err
	}
	return question{
		Title: fmt.Sprintf("Change %s/%s?", edit.Type, edit.ID), Changes: changes, Button: "Save", Back: deviceURL(edit.DeviceRef),
	}, nil
}

func (s *Site) edit(w http.ResponseWriter, r *http.Request, _ channels.Principal) error {
	edit, _, err := readEdit(r)
	if err != nil {
		return err
	}
	if err := s.Editor.Edit(r.Context(), []devices.Edit{edit}); err != nil {
		return err
	}
	http.Redirect(w, r, deviceURL(edit.DeviceRef)+"&done=saved", http.StatusSeeOther)
	return nil
}
