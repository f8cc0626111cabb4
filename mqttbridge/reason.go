package mqttbridge

import (
	"errors"
	"fmt"

	"github.com/eclipse/paho.golang/paho"
)

// reasonText says in words what a reason code means (MQTT 5, section 2.4), and what to do where that is known.
func reasonText(code byte) string {
	if text, ok := reasonTexts[code]; ok {
		return text
	}
	return fmt.Sprintf("reason code 0x%02x", code)
}

var reasonTexts = map[byte]string{
	// 0x01 is what a broker of MQTT 3.1.1 answers to an unknown version of the protocol.
	0x01: "the broker does not speak MQTT 5",
	0x84: "the broker does not speak MQTT 5",
	0x85: "the broker does not accept the client id",
	0x86: "wrong user name or password",
	0x87: "not authorized",
	0x88: "the broker is not available",
	0x89: "the broker is busy",
	0x8a: "the broker has banned this client",
	0x8b: "the broker shuts down",
	0x8d: "the broker heard nothing within the keep-alive time",
	0x8e: "another client has connected with the same client id",
	0x8f: "the broker does not accept the topic filter",
	0x93: "the broker counts more unacknowledged messages than agreed",
	0x95: "a packet is too large for the broker",
	0x97: "the broker's quota is exceeded",
	0x98: "the broker's administrator has closed the connection",
	0x9c: "the broker says to use another server",
	0x9d: "the broker has moved",
	0x9e: "the broker has no shared subscriptions",
	0x9f: "the broker limits the rate of connections",
	0xa2: "the broker has no wildcard subscriptions",
}

func connackError(code byte, err error) error {
	if err == nil {
		// paho takes the codes of MQTT 3.1.1 for success.
		err = errors.New("connection refused")
	}
	return fmt.Errorf("%s (0x%02x): %w", reasonText(code), code, err)
}

func disconnectError(d *paho.Disconnect) error {
	err := errors.New(reasonText(d.ReasonCode))
	if d.Properties != nil && d.Properties.ReasonString != "" {
		err = fmt.Errorf("%w: %s", err, d.Properties.ReasonString)
	}
	return fmt.Errorf("the broker closed the connection: %w", err)
}
