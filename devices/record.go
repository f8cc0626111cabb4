package devices

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/griphub/griphub/channels"
)

// Bounds of a record, in bytes of UTF-8 but for MaxGroups.
const (
	MaxCodeBytes        = 128
	MaxKeyBytes         = 255
	MaxNameBytes        = 255
	MaxGroups           = 32
	MaxGroupIDBytes     = 128
	MaxProductTypeBytes = 128
	MaxAttributesBytes  = 16 << 10
)

// A Record is what administrators say of a device. A device that registers itself has DefaultRecord.
type Record struct {
	// Code names the device in topics of its user; unique in the registry, empty for none.
	Code string `json:"device_code"`
	// Key is for the application's own use; unique in the registry, empty for none.
	Key string `json:"key"`
	// Name is for people.
	Name string `json:"name"`
	// Owner is the id of the user whose device it is; empty for nobody's.
	Owner string `json:"owner"`
	// Groups are in the order given, none twice.
	Groups []Group `json:"groups"`
	// Active is false for a device that is out of service: viewers are told, and the monitor leaves it alone.
	Active bool `json:"is_active"`
	// ProductType is the application's word for what was sold; empty for none.
	ProductType string `json:"product_type"`
	// Attributes is a JSON object of the application's.
	Attributes json.RawMessage `json:"attributes"`
}

// A Group is one of the groups that a device is in. Its name is kept with each device.
type Group struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// DefaultRecord is the record of a device of which no administrator has said anything: active, and else empty.
func DefaultRecord() Record {
	return Record{Groups: []Group{}, Active: true, Attributes: json.RawMessage("{}")}
}

// A Patch is what an edit says of a device. What is nil stays as it is; also coordinates can be replaced but not
// unsaid.
type Patch struct {
	Code, Key, Name, Owner, ProductType *string
	Groups                              *[]Group
	Active                              *bool
	Attributes                          *json.RawMessage
	Latitude, Longitude                 *float64
}

// Validate tells the first thing that is wrong with the patch, as a *channels.InvalidError, or nil.
func (p *Patch) Validate() error {
	for _, text := range []struct {
		field string
		value *string
		most  int
	}{
		{"key", p.Key, MaxKeyBytes}, {"name", p.Name, MaxNameBytes}, {"product_type", p.ProductType, MaxProductTypeBytes},
	} {
		if text.value != nil {
			if err := checkText(text.field, *text.value, text.most); err != nil {
				return err
			}
		}
	}
	if p.Code != nil && *p.Code != "" {
		if err := checkName("code", *p.Code, MaxCodeBytes); err != nil {
			return invalid("device_code", "%v", err)
		}
	}
	if p.Owner != nil && *p.Owner != "" {
		if _, err := channels.UserDevices(*p.Owner); err != nil {
			return invalid("owner", "%v", err)
		}
	}
	if p.Groups != nil {
		if err := checkGroups(*p.Groups); err != nil {
			return err
		}
	}
	if p.Attributes != nil {
		if err := checkAttributes(*p.Attributes); err != nil {
			return err
		}
	}
	if !inRange(p.Latitude, maxLatitude) {
		return invalid("latitude", "want a number from -90 to 90")
	}
	if !inRange(p.Longitude, maxLongitude) {
		return invalid("longitude", "want a number from -180 to 180")
	}
	return nil
}

const maxLatitude, maxLongitude = 90, 180

func inRange(degrees *float64, most float64) bool {
	return degrees == nil || math.Abs(*degrees) <= most // NaN is not
}

func invalid(field, format string, args ...any) error {
	return &channels.InvalidError{Field: field, Reason: fmt.Sprintf(format, args...)}
}

func checkText(field, text string, most int) error {
	if len(text) > most || !utf8.ValidString(text) || strings.IndexFunc(text, unicode.IsControl) >= 0 {
		return invalid(field, "want text of at most %d bytes without control characters", most)
	}
	return nil
}

func checkGroups(groups []Group) error {
	if len(groups) > MaxGroups {
		return invalid("groups", "more than %d", MaxGroups)
	}
	seen := make(map[string]bool, len(groups))
	for i, g := range groups {
		at := fmt.Sprintf("groups[%d]", i)
		if g.ID == "" {
			return invalid(at+".id", "is missing")
		}
		if err := checkText(at+".id", g.ID, MaxGroupIDBytes); err != nil {
			return err
		}
		if err := checkText(at+".name", g.Name, MaxNameBytes); err != nil {
			return err
		}
		if seen[g.ID] {
			return invalid(at+".id", "%q stands twice", clip(g.ID))
		}
		seen[g.ID] = true
	}
	return nil
}

func checkAttributes(attributes json.RawMessage) error {
	if len(attributes) > MaxAttributesBytes {
		return invalid("attributes", "longer than %d bytes", MaxAttributesBytes)
	}
	if _, err := parseObject(attributes); err != nil {
		return invalid("attributes", "%v", err)
	}
	return nil
}

// apply returns the record as it is after the patch.
func (p *Patch) apply(r Record) Record {
	set(&r.Code, p.Code)
	set(&r.Key, p.Key)
	set(&r.Name, p.Name)
	set(&r.Owner, p.Owner)
	set(&r.ProductType, p.ProductType)
	set(&r.Groups, p.Groups)
	set(&r.Active, p.Active)
	set(&r.Attributes, p.Attributes)
	return r
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}
