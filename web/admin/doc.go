// Package admin is the pages for administrators, at /admin/: the log as it grows, events, devices, channels, dead letters, and how
// everything does. They are plain HTML over the interfaces that the API uses; a script makes them live.
package admin
