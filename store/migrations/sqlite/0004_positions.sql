-- The newest positions of each channel stand together, so that an append writes few pages however many channels it
-- is on and however large the log is. A channel's positions move to the others some at a time.
ALTER TABLE positions RENAME TO positions_settled;

CREATE TABLE positions_recent (
  channel_id INTEGER NOT NULL,
  seq        INTEGER NOT NULL,
  event_id   INTEGER NOT NULL,
  latest     INTEGER NOT NULL,
  PRIMARY KEY (channel_id, seq)
) STRICT, WITHOUT ROWID;

-- A position is in one of the two, and nobody who reads asks in which. Those up to the floor are trimmed, and deleted some
-- at a time as well. The plus keeps the index for the bound of who reads: SQLite uses it for one lower bound only.
CREATE VIEW positions AS
SELECT p.channel_id, p.seq, p.event_id, p.latest
FROM positions_settled AS p JOIN channels AS c ON c.id = p.channel_id AND +p.seq > c.floor
UNION ALL
SELECT p.channel_id, p.seq, p.event_id, p.latest
FROM positions_recent AS p JOIN channels AS c ON c.id = p.channel_id AND +p.seq > c.floor;

-- The latest time of the channel's events, those that were trimmed included: positions.latest of the newest.
ALTER TABLE channels ADD COLUMN latest INTEGER NOT NULL DEFAULT 0;

UPDATE channels SET latest = coalesce((
  SELECT latest FROM positions_settled WHERE channel_id = channels.id ORDER BY seq DESC LIMIT 1), 0);
