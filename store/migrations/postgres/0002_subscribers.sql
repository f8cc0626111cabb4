-- Replays of events, what viewers see of them, and what subscribers have taken.

ALTER TABLE griphub.events
  ADD COLUMN shown     bytea,                      -- what viewers get instead of type, data and raw, as JSON; NULL for these
  ADD COLUMN replay_of bigint NOT NULL DEFAULT 0,  -- the event that this one sends again, 0 for none,
  ADD COLUMN replay    integer NOT NULL DEFAULT 0, -- and the how manieth time
  ADD COLUMN replays   integer NOT NULL DEFAULT 0; -- how often the event was sent again

-- What was done with events.
CREATE TABLE griphub.activities (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id bigint NOT NULL,
  kind     text NOT NULL,
  who      text NOT NULL,
  time     bigint NOT NULL
);

CREATE INDEX activities_event ON griphub.activities (event_id);

CREATE FUNCTION griphub.activities_go() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM griphub.activities AS a USING gone WHERE a.event_id = gone.id;
  RETURN NULL;
END $$;

CREATE TRIGGER activities_go AFTER DELETE ON griphub.events
  REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION griphub.activities_go();

-- How far subscribers have come. A row changes with every event that its subscriber takes.
CREATE TABLE griphub.bookmarks (
  name   text COLLATE "C" PRIMARY KEY,
  cursor text NOT NULL,
  time   bigint NOT NULL
) WITH (fillfactor = 20);

-- What subscribers did not take.
CREATE TABLE griphub.undelivered (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subscriber text COLLATE "C" NOT NULL,
  event_id   bigint NOT NULL,
  message    text NOT NULL,
  body       bytea NOT NULL,
  reason     text NOT NULL,
  time       bigint NOT NULL,
  requeued   boolean NOT NULL
);

CREATE INDEX undelivered_time ON griphub.undelivered (time);
CREATE INDEX undelivered_requeued ON griphub.undelivered (subscriber, id) WHERE requeued;
