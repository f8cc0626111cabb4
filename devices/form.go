package devices

import (
	"encoding/json"
	"strconv"

	"github.com/griphub/griphub/channels"
)

// ParsePatch reads a JSON object in which an administrator says something of a device, in the names that a Device's JSON
// has. device_type and device_id name the device; the zero ref where they are not there. null empties a text, the
// groups and the attributes, and leaves all else as it is. The error is a *channels.InvalidError.
func ParsePatch(object []byte) (ref channels.DeviceRef, p Patch, err error) {
	fields, err := parseObject(object)
	if err != nil {
		return ref, p, &channels.InvalidError{Field: "body", Reason: err.Error()}
	}
	for _, f := range fields {
		if err := p.read(&ref, f.name, f.value); err != nil {
			return ref, p, err
		}
	}
	return ref, p, p.Validate()
}

// read takes over one field, given as a JSON literal.
func (p *Patch) read(ref *channels.DeviceRef, name string, value []byte) (err error) {
	switch name {
	case "device_type":
		err = readText(&ref.Type, name, value)
	case "device_id":
		err = readText(&ref.ID, name, value)
	case "device_code":
		err = readNew(&p.Code, name, value, readText)
	case "key":
		err = readNew(&p.Key, name, value, readText)
	case "name":
		err = readNew(&p.Name, name, value, readText)
	case "owner":
		err = readNew(&p.Owner, name, value, readID)
	case "product_type":
		err = readNew(&p.ProductType, name, value, readText)
	case "groups":
		err = readNew(&p.Groups, name, value, readGroups)
	case "attributes":
		err = readNew(&p.Attributes, name, value, readAttributes)
	case "is_active":
		p.Active, err = readOptional(name, value, "true or false", strconv.ParseBool)
	case "latitude":
		p.Latitude, err = readOptional(name, value, "a number", parseNumber)
	case "longitude":
		p.Longitude, err = readOptional(name, value, "a number", parseNumber)
	case "status", "overdue", "last_seen", "firmware_version", "battery_level", "temperature", "humidity", "values",
		"created_at", "updated_at", "cursor":
		err = invalid(name, "is what the device reports, or the registry's own, and cannot be set")
	default:
		err = invalid(clip(name), "is no field of a device")
	}
	return err
}

func readNew[T any](field **T, name string, value []byte, read func(*T, string, []byte) error) error {
	*field = new(T)
	return read(*field, name, value)
}

func readOptional[T any](name string, value []byte, want string, parse func(string) (T, error)) (*T, error) {
	if string(value) == "null" {
		return nil, nil
	}
	v, err := parse(string(value))
	if err != nil || value[0] == '"' {
		return nil, invalid(name, "want %s", want)
	}
	return &v, nil
}

func readText(field *string, name string, value []byte) error {
	text, ok := unquote(value)
	if !ok && string(value) != "null" {
		return invalid(name, "want text")
	}
	*field = text
	return nil
}

// readID also takes a number, which is what many applications have as ids.
func readID(field *string, name string, value []byte) error {
	if _, err := parseNumber(string(value)); err == nil {
		*field = string(value)
		return nil
	}
	return readText(field, name, value)
}

func readAttributes(field *json.RawMessage, name string, value []byte) error {
	if string(value) == "null" {
		value = []byte("{}")
	}
	if value[0] != '{' {
		return invalid(name, "want a JSON object")
	}
	*field = append(json.RawMessage(nil), value...)
	return nil
}

func readGroups(field *[]Group, name string, value []byte) error {
	*field = []Group{}
	if string(value) == "null" {
		return nil
	}
	elements, ok := parseArray(value)
	if !ok {
		return invalid(name, `want an array of {"id","name"}`)
	}
	for i, element := range elements {
		g, err := readGroup(name+"["+strconv.Itoa(i)+"]", element)
		if err != nil {
			return err
		}
		*field = append(*field, g)
	}
	return nil
}

func readGroup(at string, element []byte) (g Group, err error) {
	if element[0] != '{' {
		return g, invalid(at, `want {"id","name"}`)
	}
	members, err := parseObject(element)
	if err != nil {
		return g, invalid(at, "%v", err)
	}
	for _, m := range members {
		switch m.name {
		case "id":
			err = readID(&g.ID, at+".id", m.value)
		case "name":
			err = readText(&g.Name, at+".name", m.value)
		default:
			err = invalid(at+"."+clip(m.name), "is no field of a group")
		}
		if err != nil {
			return g, err
		}
	}
	return g, nil
}

// parseNumber reads a JSON number that is neither too large for a float64 nor anything else that ParseFloat reads.
func parseNumber(literal string) (float64, error) {
	if c := literal[0]; c != '-' && (c < '0' || c > '9') {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(literal, 64)
}
