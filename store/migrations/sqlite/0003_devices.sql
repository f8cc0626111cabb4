-- What administrators say of each device, beside what it reports. The table is made anew, so that what lists and the
-- monitor look through stands before the long columns.
CREATE TABLE devices_with_records (
  type         TEXT NOT NULL,
  id           TEXT NOT NULL,
  -- what messages and the monitor write
  status       TEXT NOT NULL DEFAULT 'offline',
  overdue      INTEGER NOT NULL DEFAULT 0, -- offline only because nothing was heard
  last_seen    INTEGER,                    -- NULL for never
  active       INTEGER NOT NULL DEFAULT 1, -- the administrators', as is what follows the next block
  firmware     TEXT NOT NULL DEFAULT '',
  battery      REAL,                       -- percent; here and below NULL for unknown
  temperature  REAL,
  humidity     REAL,
  latitude     REAL,                       -- degrees; administrators may write the coordinates, too
  longitude    REAL,
  data_time    INTEGER,                    -- the newest time that the device gave with its data
  status_time  INTEGER,                    -- and with its status
  -- what administrators write
  code         TEXT NOT NULL DEFAULT '',
  key          TEXT NOT NULL DEFAULT '',
  name         TEXT NOT NULL DEFAULT '',
  owner        TEXT NOT NULL DEFAULT '',
  product_type TEXT NOT NULL DEFAULT '',
  groups       TEXT NOT NULL DEFAULT '[]', -- a JSON array of objects id, name
  search       TEXT NOT NULL,              -- type/id, code, key and name in lower case
  created      INTEGER NOT NULL,
  updated      INTEGER NOT NULL,
  attributes   TEXT NOT NULL DEFAULT '{}', -- a JSON object
  data         BLOB NOT NULL DEFAULT x'7b7d', -- the values that messages brought, a JSON object
  PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;

INSERT INTO devices_with_records (type, id, status, last_seen, firmware, battery, search, created, updated, data)
SELECT type, id, status, last_seen, firmware, battery, lower(type || '/' || id),
  unixepoch() * 1000000, unixepoch() * 1000000, data
FROM devices;

DROP TABLE devices;
ALTER TABLE devices_with_records RENAME TO devices;

CREATE UNIQUE INDEX devices_code ON devices (code) WHERE code <> '';
CREATE UNIQUE INDEX devices_key ON devices (key) WHERE key <> '';
CREATE INDEX devices_owner ON devices (owner, type, id) WHERE owner <> '';
CREATE INDEX devices_status ON devices (status, type, id);
CREATE INDEX devices_inactive ON devices (type, id) WHERE active = 0;

-- Which devices are in a group. It repeats devices.groups as an index would.
CREATE TABLE device_groups (
  group_id TEXT NOT NULL,
  type     TEXT NOT NULL,
  id       TEXT NOT NULL,
  PRIMARY KEY (group_id, type, id)
) STRICT, WITHOUT ROWID;
