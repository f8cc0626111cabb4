package store

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

// scanDevice reads the columns that the statements call {device}.
func scanDevice(row scanner) (d devices.Device, err error) {
	var seen, dataTime, statusTime *int64
	var created, updated int64
	var groups string
	var attributes, values []byte
	if err := row.Scan(&d.Type, &d.ID, &d.Status, &d.Overdue, &seen, &d.Firmware, &d.Battery,
		&d.Temperature, &d.Humidity, &d.Latitude, &d.Longitude, &dataTime, &statusTime,
		&d.Active, &d.Code, &d.Key, &d.Name, &d.Owner, &d.ProductType, &groups, &attributes,
		&created, &updated, &values); err != nil {
		return d, err
	}
	d.LastSeen, d.DataTime, d.StatusTime = fromMicro(seen), fromMicro(dataTime), fromMicro(statusTime)
	d.Created, d.Updated = fromMicro(&created), fromMicro(&updated)
	d.Attributes = attributes
	if err := json.Unmarshal([]byte(groups), &d.Groups); err != nil {
		return d, fmt.Errorf("device %s/%s: groups: %w", d.Type, d.ID, err)
	}
	if d.Values, err = decodeValues(values); err != nil {
		return d, fmt.Errorf("device %s/%s: %w", d.Type, d.ID, err)
	}
	return d, nil
}

// A deviceRow is a change with its values as the database has them.
type deviceRow struct {
	devices.Change
	values []byte
}

// newDeviceRows returns the changes' rows.
func newDeviceRows(changes devices.Changes) ([]deviceRow, error) {
	rows := make([]deviceRow, len(changes))
	for i := range changes {
		values, err := encodeValues(changes[i].Values)
		if err != nil {
			return nil, fmt.Errorf("device %s/%s: %w", changes[i].Type, changes[i].ID, err)
		}
		rows[i] = deviceRow{changes[i], values}
	}
	return rows, nil
}

func compareRefs(a, b channels.DeviceRef) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
}

func encodeValues(values map[string]json.RawMessage) ([]byte, error) {
	if values == nil {
		return []byte("{}"), nil
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // values come back as they were
	if err := encoder.Encode(values); err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	return text.Bytes(), nil
}

func decodeValues(text []byte) (map[string]json.RawMessage, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	return values, nil
}

// A recordRow is what an edit writes, as the database has it.
type recordRow struct {
	devices.Outcome
	groups, search string
}

// An editing is what edits come to, in the order in which rows are locked.
type editing struct {
	// released have a code or a key that changes hands; it is free before anybody gets it.
	released []channels.DeviceRef
	removed  []channels.DeviceRef
	put      []recordRow
	// left and joined are groups.
	left, joined []membership
}

type membership struct {
	group string
	channels.DeviceRef
}

func newEditing(outcomes []devices.Outcome) (*editing, error) {
	e := &editing{}
	slices.SortFunc(outcomes, func(a, b devices.Outcome) int { return compareRefs(a.DeviceRef, b.DeviceRef) })
	for _, o := range outcomes {
		if o.Before != nil {
			e.left = appendGroups(e.left, o.DeviceRef, o.Before.Groups)
		}
		if o.After == nil {
			e.removed = append(e.removed, o.DeviceRef)
			continue
		}
		if o.Before != nil && (o.Before.Code != o.After.Code || o.Before.Key != o.After.Key) {
			e.released = append(e.released, o.DeviceRef)
		}
		e.joined = appendGroups(e.joined, o.DeviceRef, o.After.Groups)
		if o.After.Groups == nil {
			o.After.Groups = []devices.Group{}
		}
		groups, err := json.Marshal(o.After.Groups)
		if err != nil {
			return nil, fmt.Errorf("device %s/%s: groups: %w", o.Type, o.ID, err)
		}
		e.put = append(e.put, recordRow{o, string(groups), searchText(o.DeviceRef, o.After)})
	}
	return e, nil
}

func appendGroups(list []membership, ref channels.DeviceRef, groups []devices.Group) []membership {
	for _, g := range groups {
		list = append(list, membership{g.ID, ref})
	}
	return list
}

// searchText is what a list is searched in. None of its lines holds a line break.
func searchText(ref channels.DeviceRef, r *devices.Record) string {
	text := ref.Type + "/" + ref.ID
	if r != nil {
		text += "\n" + r.Code + "\n" + r.Key + "\n" + r.Name
	}
	return strings.ToLower(text)
}

// A deviceQuery is a list of devices as a statement, whose arguments have names.
type deviceQuery struct {
	text string
	args map[string]any
}

// deviceQuery puts the statement together of what the filter asks for, and nothing else, so that an index can serve it.
func (s statements) deviceQuery(f devices.Filter, after channels.DeviceRef, limit int) deviceQuery {
	if f.Type != "" && after.Type < f.Type {
		after = channels.DeviceRef{Type: f.Type}
	}
	q := deviceQuery{args: map[string]any{"limit": limit, "after_id": after.ID}}
	base, place, order := "list devices", "after device", "by device"
	switch {
	case f.Group != "":
		base, place, order = "list devices of group", "after device of group", "by device of group"
		q.args["group"], q.args["after_type"] = f.Group, after.Type
	case f.Type != "" && after.Type == f.Type:
		place = "after device of type"
	default:
		q.args["after_type"] = after.Type
	}
	conditions := []string{s[place]}
	add := func(given bool, condition, name string, value any) {
		if given {
			conditions = append(conditions, s[condition])
			q.args[name] = value
		}
	}
	add(f.Type != "", "device type", "type", f.Type)
	add(f.Status != "", "device status", "status", string(f.Status))
	add(f.Owner != "", "device owner", "owner", f.Owner)
	add(f.Text != "", "device text", "text", strings.ToLower(f.Text))
	if f.Active != nil {
		conditions = append(conditions, s[map[bool]string{true: "device active", false: "device inactive"}[*f.Active]])
	}
	q.text = s[base] + "\nWHERE " + strings.Join(conditions, "\n  AND ") + "\n" + s[order]
	return q
}

// pairs is the JSON form in which SQLite takes devices' names.
func pairs(refs []channels.DeviceRef) (string, error) {
	list := make([][2]string, len(refs))
	for i, ref := range refs {
		list[i] = [2]string{ref.Type, ref.ID}
	}
	text, err := json.Marshal(list)
	return string(text), err
}
