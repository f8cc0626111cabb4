// Package webhook tells HTTP endpoints of events: subscribers, which follow the log, and hooks, which are asked before an event
// is stored or shown. Requests are signed as Standard Webhooks has it (https://www.standardwebhooks.com): receivers in any
// language find a library that verifies them.
package webhook
