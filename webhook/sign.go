package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of a signed request (Standard Webhooks, "Webhook Headers").
const (
	// HeaderID names the message; it is the same in every try, so that a receiver knows a repetition.
	HeaderID = "Webhook-Id"
	// HeaderTimestamp is when the request was sent, in seconds since 1970.
	HeaderTimestamp = "Webhook-Timestamp"
	// HeaderSignature is "v1," and the signature in base64. A receiver takes any of several, separated by blanks.
	HeaderSignature = "Webhook-Signature"
)

// Tolerance is how far a timestamp may be from the receiver's clock.
const Tolerance = 5 * time.Minute

// A Secret signs requests. The zero value signs nothing.
type Secret []byte

// ParseSecret reads "whsec_" and base64, the form that libraries of Standard Webhooks take; any other text is itself the
// secret.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, "whsec_")
	if !ok {
		return Secret(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, errors.New("what follows whsec_ is not base64")
	}
	return key, nil
}

// sign returns the header value for the message.
func (s Secret) sign(id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, s)
	fmt.Fprintf(mac, "%s.%d.", id, at.Unix())
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// setHeader puts the message's headers. An id holds no "." (it would make the signed text ambiguous).
func (s Secret) setHeader(h http.Header, id string, at time.Time, body []byte) {
	h.Set(HeaderID, id)
	h.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	if len(s) > 0 {
		h.Set(HeaderSignature, s.sign(id, at, body))
	}
}

// Verify is for receivers: it tells why a request with that header and body was not signed with the secret within Tolerance
// of now, nil where it was.
func (s Secret) Verify(h http.Header, body []byte, now time.Time) error {
	if len(s) == 0 {
		return errors.New("webhook: no secret")
	}
	seconds, err := strconv.ParseInt(h.Get(HeaderTimestamp), 10, 64)
	if err != nil {
		return errors.New("webhook: " + HeaderTimestamp + " is missing or no number")
	}
	at := time.Unix(seconds, 0)
	if away := now.Sub(at); away > Tolerance || away < -Tolerance {
		return errors.New("webhook: the timestamp is too old or ahead")
	}
	want := []byte(s.sign(h.Get(HeaderID), at, body))
	for signature := range strings.FieldsSeq(h.Get(HeaderSignature)) {
		if hmac.Equal([]byte(signature), want) {
			return nil
		}
	}
	return errors.New("webhook: the signature is wrong")
}
