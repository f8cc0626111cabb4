-- What administrators say of each device, beside what it reports. Names are compared by bytes. A message changes no
-- column that has an index, but for a new status: with room on its page the row's new version then needs no index entry.
ALTER TABLE griphub.devices
  SET (fillfactor = 70),
  -- what messages and the monitor write
  ALTER COLUMN status SET DEFAULT 'offline',
  ALTER COLUMN firmware SET DEFAULT '',
  ALTER COLUMN data SET DEFAULT '{}',
  ADD COLUMN overdue      boolean NOT NULL DEFAULT false, -- offline only because nothing was heard
  ADD COLUMN temperature  double precision,               -- here and below NULL for unknown
  ADD COLUMN humidity     double precision,
  ADD COLUMN latitude     double precision,               -- degrees; administrators may write the coordinates, too
  ADD COLUMN longitude    double precision,
  ADD COLUMN data_time    bigint,                         -- the newest time that the device gave with its data
  ADD COLUMN status_time  bigint,                         -- and with its status
  -- what administrators write
  ADD COLUMN active       boolean NOT NULL DEFAULT true,
  ADD COLUMN code         text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN key          text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN name         text NOT NULL DEFAULT '',
  ADD COLUMN owner        text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN product_type text NOT NULL DEFAULT '',
  ADD COLUMN groups       text NOT NULL DEFAULT '[]',     -- a JSON array of objects id, name
  ADD COLUMN search       text NOT NULL DEFAULT '',       -- type/id, code, key and name in lower case
  ADD COLUMN created      bigint NOT NULL DEFAULT 0,
  ADD COLUMN updated      bigint NOT NULL DEFAULT 0,
  ADD COLUMN attributes   text NOT NULL DEFAULT '{}';     -- a JSON object

UPDATE griphub.devices SET search = lower(type || '/' || id),
  created = extract(epoch FROM date_trunc('second', now())) * 1000000,
  updated = extract(epoch FROM date_trunc('second', now())) * 1000000;

ALTER TABLE griphub.devices
  ALTER COLUMN search DROP DEFAULT, ALTER COLUMN created DROP DEFAULT, ALTER COLUMN updated DROP DEFAULT;

CREATE UNIQUE INDEX devices_code ON griphub.devices (code) WHERE code <> '';
CREATE UNIQUE INDEX devices_key ON griphub.devices (key) WHERE key <> '';
CREATE INDEX devices_owner ON griphub.devices (owner, type, id) WHERE owner <> '';
CREATE INDEX devices_status ON griphub.devices (status, type, id);
CREATE INDEX devices_inactive ON griphub.devices (type, id) WHERE NOT active;

-- Which devices are in a group. It repeats devices.groups as an index would.
CREATE TABLE griphub.device_groups (
  group_id text COLLATE "C" NOT NULL,
  type     text COLLATE "C" NOT NULL,
  id       text COLLATE "C" NOT NULL,
  PRIMARY KEY (group_id, type, id)
);
