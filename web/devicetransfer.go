package web

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/griphub/griphub/channels"
	"github.com/griphub/griphub/devices"
)

const (
	// maxImportBody bounds an import, in bytes.
	maxImportBody = 256 << 20
	// exportPage is how many devices an export reads at a time.
	exportPage = 1000
)

// importDevices answers POST /api/devices/import?format=csv|jsonl, all of the file or nothing.
func (s *Server) importDevices(c *gin.Context) error {
	if err := s.administrator(c.Request); err != nil {
		return err
	}
	format, err := devices.ParseFormat(c.DefaultQuery("format", string(devices.JSONL)))
	if err != nil {
		return badRequest(sentence(err))
	}
	file, err := devices.ReadImport(http.MaxBytesReader(c.Writer, c.Request.Body, maxImportBody), format)
	if err == nil {
		err = file.Explain(s.opts.Editor.Edit(c.Request.Context(), file.Edits))
	}
	var wrong *devices.ImportError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &wrong):
		return &problem{status: http.StatusUnprocessableEntity, code: "invalid", message: wrong.Error(), at: fmt.Sprintf("line %d", wrong.Line)}
	case errors.As(err, &tooLarge):
		return publishProblem(err, nil)
	case errors.Is(err, devices.ErrNothing):
		return badRequest(sentence(err))
	case err != nil:
		return err
	}
	c.JSON(http.StatusOK, gin.H{"imported": len(file.Edits)})
	return nil
}

// exportDevices answers GET /api/devices/export?format=csv|jsonl and the filters of a list, with what administrators say
// of the devices that the reader may see. An answer that fails on its way is cut off, so that nobody takes it for whole.
func (s *Server) exportDevices(c *gin.Context) error {
	principal, err := s.authenticate(c.Request)
	if err != nil {
		return err
	}
	filter, err := deviceFilter(c)
	if err != nil {
		return err
	}
	format, err := devices.ParseFormat(c.DefaultQuery("format", string(devices.JSONL)))
	if err != nil {
		return badRequest(sentence(err))
	}
	contentType := map[devices.Format]string{devices.CSV: "text/csv; charset=utf-8", devices.JSONL: "application/x-ndjson"}[format]
	export := devices.NewExporter(c.Writer, format)
	var after channels.DeviceRef
	for begun := false; ; begun = true {
		page, err := s.opts.Registry.List(c.Request.Context(), filter, after, exportPage)
		if err == nil && !begun {
			c.Header("Cache-Control", "no-store")
			c.Header("Content-Type", contentType)
			err = export.Begin()
		}
		if err == nil {
			err = s.exportPage(c, principal, export, page)
		}
		if err != nil && begun {
			s.log.ErrorContext(c.Request.Context(), "export devices", "error", err)
			panic(http.ErrAbortHandler)
		}
		if err != nil || len(page) < exportPage {
			return errors.Join(err, export.End())
		}
		after = page[len(page)-1].DeviceRef
	}
}

func (s *Server) exportPage(c *gin.Context, p channels.Principal, export *devices.Exporter, page []devices.Device) error {
	visible, err := s.visible(c, p, page)
	if err != nil {
		return err
	}
	for i := range visible {
		if err := export.Write(&visible[i]); err != nil {
			return err
		}
	}
	return nil
}
