package store

import "github.com/griphub/griphub/channels"

// Rows travel to PostgreSQL as one array per column.

// eventColumns are rows of events.
type eventColumns struct {
	id                        []int64
	positions, kind           []string
	data                      [][]byte
	raw                       []bool
	private                   [][]byte
	scope, user, skip         []string
	deviceType, deviceID, key []string
	shown                     [][]byte
	replayOf                  []int64
	replay                    []int
	time                      []int64
}

func (c *eventColumns) add(e *channels.Event, positions string) {
	c.id = append(c.id, int64(e.ID))
	c.positions = append(c.positions, positions)
	c.kind = append(c.kind, printable(e.Type))
	c.data = append(c.data, notNil(e.Data))
	c.raw = append(c.raw, e.Raw)
	c.private = append(c.private, e.Private)
	c.scope = append(c.scope, string(e.Scope))
	c.user = append(c.user, printable(e.User))
	c.skip = append(c.skip, encodeSkipUsers(e.SkipUsers))
	c.deviceType = append(c.deviceType, printable(e.Device.Type))
	c.deviceID = append(c.deviceID, printable(e.Device.ID))
	c.key = append(c.key, printable(e.Key))
	c.shown = append(c.shown, encodeShown(e.Shown))
	c.replayOf = append(c.replayOf, int64(e.ReplayOf))
	c.replay = append(c.replay, e.Replay)
	c.time = append(c.time, e.Time.UnixMicro())
}

// positionColumns are rows of positions.
type positionColumns struct {
	channel, seq, event, latest []int64
}

func (c *positionColumns) add(of *counter, seq channels.Seq, e *channels.Event) {
	of.latest = max(of.latest, e.Time.UnixMicro())
	c.channel = append(c.channel, of.id)
	c.seq = append(c.seq, int64(seq))
	c.event = append(c.event, int64(e.ID))
	c.latest = append(c.latest, of.latest)
}

// keyColumns are what is known of idempotency keys.
type keyColumns struct {
	key       []string
	event     []int64
	positions []string
}

func (c *keyColumns) add(e *channels.Event, positions string) {
	c.key = append(c.key, printable(e.Key))
	c.event = append(c.event, int64(e.ID))
	c.positions = append(c.positions, positions)
}

// deviceColumns are states of devices.
type deviceColumns struct {
	kind, id, status, firmware, search         []string
	overdue, register                          []bool
	seen, dataTime, statusTime                 []*int64
	battery                                    []*float64
	temperature, humidity, latitude, longitude []*float64
	values                                     [][]byte
}

func (c *deviceColumns) add(d *deviceRow) {
	c.kind = append(c.kind, printable(d.Type))
	c.id = append(c.id, printable(d.ID))
	c.status = append(c.status, printable(string(d.Status)))
	c.overdue = append(c.overdue, d.Overdue)
	c.seen = append(c.seen, micro(d.LastSeen))
	c.firmware = append(c.firmware, printable(d.Firmware))
	c.battery = append(c.battery, d.Battery)
	c.temperature = append(c.temperature, d.Temperature)
	c.humidity = append(c.humidity, d.Humidity)
	c.latitude = append(c.latitude, d.Latitude)
	c.longitude = append(c.longitude, d.Longitude)
	c.dataTime = append(c.dataTime, micro(d.DataTime))
	c.statusTime = append(c.statusTime, micro(d.StatusTime))
	c.values = append(c.values, d.values)
	c.search = append(c.search, printable(searchText(d.DeviceRef, nil)))
	c.register = append(c.register, d.Register)
}

// recordColumns are records of devices. What is in them was validated, so that every database takes it.
type recordColumns struct {
	kind, id, code, key, name, owner, product, groups, search, attributes []string
	active                                                                []bool
	latitude, longitude                                                   []*float64
}

func (c *recordColumns) add(d *recordRow) {
	c.kind = append(c.kind, d.Type)
	c.id = append(c.id, d.ID)
	c.active = append(c.active, d.After.Active)
	c.code = append(c.code, d.After.Code)
	c.key = append(c.key, d.After.Key)
	c.name = append(c.name, d.After.Name)
	c.owner = append(c.owner, d.After.Owner)
	c.product = append(c.product, d.After.ProductType)
	c.groups = append(c.groups, d.groups)
	c.search = append(c.search, d.search)
	c.attributes = append(c.attributes, string(d.After.Attributes))
	c.latitude = append(c.latitude, d.Latitude)
	c.longitude = append(c.longitude, d.Longitude)
}

// columnsOf are devices' names.
func columnsOf(refs []channels.DeviceRef) (kinds, ids []string) {
	kinds, ids = make([]string, len(refs)), make([]string, len(refs))
	for i, ref := range refs {
		kinds[i], ids[i] = printable(ref.Type), printable(ref.ID)
	}
	return kinds, ids
}

// columnsOfGroups are which devices are in which groups.
func columnsOfGroups(list []membership) (groups, kinds, ids []string) {
	for _, g := range list {
		groups, kinds, ids = append(groups, g.group), append(kinds, g.Type), append(ids, g.ID)
	}
	return groups, kinds, ids
}

func printables(texts []string) []string {
	all := make([]string, len(texts))
	for i, text := range texts {
		all[i] = printable(text)
	}
	return all
}
