// Package fragments turns device events into HTML, as templates of the operator say: templates/{device type}/{name}.html.
//
// A fragment depends on its event and its template alone, so that a viewer is shown the same live and from the log.
package fragments
