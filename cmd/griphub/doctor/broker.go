package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/griphub/griphub/mqttbridge"
)

// queueProbe is how many messages the doctor lets wait at the broker: more than the default limits of Mosquitto, EMQX, VerneMQ
// and HiveMQ, which are 1,000.
const queueProbe = 1100

// examineBroker asks the broker for everything that a bridge needs of it.
func (d *examination) examineBroker(ctx context.Context, r *Report) {
	if d.Config.MQTT.URL == "" {
		r.OK("broker", "none is configured")
		return
	}
	probe, err := mqttbridge.NewProbe(d.Broker)
	if err != nil {
		r.Fail("broker", err.Error(), "correct mqtt in the configuration")
		return
	}
	grants, err := probe.Grants(ctx)
	if err != nil {
		r.Fail("broker", fmt.Sprintf("%s: %v", d.Config.MQTT.URL, err), brokerCure(err))
		return
	}
	if grants.Development() {
		r.OK("broker", "%s is the one of griphub dev, which stores messages before it acknowledges them", d.Config.MQTT.URL)
		return
	}
	r.OK("broker", "%s: %s, lets griphub in with MQTT 5, takes %s", d.Config.MQTT.URL, brokerName(grants), packetLimit(grants))
	r.grants(grants)
	d.examineQueue(ctx, r, probe)
	d.examineMosquitto(ctx, r, grants)
}

func brokerCure(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.Is(err, mqttbridge.ErrCredentials):
		return "set mqtt.username and mqtt.password, or mqtt.cert_file, to a user that the broker knows"
	case errors.Is(err, mqttbridge.ErrNotMQTT5):
		return "let mqtt.url name a broker that speaks MQTT 5, such as Mosquitto 2"
	case errors.As(err, &unknown):
		return "set mqtt.ca_file to the certificate of the authority that signed the broker's"
	case errors.As(err, &host):
		return "let mqtt.url name the broker as its certificate does"
	}
	return "start the broker, or correct mqtt.url"
}

func brokerName(g mqttbridge.Grants) string {
	if g.Version == "" {
		return "a broker that does not say its name"
	}
	return g.Version
}

func packetLimit(g mqttbridge.Grants) string {
	if g.MaxPacketBytes == 0 {
		return "messages of any size"
	}
	return fmt.Sprintf("messages of up to %d bytes", g.MaxPacketBytes)
}

// grants reports what the broker allows.
func (r *Report) grants(g mqttbridge.Grants) {
	const session = "broker session"
	switch {
	case g.SessionExpiry == 0:
		r.Fail(session, "the broker does not keep it: what devices send while griphub is away is lost", "allow sessions to persist in the broker's configuration")
	case g.SessionExpiry < mqttbridge.WantedSessionExpiry:
		r.Warn(session, fmt.Sprintf("kept for %s only while griphub is away, instead of a week", g.SessionExpiry),
			"raise the broker's limit of the session expiry interval")
	default:
		r.OK(session, "kept for a week while griphub is away")
	}
	for _, f := range g.Filters {
		check := "broker topic " + f.Filter
		switch {
		case f.Err != nil:
			r.Fail(check, f.Err.Error(), "let griphub's user read the topic in the broker's access rules")
		case f.QoS == 0:
			r.Fail(check, "granted with QoS 0 only: messages are lost whenever the connection is", "allow QoS 1 in the broker's configuration")
		default:
			r.OK(check, "granted with QoS 1")
		}
	}
	if !g.Retained {
		r.Warn("broker retained", "there are no retained messages: after a restart of the broker, states of devices are unknown until they report",
			"allow retained messages in the broker's configuration")
	}
}

// examineQueue finds out whether the broker drops messages that wait for griphub.
func (d *examination) examineQueue(ctx context.Context, r *Report, probe *mqttbridge.Probe) {
	const check = "broker queue"
	if _, matched := d.Broker.Rules.Message(probe.Topic()); matched {
		r.Warn(check, "not tested, as mqtt.topics covers griphub/doctor/…", "see that the broker keeps any number of messages for a client that is away")
		return
	}
	start := time.Now()
	kept, err := probe.Keeps(ctx, queueProbe)
	switch {
	case errors.Is(err, mqttbridge.ErrNoOwnTopic):
		r.Warn(check, "not tested: "+err.Error(), "let griphub's user read and write griphub/doctor/# in the broker's access rules")
	case err != nil:
		r.Fail(check, err.Error(), "see the broker's log for why it refuses messages of griphub's user")
	case !kept.Session:
		r.Fail(check, "the broker forgot a session that was away for a moment: what devices send while griphub restarts is lost",
			"allow sessions to persist in the broker's configuration")
	case kept.Received < kept.Sent:
		r.Fail(check, fmt.Sprintf("of %d messages that waited for a client that was away, %d came: the others are lost in silence while griphub restarts",
			kept.Sent, kept.Received), "set max_queued_messages 0 and max_queued_bytes 0 in mosquitto.conf, or the limit of messages that wait for a client in another broker")
	default:
		r.OK(check, "all of %d messages that waited for a client that was away came, in %s", kept.Sent, time.Since(start).Round(100*time.Millisecond))
	}
}

// examineMosquitto reads the configuration of a Mosquitto on this machine: MQTT does not tell what it does to messages.
func (d *examination) examineMosquitto(ctx context.Context, r *Report, g mqttbridge.Grants) {
	u, err := url.Parse(d.Broker.URL)
	if err != nil || !strings.HasPrefix(g.Version, "mosquitto") {
		return
	}
	file, conf, err := d.machine.mosquitto(ctx, u)
	if err != nil {
		r.Warn("mosquitto.conf", fmt.Sprintf("cannot be seen from here (%v), and MQTT does not tell what is in it", err),
			"see that it says persistence true, max_queued_messages 0 and autosave_interval 30, or run griphub doctor on the broker's machine as root")
		return
	}
	r.mosquitto(file, conf)
}

// Why a program's configuration is not seen.
var (
	errNotHere    = errors.New("no such program is seen on this machine")
	errUnreadable = errors.New("this user may not read it")
)

// mosquitto finds the configuration of the Mosquitto that listens on the URL's port. The file is empty where Mosquitto runs
// without one.
func (m machine) mosquitto(ctx context.Context, u *url.URL) (file string, conf mosquittoConf, err error) {
	if !isLocal(ctx, u.Hostname()) {
		return "", conf, fmt.Errorf("the broker is on %s", u.Hostname())
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"mqtt": "1883", "mqtts": "8883", "ws": "80", "wss": "443"}[u.Scheme]
	}
	err = errNotHere
	for _, p := range m.programs("mosquitto") {
		name, named := p.option("-c", "--config-file")
		var text []byte
		if named {
			name = p.path(name)
			var failed error
			if text, failed = p.read(name); failed != nil {
				err = errUnreadable
				continue
			}
		}
		conf := parseMosquittoConf(string(text), func(dir string) []string { return p.readAll(dir, "*.conf") })
		if flag, ok := p.option("-p", "--port"); ok {
			conf.ports = append(conf.ports, flag)
		}
		if conf.listensOn(port) {
			return name, conf, nil
		}
	}
	return "", mosquittoConf{}, err
}

// mosquitto reports the options that lose messages. Their defaults are those of mosquitto.conf(5).
func (r *Report) mosquitto(file string, conf mosquittoConf) {
	where := "in " + file
	if file == "" {
		where = "in a mosquitto.conf, and start mosquitto with -c and its name"
	}
	check := func(option string) string { return "mosquitto.conf " + option }
	if conf.options["persistence"] == "true" {
		r.OK(check("persistence"), "true")
		if saved := confNumber(conf.options, "autosave_interval", 1800); conf.options["autosave_on_changes"] != "true" && (saved == 0 || saved > 300) {
			r.Warn(check("autosave_interval"), fmt.Sprintf("%d seconds: what waits at the broker is saved that often only, 0 being never, and a crash loses the rest", saved),
				"set autosave_interval 30 "+where)
		}
	} else {
		r.Fail(check("persistence"), "false: a restart of the broker loses griphub's session and every message that waits",
			"set persistence true and persistence_location "+where)
	}
	if limit := confNumber(conf.options, "max_queued_messages", 1000); limit > 0 {
		r.Fail(check("max_queued_messages"), fmt.Sprintf("%d: messages above that are dropped in silence while griphub is away", limit), "set max_queued_messages 0 "+where)
	} else {
		r.OK(check("max_queued_messages"), "0, no limit")
	}
	if limit := confNumber(conf.options, "max_queued_bytes", 0); limit > 0 {
		r.Fail(check("max_queued_bytes"), fmt.Sprintf("%d: messages above that are dropped in silence while griphub is away", limit), "set max_queued_bytes 0 "+where)
	}
	if limit := confNumber(conf.options, "max_inflight_messages", 20); limit > 0 && limit < 100 {
		r.Warn(check("max_inflight_messages"), fmt.Sprintf("%d: no more are on the way at a time, which makes griphub slow to catch up", limit),
			"set max_inflight_messages 1000 "+where)
	} else {
		r.OK(check("max_inflight_messages"), "%d", limit)
	}
	if expiry, ok := conf.options["persistent_client_expiration"]; ok {
		r.Warn(check("persistent_client_expiration"), expiry+": griphub's session, and what waits in it, is gone when griphub is away for longer",
			"remove it, or see that it is longer than griphub may be away, "+where)
	}
}
