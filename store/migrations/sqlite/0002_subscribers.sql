-- Replays of events, what viewers see of them, and what subscribers have taken.

-- What viewers get instead of type, data and raw, as JSON; NULL for these themselves.
ALTER TABLE events ADD COLUMN shown BLOB;
-- The event that this one sends again, and the how manieth time; 0 for none.
ALTER TABLE events ADD COLUMN replay_of INTEGER NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN replay INTEGER NOT NULL DEFAULT 0;
-- How often the event was sent again.
ALTER TABLE events ADD COLUMN replays INTEGER NOT NULL DEFAULT 0;

-- What was done with events.
CREATE TABLE activities (
  id       INTEGER PRIMARY KEY,
  event_id INTEGER NOT NULL,
  kind     TEXT NOT NULL,
  who      TEXT NOT NULL,
  time     INTEGER NOT NULL
) STRICT;

CREATE INDEX activities_event ON activities (event_id);

CREATE TRIGGER activities_go AFTER DELETE ON events BEGIN
  DELETE FROM activities WHERE event_id = old.id;
END;

-- How far subscribers have come.
CREATE TABLE bookmarks (
  name   TEXT PRIMARY KEY,
  cursor TEXT NOT NULL,
  time   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What subscribers did not take. AUTOINCREMENT: an id is never given twice.
CREATE TABLE undelivered (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  subscriber TEXT NOT NULL,
  event_id   INTEGER NOT NULL,
  message    TEXT NOT NULL,
  body       BLOB NOT NULL,
  reason     TEXT NOT NULL,
  time       INTEGER NOT NULL,
  requeued   INTEGER NOT NULL
) STRICT;

CREATE INDEX undelivered_time ON undelivered (time);
CREATE INDEX undelivered_requeued ON undelivered (subscriber, id) WHERE requeued;
