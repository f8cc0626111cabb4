package main

import (
	"bytes"
	"fmt"
	"html"
)

// The plot's measures, in pixels.
const (
	plotWidth  = 900
	plotLabel  = 330 // left of the bars
	plotValue  = 130 // right of them
	plotBar    = 16
	plotTitle  = 26
	plotMargin = 12
)

// plot draws the rates of all rows that compare several sides: within a row a bar's length is its share of the longest.
func (r *report) plot() []byte {
	var body bytes.Buffer
	y := plotMargin
	for _, row := range r.Rows {
		longest := 0.0
		for _, s := range row.Sides {
			longest = max(longest, s.Median.Values[rate])
		}
		if len(row.Sides) < 2 || longest == 0 {
			continue
		}
		y += plotTitle
		fmt.Fprintf(&body, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", plotMargin, y-8, html.EscapeString(row.Title))
		for _, s := range row.Sides {
			y += s.bar(&body, y, longest, row.Unit)
		}
		y += plotMargin
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", plotWidth, y)
	fmt.Fprintf(&out, `<rect width="100%%" height="100%%" fill="white"/>`+"\n%s</svg>\n", body.Bytes())
	return out.Bytes()
}

// bar draws a side with its spread, and tells how high that is.
func (s *summary) bar(out *bytes.Buffer, y int, longest float64, unit string) int {
	const gap = 6
	scale := float64(plotWidth-plotLabel-plotValue-plotMargin) / longest
	color := "#3b6ea5"
	if !s.Sound {
		color = "#c9c9c9"
	}
	middle := y + plotBar/2
	fmt.Fprintf(out, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", plotLabel-gap, middle+5, html.EscapeString(s.Side))
	fmt.Fprintf(out, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", plotLabel, y, s.Median.Values[rate]*scale, plotBar, color)
	fmt.Fprintf(out, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="black"/>`+"\n",
		plotLabel+s.Least[rate]*scale, middle, plotLabel+s.Most[rate]*scale, middle)
	fmt.Fprintf(out, `<text x="%.1f" y="%d">%s %s/s</text>`+"\n",
		plotLabel+s.Most[rate]*scale+gap, middle+5, figure(s.Median.Values[rate]), unit)
	return plotBar + gap
}
