-- The event log and the device registry. Times are microseconds since 1970, UTC. Text from devices is bytea where it
-- may hold what PostgreSQL's text does not; names are compared by bytes (COLLATE "C").

-- What this database is. A copy of it is another one in at least one respect, as far as the server tells: the server's
-- cluster, its timeline (a new one with every replica that takes over and with every recovery to a point in time), the
-- database, and the table (a dump that is loaded creates a new one).
CREATE FUNCTION griphub.identity() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  cluster  text := '?';
  timeline text := '?';
BEGIN
  BEGIN
    SELECT system_identifier::text INTO cluster FROM pg_control_system();
  EXCEPTION WHEN OTHERS THEN NULL; -- hosted servers may not tell
  END;
  BEGIN
    timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
  EXCEPTION WHEN OTHERS THEN NULL;
  END;
  RETURN format('cluster %s timeline %s database %s table %s', cluster, timeline,
    (SELECT oid FROM pg_database WHERE datname = current_database()), 'griphub.log'::regclass::oid);
END $$;

-- Who the log believes to be, and where it last jumped to, in one row. Appending transactions lock the table in ROW
-- SHARE MODE, a jump in EXCLUSIVE MODE, so that no number is given by two bases.
CREATE TABLE griphub.log (
  one      integer PRIMARY KEY CHECK (one = 1),
  identity text NOT NULL,
  base     bigint NOT NULL
);

INSERT INTO griphub.log (one, identity, base) VALUES (1, griphub.identity(), 0);

-- Where the log continued because it could not prove that it is its own newest copy. The highest base holds for
-- every channel whose head is below it; the others stay valid positions.
CREATE TABLE griphub.jumps (
  base bigint PRIMARY KEY,
  time bigint NOT NULL
);

-- Ids of events. Taken while the channels' counters are locked, they rise with the numbers of each channel.
CREATE SEQUENCE griphub.event_ids AS bigint MINVALUE 0 START WITH 1 NO CYCLE;

-- Counters. They outlive the events: a row is never deleted. Every append changes a row, so pages have room for that.
CREATE TABLE griphub.channels (
  id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name   text COLLATE "C" NOT NULL UNIQUE,
  head   bigint NOT NULL,           -- the number of the newest event
  floor  bigint NOT NULL DEFAULT 0, -- the number of the newest event that was trimmed
  oldest bigint                     -- when the event above the floor was stored; NULL where there is none
) WITH (fillfactor = 50);

CREATE FUNCTION griphub.channels_stay() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'counters of channels must stay, or numbers would be given twice';
END $$;

CREATE TRIGGER channels_stay BEFORE DELETE OR TRUNCATE ON griphub.channels
  EXECUTE FUNCTION griphub.channels_stay();

-- Events, each once.
CREATE TABLE griphub.events (
  id          bigint PRIMARY KEY,
  positions   text NOT NULL,    -- the event's cursor, "a:3,b:7", in the order of its channels
  type        text NOT NULL,
  data        bytea NOT NULL,
  raw         boolean NOT NULL,
  private     bytea,
  scope       text NOT NULL,
  user_id     text NOT NULL,
  skip_users  text NOT NULL,    -- a JSON array, '' for none
  device_type text NOT NULL,
  device_id   text NOT NULL,
  key         text NOT NULL,
  time        bigint NOT NULL,  -- when it happened
  stored      bigint NOT NULL   -- when it was committed; retention goes by this, as devices' clocks err
);

-- Which event has which number in which channel. It repeats events.positions as an index would. latest is the
-- latest time of this event and those before it: times may go back, latest does not, so it can be searched.
CREATE TABLE griphub.positions (
  channel_id bigint NOT NULL,
  seq        bigint NOT NULL,
  event_id   bigint NOT NULL,
  latest     bigint NOT NULL,
  PRIMARY KEY (channel_id, seq)
);

-- Idempotency keys. They know the positions, as they may outlive the event. A key whose event_id is 0 belongs to a
-- transaction that has not committed.
CREATE TABLE griphub.keys (
  key       text COLLATE "C" PRIMARY KEY,
  event_id  bigint NOT NULL,
  positions text NOT NULL,
  stored    bigint NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX keys_stored ON griphub.keys (stored);

-- Messages that could not become events.
CREATE TABLE griphub.refusals (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source  text NOT NULL,
  reason  text NOT NULL,
  payload bytea NOT NULL,
  time    bigint NOT NULL
);

CREATE INDEX refusals_time ON griphub.refusals (time);

-- What is known of each device.
CREATE TABLE griphub.devices (
  type      text COLLATE "C" NOT NULL,
  id        text COLLATE "C" NOT NULL,
  status    text NOT NULL,
  last_seen bigint,           -- NULL for never
  firmware  text NOT NULL,
  battery   double precision, -- percent, NULL for unknown
  data      bytea NOT NULL,   -- the values, a JSON object
  PRIMARY KEY (type, id)
);

-- Small named values that are committed together with events, such as how far a source of messages has come.
CREATE TABLE griphub.marks (
  name  text COLLATE "C" PRIMARY KEY,
  value bytea NOT NULL
);
