package grip

// Headers that a proxy adds to requests. It removes a client's own first.
const (
	HeaderSig       = "Grip-Sig"        // signed token; see [Verifier]
	HeaderFeature   = "Grip-Feature"    // abilities; see [ParseFeatures]
	HeaderLast      = "Grip-Last"       // positions; see [ParseLast]
	HeaderSessionID = "Grip-Session-Id" // the client's session, where sessions are used
)

// Headers of responses. A proxy removes them before the client.
const (
	HeaderHold          = "Grip-Hold"
	HeaderChannel       = "Grip-Channel"
	HeaderTimeout       = "Grip-Timeout"
	HeaderKeepAlive     = "Grip-Keep-Alive"
	HeaderSetMeta       = "Grip-Set-Meta"
	HeaderStatus        = "Grip-Status"
	HeaderLink          = "Grip-Link"
	HeaderExposeHeaders = "Grip-Expose-Headers"
)

// Headers of WebSocket-over-HTTP.
const (
	HeaderConnectionID      = "Connection-Id"            // request: names the WebSocket connection
	HeaderMetaPrefix        = "Meta-"                    // request: what HeaderSetMetaPrefix has set
	HeaderSetMetaPrefix     = "Set-Meta-"                // response: sets a Meta- header; empty removes it
	HeaderKeepAliveInterval = "Keep-Alive-Interval"      // response: seconds between empty batches, at least 20
	HeaderBytesAccepted     = "Content-Bytes-Accepted"   // response: keep the rest for replay; Pushpin 1.41 and later
	HeaderBytesReplayed     = "Content-Bytes-Replayed"   // request: how much of the body is such a rest
	HeaderWSExtensions      = "Sec-WebSocket-Extensions" // both: offers and accepts WSExtension
)

// Media types. A proxy compares them byte by byte, so nothing such as a
// charset may be added.
const (
	TypeInstruct = "application/grip-instruct"
	TypeWSEvents = "application/websocket-events"
)

// WSExtension in [HeaderWSExtensions] of the first response turns control
// messages on. From then on a text that starts with "c:" is for the proxy,
// one that starts with [MessagePrefix] is for the client without it, and a
// proxy drops any other in silence.
const WSExtension = "grip"

// MessagePrefix marks a text or binary message as the client's, where
// [WSExtension] was accepted.
const MessagePrefix = "m:"

// Filters of subscriptions. Which of them a proxy knows is in [Features]. The
// values that they read are in the Meta of the hold and of the item.
const (
	FilterSkipSelf   = "skip-self"   // drop if the hold's user is the item's sender
	FilterSkipUsers  = "skip-users"  // drop if the hold's user is in the item's skip_users
	FilterRequireSub = "require-sub" // drop unless the item's require_sub names a channel of the hold
	FilterBuildID    = "build-id"    // replace %I by the hold's id_format; see [EscapeBuildID]
	FilterVarSubst   = "var-subst"   // replace %(name)s by the hold's meta value
)

// Meta names that filters read.
const (
	MetaUser       = "user"        // of holds
	MetaIDFormat   = "id_format"   // of holds; see [IDFormatPosition]
	MetaIDEncoding = "id_encoding" // of holds: "hex", or absent
	MetaSender     = "sender"      // of items
	MetaSkipUsers  = "skip_users"  // of items: list with commas
	MetaRequireSub = "require_sub" // of items
)

// MaxFilters is how many filters a channel of a hold or subscription may have.
const MaxFilters = 5

// MaxInitialBody is how many bytes of the response to a held request a proxy
// buffers; a larger one is an error to it wherever [FilterBuildID] is used.
const MaxInitialBody = 100_000

// MaxPublishBody is how long the body of a publish request may be, in bytes,
// as Pushpin and Fastly have it by default.
const MaxPublishBody = 1_000_000
