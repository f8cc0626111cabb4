// Package config reads what griphub is told: flags over environment over file over defaults.
//
// The structs below are the only list of keys. Their tags drive decoding, environment names, printing and the reference
// documentation, so that a key exists either everywhere or nowhere:
//
//	yaml      the key's name; its path is the names joined with "."
//	doc       one sentence or two for the reader of the reference
//	default   the value that holds when nobody says otherwise, written as in the environment
//	oneof     the words that are allowed, separated by spaces
//	min, max  bounds, inclusive, in the field's own notation
//	path      "true" where the value is a file name: relative names in a file are relative to that file
//	entry     "true" on the one key of a list's entries that an entry without keys, a single value, stands for
//
// The package knows no other package of griphub: values are plain strings, numbers and durations, and the wiring turns
// them into what each package asks for.
package config

import "time"

// Config is everything that can be said to griphub. The zero value is not usable; start from Default or Load.
type Config struct {
	Listen         string    `yaml:"listen" default:"127.0.0.1:8000" doc:"Address on which the backend answers the GRIP proxy, as host:port."`
	OpsListen      string    `yaml:"ops_listen" default:"127.0.0.1:8001" doc:"Address of /metrics, /healthz and /readyz. It must never be reachable through the proxy."`
	Database       SecretURL `yaml:"database" default:"sqlite:griphub.db" path:"true" doc:"Where the event log and the device registry live: sqlite:PATH, or postgres://user:password@host/name."`
	Secret         Secret    `yaml:"secret" doc:"Signs next links and cookies; at least 32 bytes. All instances of one hub share it. A value that starts with base64: is decoded first."`
	SecretPrevious Secret    `yaml:"secret_previous" doc:"The secret before the last change. It still verifies and no longer signs, so that a rotation breaks no open stream; remove it after a day."`

	Grip     Grip      `yaml:"grip" doc:"The GRIP proxies that hold the connections."`
	MQTT     MQTT      `yaml:"mqtt" doc:"The broker that the devices speak to."`
	Devices  Devices   `yaml:"devices" doc:"The device registry and its heartbeat monitor."`
	Auth     Auth      `yaml:"auth" doc:"How griphub learns who a visitor is."`
	Channels []Channel `yaml:"channels" default:"[{match: \"iot_**\", read: authenticated, shared: true}, {match: \"**\", read: public}]" doc:"Rules for channels; the first rule whose pattern matches decides. A channel that no rule matches is read by nobody."`
	Streams  []Stream  `yaml:"streams" doc:"Event stream routes with a fixed set of channels, beside /events/."`

	Stream    StreamSettings `yaml:"stream" doc:"What holds for every stream."`
	CORS      CORS           `yaml:"cors" doc:"Which other origins may read streams from a browser."`
	Publish   Publish        `yaml:"publish" doc:"Who may publish over HTTP."`
	Hooks     Hooks          `yaml:"hooks" doc:"Webhooks: HTTP endpoints that see, change or refuse events."`
	Templates Templates      `yaml:"templates" doc:"HTML fragments of device events."`
	Log       Log            `yaml:"log" doc:"What serve and dev write to standard error."`
	Assets    Assets         `yaml:"assets" doc:"Third-party browser files that the pages load."`

	// origins tells for each key that was given where it was given; dir is what relative names in the file are relative to.
	origins map[string]origin
	dir     string
}

// Grip names the proxies and says how far to trust a request.
type Grip struct {
	URLs         []SecretURL `yaml:"urls" default:"[\"http://127.0.0.1:5561\"]" doc:"Control ports, one entry for each proxy, as GRIP URLs: http://host:5561?iss=…&key=…&verify-iss=…&verify-key=…. While a proxy's key is changed, a second entry with the same control port and the other key. The environment variable GRIP_URL sets it too; GRIPHUB_GRIP_URLS goes before GRIP_URL."`
	Stats        []string    `yaml:"stats" doc:"Stats sockets of the proxies (stats_spec in pushpin.conf), one entry for each that has one, as tcp://host:port or ipc:///path. They tell who is watching: GET /api/presence, the topics watched of devices, and how fast events may follow each other where many watch."`
	Writes       int         `yaml:"writes_per_second" default:"20000" min:"100" doc:"How many writes to viewers each proxy can make in a second, which is about 20,000 for a Pushpin on two cores. Events for more viewers than that wait for each other, up to a second, and are then written together. It needs stats."`
	Prefix       string      `yaml:"prefix" doc:"Text before every GRIP channel name, where several applications share a proxy."`
	RequireProxy bool        `yaml:"require_proxy" default:"true" doc:"Answer 501 to a stream request without a valid Grip-Sig. Polling, publishing and pages work without a proxy."`
}

// MQTT is the connection to the broker, and the topics that are read from it.
type MQTT struct {
	URL      SecretURL `yaml:"url" default:"mqtt://127.0.0.1:1883" doc:"The broker: mqtt, mqtts, ws or wss. Empty means that no broker is used."`
	ClientID string    `yaml:"client_id" default:"griphub" doc:"The session's name at the broker. Messages that arrive while griphub is away wait under this name, so it must not change."`
	Username string    `yaml:"username" doc:"User name at the broker."`
	Password Secret    `yaml:"password" doc:"Password at the broker."`
	CAFile   string    `yaml:"ca_file" path:"true" doc:"Certificates that the broker's certificate is checked against, in PEM form, instead of the system's."`
	CertFile string    `yaml:"cert_file" path:"true" doc:"Client certificate in PEM form; key_file belongs to it."`
	KeyFile  string    `yaml:"key_file" path:"true" doc:"Private key of cert_file in PEM form."`
	Topics   []Topic   `yaml:"topics" default:"[{topic: \"things/{device_type}/{device_id}/data\", kind: data, id: id}, {topic: \"things/{device_type}/{device_id}/status\", kind: status}, {topic: \"users/{user}/devices/{device_code}/status\", kind: state}, {topic: \"things/{device_type}/{device_id}/response\", kind: response}]" doc:"What to subscribe to and what the messages are; the first topic that matches a message decides."`
}

// Topic says what the messages of matching MQTT topics are.
type Topic struct {
	Topic   string `yaml:"topic" doc:"Topic pattern. {name} stands for one level and gives it a name: device_type, device_id, device_code, user, field."`
	Kind    string `yaml:"kind" oneof:"data status state response" doc:"data: readings, sent on as they are. status: the device's own status. state: an update of the registered device, sent to its owner. response: the answer to a command."`
	Type    string `yaml:"type" doc:"Type of the devices, where the topic has no {device_type}."`
	Decoder string `yaml:"decoder" default:"json" oneof:"json value homeassistant zigbee2mqtt tasmota shelly" doc:"How payloads are read. json: griphub's own form. value: one number or word. The others tell the kind by themselves."`
	ID      string `yaml:"id" doc:"Payload field that holds the message's own id; a repeat of an id is dropped. Empty means none. Not for kind state, whose messages do no harm twice."`
}

// Devices are the settings of the registry.
type Devices struct {
	Unknown   string        `yaml:"unknown" default:"register" oneof:"register ignore dead-letter" doc:"What to do with a message of a device that is not registered. register: add the device (a device code that nobody has goes to the dead letters). ignore: count the message and keep nothing. dead-letter: keep it with the reason (griphub events list --dead)."`
	Heartbeat time.Duration `yaml:"heartbeat" default:"300s" min:"1s" doc:"How often a healthy device reports."`
	Grace     float64       `yaml:"grace" default:"2.5" min:"1" max:"1000" doc:"A device is offline after this many heartbeats of silence."`
}

// Auth says how a request becomes a user.
type Auth struct {
	Mode    string  `yaml:"mode" default:"jwt" oneof:"jwt forward none" doc:"jwt: a signed token in the cookie, the Authorization header or the query. forward: the application is asked. none: every visitor is anonymous."`
	JWT     JWT     `yaml:"jwt" doc:"Tokens, for mode jwt."`
	Cookie  string  `yaml:"cookie" default:"griphub_token" doc:"Name of the cookie that may carry the token."`
	Forward Forward `yaml:"forward" doc:"The application's endpoint, for mode forward."`
}

// JWT says which tokens are believed. Exactly one of Secret, PublicKeyFile and JWKSURL is used.
type JWT struct {
	Algorithm     string    `yaml:"algorithm" default:"HS256" oneof:"HS256 RS256 ES256 EdDSA" doc:"The only algorithm that is accepted. HS256 uses secret; the others use public_key_file or jwks_url."`
	Secret        Secret    `yaml:"secret" doc:"Shared key for HS256; at least 32 bytes (RFC 7518, section 3.2). A value that starts with base64: is decoded first."`
	PublicKeyFile string    `yaml:"public_key_file" path:"true" doc:"Public key in PEM form."`
	JWKSURL       SecretURL `yaml:"jwks_url" doc:"Where the issuer publishes its keys as a JSON Web Key Set."`
	Audience      string    `yaml:"audience" doc:"If set, the token's aud must contain it."`
	Issuer        string    `yaml:"issuer" doc:"If set, the token's iss must equal it."`
}

// Forward asks the application about each visitor.
type Forward struct {
	URL SecretURL     `yaml:"url" doc:"Gets the visitor's cookies and Authorization header; answers 200 with X-User-Id and X-Channels, or 401 or 403."`
	TTL time.Duration `yaml:"ttl" default:"10s" min:"0s" max:"1h" doc:"How long an answer holds for the same credentials. 0s asks every time."`
}

// Channel is a rule for the channels that its pattern matches.
type Channel struct {
	Match     string        `yaml:"match" doc:"Pattern of channel names. * matches any text up to the next _ or /, ** matches any text."`
	Read      string        `yaml:"read" oneof:"public authenticated token nobody" doc:"Who may read. token: only who has a matching pattern in the token's channels, or in the application's answer."`
	Reliable  bool          `yaml:"reliable" default:"true" doc:"Keep events, so that a reader who was away gets what it missed."`
	Retention time.Duration `yaml:"retention" default:"24h" min:"1s" doc:"How long events are kept, at least: what is older goes within a minute."`
	Keep      int           `yaml:"keep" default:"0" min:"0" doc:"So many events are kept of each channel, the newest: what is more goes within a minute; 0 for no such bound."`
	Class     string        `yaml:"class" default:"event" oneof:"event state" doc:"event: viewers are shown every event. state: only the newest of each device, at most max_rate times a second; the log keeps all."`
	MaxRate   float64       `yaml:"max_rate" default:"1" min:"0.01" max:"100" doc:"For class state: how often a second viewers are shown something new of a channel."`
	Shared    bool          `yaml:"shared" doc:"The viewers of a channel are all alike: its events skip nobody. A proxy then repairs the streams of all of them with one request; without, it repairs ten signed-in viewers a second. Set it where many signed-in viewers watch."`
}

// Stream is a route whose channels the server chooses.
type Stream struct {
	Path     string   `yaml:"path" doc:"Path of the route; {name} stands for one segment."`
	Channels []string `yaml:"channels" doc:"Channels of the stream; {name} is replaced by the segment of the path."`
}

// StreamSettings hold for every stream.
type StreamSettings struct {
	MaxChannels       int           `yaml:"max_channels" default:"10" min:"1" max:"200" doc:"Most channels of one stream. Pushpin's connection_subscription_max, which is 20 unless it was raised, must be at least twice that."`
	Keepalive         time.Duration `yaml:"keepalive" default:"20s" min:"1s" max:"1h" doc:"Silence after which an event stream sends keep-alive."`
	DeviceKeepalive   time.Duration `yaml:"device_keepalive" default:"30s" min:"1s" max:"1h" doc:"Silence after which a device stream sends its keepalive comment."`
	RealtimeKeepalive time.Duration `yaml:"realtime_keepalive" default:"5s" min:"1s" max:"1h" doc:"Silence after which /realtime/sse/ sends its heartbeat comment."`
	Recheck           time.Duration `yaml:"recheck" default:"60s" min:"1s" max:"1h" doc:"How often the proxy asks again for a silent stream: the longest that a lost publish or a lost permission goes unnoticed."`
}

// CORS lists what a browser on another origin may do.
type CORS struct {
	Origins     []string `yaml:"origins" doc:"Origins that may read, as scheme://host[:port]; \"*\" is any."`
	Credentials bool     `yaml:"credentials" doc:"Let those origins send cookies. Not together with \"*\"."`
	Headers     []string `yaml:"headers" doc:"Request headers that are allowed beside Last-Event-ID and htmx's HX-*."`
}

// Publish says who may publish over HTTP, and how much. Rates are counted by each instance for itself.
type Publish struct {
	Keys      []PublishKey `yaml:"keys" doc:"API keys for POST /api/publish (Authorization: Bearer), beside tokens with publish. An entry is a key, or what griphub token --key prints of one; or it has the keys that follow."`
	UserRate  float64      `yaml:"user_rate" default:"100" min:"0" max:"1000000" doc:"Events a second that a user may publish with a token; 0 for no bound. Administrators have none."`
	UserBurst int          `yaml:"user_burst" default:"1000" min:"1" max:"10000" doc:"Events that a user may publish at once, after a pause."`
}

// PublishKey lets an application publish.
type PublishKey struct {
	Name     string   `yaml:"name" doc:"What logs and metrics call the application. Keys of the same name, such as an old and a new one, share their idempotency ids. Without it a part of the key's SHA-256."`
	Key      Secret   `yaml:"key" entry:"true" doc:"The key, or its SHA-256 as sha256:HEX, which opens nothing for who reads the file."`
	Channels []string `yaml:"channels" doc:"Patterns of the channels that it may publish to, as in channels[].match; @public, @user/** and @system are those of events for everybody, for users and for the backend. Empty for all."`
	Rate     float64  `yaml:"rate" default:"0" min:"0" max:"1000000" doc:"Events a second; 0 for no bound."`
	Burst    int      `yaml:"burst" default:"1000" min:"1" max:"10000" doc:"Events that it may publish at once, after a pause, where rate is set."`
}

// Hooks are the webhooks, in the order in which an event meets them.
type Hooks struct {
	OnReceive   Hook         `yaml:"on_receive" doc:"Is asked once for each event before it is stored, and may change, drop or refuse it."`
	BeforeSend  Hook         `yaml:"before_send" doc:"Is asked once for each event what its viewers are shown: the event, something else, or nothing. The log and subscribers keep the original."`
	Subscribers []Subscriber `yaml:"subscribers" doc:"Are told about stored events, also about those that no browser sees."`
	DenyPrivate bool         `yaml:"deny_private" doc:"Refuse to call hooks and subscribers at addresses that are not of the public internet, whatever their names lead to."`
}

// Hook is an HTTP endpoint that is asked about events. An empty URL means that there is none.
type Hook struct {
	URL     SecretURL     `yaml:"url" doc:"Endpoint that gets events as a JSON POST, and answers what is to become of them."`
	Secret  Secret        `yaml:"secret" doc:"Signs requests as Standard Webhooks has it, so that the endpoint can tell who called. whsec_ and base64, or any text."`
	Timeout time.Duration `yaml:"timeout" default:"5s" min:"100ms" max:"1m" doc:"How long to wait for the answer; publishers wait as long."`
	Match   string        `yaml:"match" default:"**" doc:"Pattern of channel names, as in channels: the endpoint is asked about events that have such a channel. ** also matches those of user, global and system events: @user/ID, @public, @system."`
	OnError string        `yaml:"on_error" default:"closed" oneof:"open closed" doc:"What happens to events where the endpoint does not answer, or answers nonsense. closed: they are not published, and the publisher is told to try again. open: they are published as they are."`
}

// Subscriber is a webhook for the events of some channels.
type Subscriber struct {
	Name     string        `yaml:"name" doc:"What the subscriber's place in the log is kept under. It must not change."`
	Match    string        `yaml:"match" doc:"The channel, where there is only one: short for channels. Subscribers follow channels by name; a pattern is refused. A device type's channel iot_TYPE has the events of all its devices."`
	Channels []string      `yaml:"channels" doc:"The channels to follow, at most 100. Internal ones may be among them: @system, @public for global events, @user/ID for a user's own."`
	Events   []string      `yaml:"events" doc:"Patterns of event types; without any, all events are told."`
	URL      SecretURL     `yaml:"url" doc:"Endpoint that gets each event as a JSON POST."`
	Secret   Secret        `yaml:"secret" doc:"Signs requests as Standard Webhooks has it, so that the endpoint can tell who called. whsec_ and base64, or any text."`
	Timeout  time.Duration `yaml:"timeout" default:"5s" min:"100ms" max:"1m" doc:"How long to wait for the answer."`
	Retries  int           `yaml:"retries" default:"8" min:"0" max:"1000" doc:"How often a message is sent again that is answered with an error, or not in time, before it is put away. While nobody listens, or the answer is 408, 425, 429, 502, 503 or 504, it is sent again without a bound."`
}

// Templates says where the templates of HTML fragments are.
type Templates struct {
	Dir string `yaml:"dir" path:"true" doc:"Directory with <device type>/<name>.html. Empty means that no stream has HTML."`
}

// Log is what a running hub tells of itself. Secrets, paths and queries of requests are in no line.
type Log struct {
	Level  string `yaml:"level" default:"info" oneof:"debug info warn error" doc:"The least level that is worth a line. The flag --verbose goes before it."`
	Format string `yaml:"format" default:"text" oneof:"text json" doc:"text: key=value. json: an object on each line."`
	Access bool   `yaml:"access" doc:"A line for each request, by its route; of a flood, the first lines and how many there were."`
}

// Assets says where third-party browser files come from.
type Assets struct {
	Dir string `yaml:"dir" path:"true" doc:"Directory with <package>@<version>/<file>. Empty sends browsers to a public CDN."`
}
