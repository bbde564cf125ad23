-- Whole segments of old events may leave for files of their own (docs/decisions/0034-crash-and-archive.md).
-- A row for each: what it ends with, and what the agent remembered then. The chain goes on behind the last of them.
CREATE TABLE archives (
    last_seq   INTEGER PRIMARY KEY,
    first_seq  INTEGER NOT NULL CHECK (first_seq <= last_seq),
    last_hash  TEXT NOT NULL CHECK (length(last_hash) = 64),
    file       TEXT NOT NULL,
    checkpoint BLOB NOT NULL
) STRICT;

CREATE TRIGGER archives_are_never_updated BEFORE UPDATE ON archives
BEGIN
    SELECT raise(ABORT, 'archives are never updated');
END;

CREATE TRIGGER archives_are_never_deleted BEFORE DELETE ON archives
BEGIN
    SELECT raise(ABORT, 'archives are never deleted');
END;

-- A segment is entered where events begin: later ones would be cut out of the middle.
CREATE TRIGGER archives_come_first BEFORE INSERT ON archives
WHEN EXISTS (SELECT 1 FROM events)
  OR new.first_seq IS NOT (SELECT coalesce(max(last_seq), 0) + 1 FROM archives)
BEGIN
    SELECT raise(ABORT, 'archives come before the events, in their order');
END;

DROP TRIGGER events_are_appended;

CREATE TRIGGER events_are_appended BEFORE INSERT ON events
WHEN new.seq IS NOT (
         SELECT coalesce((SELECT max(seq) FROM events), (SELECT max(last_seq) FROM archives), 0) + 1
     )
  OR new.prev IS NOT coalesce(
         (SELECT hash FROM events ORDER BY seq DESC LIMIT 1),
         (SELECT last_hash FROM archives ORDER BY last_seq DESC LIMIT 1),
         printf('%064d', 0)
     )
BEGIN
    SELECT raise(ABORT, 'events are appended: seq must be the next one and prev the hash of the last');
END;
