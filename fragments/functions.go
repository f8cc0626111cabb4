package fragments

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
)

// functions are what templates may call beside what html/template has itself.
func functions() template.FuncMap {
	return template.FuncMap{"has": has, "number": number, "time": timeElement, "stat": stat, "chart": chart}
}

// has tells whether the fields have one of that name, also where its value is 0 or false.
func has(fields map[string]any, name string) bool {
	_, ok := fields[name]
	return ok
}

// number shows a number with so many digits after the point; what is no number is shown as it is, and nothing as "–".
func number(value any, digits int) string {
	switch v := value.(type) {
	case nil:
		return "–"
	case Number:
		return strconv.FormatFloat(float64(v), 'f', min(max(digits, 0), 20), 64)
	}
	return fmt.Sprint(value)
}

// timeElement shows a moment; components.js turns it into the viewer's own zone and habit.
func timeElement(t time.Time) template.HTML {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	//nolint:gosec // digits, and nothing that came from outside
	return template.HTML(fmt.Sprintf(`<griphub-time><time datetime="%s">%s UTC</time></griphub-time>`,
		t.Format(time.RFC3339Nano), t.Format("2006-01-02 15:04:05")))
}

// stat shows one field's value, with its name and a unit: the event's or else the last known; nothing where there is none.
func stat(d *Data, field string, unit ...string) template.HTML {
	value, ok := d.latest(field)
	if !ok {
		return ""
	}
	var suffix string
	if len(unit) > 0 {
		suffix = ` <span class="unit">` + template.HTMLEscapeString(unit[0]) + `</span>`
	}
	//nolint:gosec // escaped
	return template.HTML(`<div class="griphub-stat"><span class="name">` + template.HTMLEscapeString(field) +
		`</span> <b class="value">` + template.HTMLEscapeString(fmt.Sprint(value)) + `</b>` + suffix + `</div>`)
}

// chartPoints is how many values a chart shows.
const chartPoints = 60

// chart shows the course of one field; nothing where there is no number. An event brings its value alone, which components.js adds
// to those before it; a snapshot brings all that are kept, drawn.
func chart(d *Data, field string) template.HTML {
	value, _ := d.latest(field)
	if _, ok := value.(Number); !ok {
		return ""
	}
	points := d.series(field, chartPoints)
	var b strings.Builder
	name := template.HTMLEscapeString(field)
	fmt.Fprintf(&b, `<griphub-chart series="%s/%s/%s" label="%s" points="%d">`,
		template.HTMLEscapeString(d.Type), template.HTMLEscapeString(d.ID), name, name, chartPoints)
	if d.recent != nil && len(points) > 0 {
		draw(&b, name, points)
	}
	for _, p := range points {
		fmt.Fprintf(&b, `<data value="%s" data-time="%s"></data>`, p.Value, p.Time.Format(time.RFC3339Nano))
	}
	b.WriteString(`</griphub-chart>`)
	return template.HTML(b.String()) //nolint:gosec // escaped
}

// draw writes the line of a chart, for a page without scripts.
func draw(b *strings.Builder, name string, points []point) {
	const width, height = 120, 32
	low, high := points[0].Value, points[0].Value
	for _, p := range points {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	span := float64(high - low)
	if span == 0 {
		span = 1
	}
	fmt.Fprintf(b, `<svg viewBox="0 0 %d %d" preserveAspectRatio="none" role="img" aria-label="%s: from %s to %s"><polyline points="`,
		width, height, name, low, high)
	for i, p := range points {
		x := float64(width)
		if len(points) > 1 {
			x = float64(width*i) / float64(len(points)-1)
		}
		y := float64(height-2) - float64(p.Value-low)/span*(height-4)
		fmt.Fprintf(b, "%.1f,%.1f ", x, y)
	}
	b.WriteString(`"/></svg>`)
}
