package admin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// A devicesPage is a list of devices.
type devicesPage struct {
	Filter   devices.Filter
	Active   string
	Statuses []devices.Status
	Devices  []devices.Device
	Next     string
}

func (s *Site) listDevices(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	form := r.URL.Query()
	data := devicesPage{Statuses: devices.Statuses(), Active: form.Get("active"), Filter: devices.Filter{
		Type: form.Get("type"), Status: devices.Status(form.Get("status")), Owner: form.Get("owner"), Group: form.Get("group"), Text: form.Get("text"),
	}}
	if data.Active == "yes" || data.Active == "no" {
		active := data.Active == "yes"
		data.Filter.Active = &active
	}
	if err := data.Filter.Validate(); err != nil {
		return err
	}
	var after channels.DeviceRef
	var err error
	if text := form.Get("after"); text != "" {
		if after, err = devices.ParseRef(text); err != nil {
			return badRequest(err)
		}
	}
	if data.Devices, err = s.Registry.List(r.Context(), data.Filter, after, pageSize+1); err != nil {
		return err
	}
	if len(data.Devices) > pageSize {
		data.Devices = data.Devices[:pageSize]
		last := data.Devices[pageSize-1]
		data.Next = address("/admin/devices", "type", data.Filter.Type, "status", data.Filter.Status, "owner", data.Filter.Owner,
			"group", data.Filter.Group, "text", data.Filter.Text, "active", data.Active, "after", last.Type+"/"+last.ID)
	}
	return s.show(w, r, by, &page{template: "devices", Title: "Devices", Section: "devices", Data: data})
}

// A devicePage is one device, and what came of a command.
type devicePage struct {
	devices.Device
	Readings []reading
	// Groups are a line each, as the form has them.
	GroupLines string
	Channel    channels.Channel
	// Commands tells that there is a way to the device.
	Commands bool
	Answer   *answer
}

// A reading is the last value of a field of the device's data.
type reading struct{ Name, Value string }

func (s *Site) showDevice(w http.ResponseWriter, r *http.Request, by channels.Principal) error {
	q := r.URL.Query()
	return s.writeDevice(w, r, by, channels.DeviceRef{Type: q.Get("type"), ID: q.Get("id")}, nil)
}

// writeDevice answers with the device's page.
func (s *Site) writeDevice(w http.ResponseWriter, r *http.Request, by channels.Principal, ref channels.DeviceRef, a *answer) error {
	d, err := s.device(r, ref)
	if err != nil {
		return err
	}
	data := devicePage{Device: d, GroupLines: groupLines(d.Groups), Commands: s.Commander != nil, Answer: a}
	if data.Channel, err = channels.Device(ref.Type, ref.ID); err != nil {
		return err
	}
	for name, value := range d.Values {
		data.Readings = append(data.Readings, reading{name, strings.Trim(string(value), `"`)})
	}
	slices.SortFunc(data.Readings, func(a, b reading) int { return strings.Compare(a.Name, b.Name) })
	return s.show(w, r, by, &page{template: "device", Title: ref.ID, Section: "devices", Data: data})
}

func (s *Site) device(r *http.Request, ref channels.DeviceRef) (devices.Device, error) {
	found, err := s.Registry.Devices(r.Context(), []channels.DeviceRef{ref})
	if err == nil && len(found) == 0 {
		err = channels.ErrNotFound
	}
	if err != nil {
		return devices.Device{}, err
	}
	return found[0], nil
}
