package devices

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/griphub/griphub/channels"
)

// A Format is what records of devices are written in for transfer.
type Format string

// The formats. CSV has a header line; its groups are a JSON array, or ids between ";".
const (
	CSV   Format = "csv"
	JSONL Format = "jsonl"
)

// ParseFormat reads a format's name.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); f == CSV || f == JSONL {
		return f, nil
	}
	return "", fmt.Errorf("format %q: want csv or jsonl", clip(name))
}

// ErrNothing tells that an import has no device in it.
var ErrNothing = errors.New("there is no device in the file")

// MaxImport bounds the devices of one import.
const MaxImport = 1_000_000

// maxImportLine bounds one line of JSON, in bytes.
const maxImportLine = 256 << 10

// An Import is what a file says of devices.
type Import struct {
	Edits []Edit
	lines []int
}

// An ImportError tells where in a file the mistake is.
type ImportError struct {
	// Line counts from 1.
	Line int
	// Err names the field.
	Err error
}

// Error returns "line {line}: {field}: …".
func (e *ImportError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns Err.
func (e *ImportError) Unwrap() error { return e.Err }

// Explain says of an error that Editor.Edit returned for the edits which line it is about.
func (i *Import) Explain(err error) error {
	var wrong *EditError
	if errors.As(err, &wrong) && wrong.Index < len(i.lines) {
		return &ImportError{i.lines[wrong.Index], wrong.Err}
	}
	return err
}

// ReadImport reads a file to its end. Each line puts a device: fields that it has replace the device's, those that it
// lacks leave the device's as they are. Mistakes are *ImportError.
func ReadImport(r io.Reader, format Format) (*Import, error) {
	i := &Import{}
	var err error
	if format == CSV {
		err = i.readCSV(r)
	} else {
		err = i.readLines(r)
	}
	if err == nil && len(i.Edits) == 0 {
		err = ErrNothing
	}
	return i, err
}

// add takes one line's edit.
func (i *Import) add(line int, ref channels.DeviceRef, p Patch, err error) error {
	e := Edit{DeviceRef: ref, Kind: EditPut, Patch: p}
	switch {
	case err != nil:
	case ref.Type == "":
		err = invalid("device_type", "is missing")
	case ref.ID == "":
		err = invalid("device_id", "is missing")
	case len(i.Edits) == MaxImport:
		err = fmt.Errorf("more than %d devices", MaxImport)
	default:
		err = e.Validate()
	}
	if err != nil {
		return &ImportError{line, err}
	}
	i.Edits, i.lines = append(i.Edits, e), append(i.lines, line)
	return nil
}

// readLines reads JSON lines. Blank lines are none.
func (i *Import) readLines(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxImportLine)
	line := 0
	for lines.Scan() {
		line++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		ref, p, err := ParsePatch(lines.Bytes())
		if err := i.add(line, ref, p, err); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return &ImportError{line + 1, fmt.Errorf("longer than %d bytes", maxImportLine)}
	}
	return lines.Err()
}

func (i *Import) readCSV(r io.Reader) error {
	table := csv.NewReader(r)
	header, err := table.Read()
	if err != nil {
		return csvError(err)
	}
	if header[0] = strings.TrimPrefix(header[0], "\ufeff"); header[0] == "" {
		return &ImportError{1, errors.New("the header names no field")}
	}
	for {
		cells, err := table.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvError(err)
		}
		line, _ := table.FieldPos(0)
		ref, p, err := parseRow(header, cells)
		if err := i.add(line, ref, p, err); err != nil {
			return err
		}
	}
}

func csvError(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return &ImportError{parse.Line, parse.Err}
	}
	if errors.Is(err, io.EOF) {
		return ErrNothing
	}
	return err
}

// parseRow reads a row as the JSON object that it stands for.
func parseRow(header, cells []string) (ref channels.DeviceRef, p Patch, err error) {
	for n, name := range header {
		literal, err := cellLiteral(name, cells[n])
		if err != nil {
			return ref, p, err
		}
		if err := p.read(&ref, name, literal); err != nil {
			return ref, p, err
		}
	}
	return ref, p, p.Validate()
}

func cellLiteral(name, cell string) ([]byte, error) {
	switch name {
	case "groups":
		if !strings.HasPrefix(cell, "[") {
			return listedGroups(cell), nil
		}
	case "is_active":
		cell = strings.ToLower(cell) // spreadsheets write TRUE
		fallthrough
	case "attributes", "latitude", "longitude":
		if cell == "" {
			return []byte("null"), nil
		}
	default:
		return appendQuoted(nil, strings.ToValidUTF8(cell, "\x00")), nil // which no field takes
	}
	s := scanner{in: []byte(cell), out: make([]byte, 0, len(cell))}
	if err := s.value(1); err != nil || s.at < len(s.in) {
		return nil, invalid(name, "%q is not JSON", clip(cell))
	}
	return s.out, nil
}

// listedGroups turns "a;b=B" into the array of both groups.
func listedGroups(cell string) []byte {
	list := []byte{'['}
	for text := range strings.SplitSeq(cell, ";") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		g := ParseGroup(text)
		list = append(appendQuoted(append(list, `{"id":`...), g.ID), `,"name":`...)
		list = append(appendQuoted(list, g.Name), '}')
	}
	return append(list, ']')
}

// ParseGroup reads ID or ID=NAME.
func ParseGroup(text string) Group {
	id, name, _ := strings.Cut(text, "=")
	return Group{ID: strings.TrimSpace(id), Name: strings.TrimSpace(name)}
}

// exported are the fields of an export, in order: what a Patch can say.
var exported = [...]string{"device_type", "device_id", "device_code", "key", "name", "owner", "groups", "is_active",
	"product_type", "attributes", "latitude", "longitude"}

// An Exporter writes what administrators say of devices, so that ReadImport reads it. What devices report is not in it.
type Exporter struct {
	table *csv.Writer
	lines *json.Encoder
}

// NewExporter returns an Exporter in the format.
func NewExporter(w io.Writer, format Format) *Exporter {
	if format == CSV {
		return &Exporter{table: csv.NewWriter(w)}
	}
	lines := json.NewEncoder(w)
	lines.SetEscapeHTML(false)
	return &Exporter{lines: lines}
}

// Begin writes what stands before the first device.
func (e *Exporter) Begin() error {
	if e.table == nil {
		return nil
	}
	return e.table.Write(exported[:])
}

// Write writes one device.
func (e *Exporter) Write(d *Device) error {
	if e.table == nil {
		return e.lines.Encode(struct {
			channels.DeviceRef
			Record
			Latitude  *float64 `json:"latitude"`
			Longitude *float64 `json:"longitude"`
		}{d.DeviceRef, d.Record, d.Latitude, d.Longitude})
	}
	groups, err := json.Marshal(d.Groups)
	if err != nil {
		return fmt.Errorf("device %s/%s: groups: %w", d.Type, d.ID, err)
	}
	return e.table.Write([]string{d.Type, d.ID, d.Code, d.Key, d.Name, d.Owner, string(groups), strconv.FormatBool(d.Active),
		d.ProductType, string(d.Attributes), degrees(d.Latitude), degrees(d.Longitude)})
}

// degrees is a coordinate so that it is read back exactly.
func degrees(f *float64) string {
	if f == nil {
		return ""
	}
	return strconv.FormatFloat(*f, 'f', -1, 64)
}

// End writes what is still held back. Without it, the export is not whole.
func (e *Exporter) End() error {
	if e.table == nil {
		return nil
	}
	e.table.Flush()
	return e.table.Error()
}
