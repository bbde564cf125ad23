-- One table: the events. Everything else is a fold over it.
-- The application id says "THSH" to file(1) and keeps the agent off other programs' databases.
PRAGMA application_id = 0x54485348;

CREATE TABLE events (
    seq      INTEGER PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    kind     TEXT NOT NULL,
    incident TEXT,
    body     TEXT NOT NULL,
    prev     TEXT NOT NULL CHECK (length(prev) = 64),
    hash     TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT;

CREATE INDEX events_by_incident ON events (incident, seq) WHERE incident IS NOT NULL;

CREATE TRIGGER events_are_never_updated BEFORE UPDATE ON events
BEGIN
    SELECT raise(ABORT, 'events are never updated: append a correction');
END;

CREATE TRIGGER events_are_never_deleted BEFORE DELETE ON events
BEGIN
    SELECT raise(ABORT, 'events are never deleted');
END;

-- INSERT OR REPLACE deletes without firing a delete trigger; this one stops it, and every fork of the chain.
CREATE TRIGGER events_are_appended BEFORE INSERT ON events
WHEN new.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM events)
  OR new.prev IS NOT coalesce((SELECT hash FROM events ORDER BY seq DESC LIMIT 1), printf('%064d', 0))
BEGIN
    SELECT raise(ABORT, 'events are appended: seq must be the next one and prev the hash of the last');
END;
