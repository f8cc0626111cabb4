-- The event log and the device registry. Times are microseconds since 1970, UTC.

-- How far ids were given, in one row.
CREATE TABLE log (
  one   INTEGER PRIMARY KEY CHECK (one = 1),
  event INTEGER NOT NULL -- the highest event id
) STRICT;

INSERT INTO log (one, event) VALUES (1, 0);

-- Where the log continued because it could not prove that it is its own newest copy. The highest base holds for
-- every channel whose head is below it; the others stay valid positions.
CREATE TABLE jumps (
  base INTEGER PRIMARY KEY,
  time INTEGER NOT NULL
) STRICT;

-- Counters. They outlive the events: a row is never deleted.
CREATE TABLE channels (
  id     INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE,
  head   INTEGER NOT NULL,           -- the number of the newest event
  floor  INTEGER NOT NULL DEFAULT 0, -- the number of the newest event that was trimmed
  oldest INTEGER                     -- when the event above the floor was stored; NULL where there is none
) STRICT;

CREATE TRIGGER channels_stay BEFORE DELETE ON channels BEGIN
  SELECT RAISE(ABORT, 'counters of channels must stay, or numbers would be given twice');
END;

-- Events, each once.
CREATE TABLE events (
  id          INTEGER PRIMARY KEY,
  positions   TEXT NOT NULL,    -- the event's cursor, "a:3,b:7", in the order of its channels
  type        TEXT NOT NULL,
  data        BLOB NOT NULL,
  raw         INTEGER NOT NULL,
  private     BLOB,
  scope       TEXT NOT NULL,
  user_id     TEXT NOT NULL,
  skip_users  TEXT NOT NULL,    -- a JSON array, '' for none
  device_type TEXT NOT NULL,
  device_id   TEXT NOT NULL,
  key         TEXT NOT NULL,
  time        INTEGER NOT NULL, -- when it happened
  stored      INTEGER NOT NULL  -- when it was committed; retention goes by this, as devices' clocks err
) STRICT;

-- Which event has which number in which channel. It repeats events.positions as an index would. latest is the
-- latest time of this event and those before it: times may go back, latest does not, so it can be searched.
CREATE TABLE positions (
  channel_id INTEGER NOT NULL,
  seq        INTEGER NOT NULL,
  event_id   INTEGER NOT NULL,
  latest     INTEGER NOT NULL,
  PRIMARY KEY (channel_id, seq)
) STRICT, WITHOUT ROWID;

-- Idempotency keys. They know the positions, as they may outlive the event.
CREATE TABLE keys (
  key       TEXT PRIMARY KEY,
  event_id  INTEGER NOT NULL,
  positions TEXT NOT NULL,
  stored    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_stored ON keys (stored);

-- Messages that could not become events. AUTOINCREMENT: an id is never given twice.
CREATE TABLE refusals (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  source  TEXT NOT NULL,
  reason  TEXT NOT NULL,
  payload BLOB NOT NULL,
  time    INTEGER NOT NULL
) STRICT;

CREATE INDEX refusals_time ON refusals (time);

-- What is known of each device.
CREATE TABLE devices (
  type      TEXT NOT NULL,
  id        TEXT NOT NULL,
  status    TEXT NOT NULL,
  last_seen INTEGER,        -- NULL for never
  firmware  TEXT NOT NULL,
  battery   REAL,           -- percent, NULL for unknown
  data      BLOB NOT NULL,  -- the values, a JSON object
  PRIMARY KEY (type, id)
) STRICT, WITHOUT ROWID;

-- Small named values that are committed together with events, such as how far a source of messages has come.
CREATE TABLE marks (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
