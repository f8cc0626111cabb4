package devices

import (
	"fmt"
	"math"
)

// A measure is one of Measures, by the name that it has in payloads.
type measure struct {
	name string
	// most bounds its amount, in degrees; 0 for no bound.
	most  float64
	field **float64
}

func (m *Measures) all() [4]measure {
	return [4]measure{
		{"temperature", 0, &m.Temperature}, {"humidity", 0, &m.Humidity},
		{"latitude", maxLatitude, &m.Latitude}, {"longitude", maxLongitude, &m.Longitude},
	}
}

// named returns the measure of that name; ok is false where there is none.
func (m *Measures) named(name string) (_ measure, ok bool) {
	for _, one := range m.all() {
		if one.name == name {
			return one, true
		}
	}
	return measure{}, false
}

// set takes over a JSON literal: a number within bounds. 0 is one, "21.5" in quotes is none, and null tells nothing.
func (m *measure) set(literal []byte) error {
	if string(literal) == "null" {
		return nil
	}
	v, err := parseNumber(string(literal))
	switch {
	case err != nil:
		return fmt.Errorf("%s: %s is not a number", m.name, clip(string(literal)))
	case m.most > 0 && math.Abs(v) > m.most:
		return fmt.Errorf("%s: %s is not a number from -%g to %g", m.name, clip(string(literal)), m.most, m.most)
	}
	v += 0 // no reader needs to know of -0
	*m.field = &v
	return nil
}

// over returns the measures, and those of before where they are nil.
func (m Measures) over(before Measures) Measures {
	beneath := before.all()
	for i, one := range m.all() {
		if *one.field == nil {
			*one.field = *beneath[i].field
		}
	}
	return m
}
