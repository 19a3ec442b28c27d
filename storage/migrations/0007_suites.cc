// Schema 7: suites and what they found; runs of other machines.
#include "storage/schema.h"

namespace torchlap::storage {

const char kSuites[] = R"sql(
ALTER TABLE job ADD COLUMN host TEXT;  -- of an imported job (import_runs.h); NULL: this machine
CREATE TABLE machine (           -- what whoever imports this file calls it; one row, or none
  id INTEGER PRIMARY KEY CHECK (id = 1),
  host TEXT NOT NULL
) STRICT;

CREATE TABLE suite (
  id INTEGER PRIMARY KEY,
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  name TEXT NOT NULL,
  account TEXT NOT NULL,         -- the owner's, when it was added
  minute_of_day INTEGER,         -- NULL: when idle
  idle_ns INTEGER,
  at_most_every_ns INTEGER NOT NULL,
  devices TEXT NOT NULL,         -- JSON array of what its jobs ask for
  sweeps INTEGER NOT NULL,
  jobs INTEGER NOT NULL,
  added_at_ns INTEGER NOT NULL,
  last_at_ns INTEGER,            -- NULL: not yet
  last_sweeps TEXT,              -- JSON array of ids
  problem TEXT,                  -- why the last time did not submit all; NULL: it did
  asked BLOB NOT NULL,           -- torchlap.v1.AddSuiteRequest; large, so it stands last
  UNIQUE (owner_id, name)
) STRICT;

CREATE TABLE cell_finding (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  series_id INTEGER NOT NULL REFERENCES series (id),
  state INTEGER NOT NULL,        -- torchlap.v1.CellFindingState
  why TEXT,
  run_id INTEGER NOT NULL REFERENCES run (id),       -- the first after the change
  seen_run_id INTEGER NOT NULL REFERENCES run (id),  -- the last that shows it
  before_ns REAL NOT NULL,
  after_ns REAL NOT NULL,
  against_baseline INTEGER NOT NULL,
  found_at_ns INTEGER NOT NULL,
  seen_at_ns INTEGER NOT NULL,
  closed_at_ns INTEGER,          -- NULL: open
  vanished INTEGER NOT NULL DEFAULT 0,  -- 1: closed by itself
  changes BLOB,                  -- torchlap.v1.CellFinding of its changes alone
  suite TEXT
) STRICT;
-- One open finding for each owner and series.
CREATE UNIQUE INDEX cell_finding_open ON cell_finding (owner_id, series_id)
  WHERE closed_at_ns IS NULL;
CREATE INDEX cell_finding_cell ON cell_finding (owner_id, series_id, id);
CREATE INDEX cell_finding_run ON cell_finding (run_id);
CREATE INDEX cell_finding_seen_run ON cell_finding (seen_run_id);

-- Sweeps of suites whose cells are not judged yet, or are to be judged again.
CREATE TABLE sweep_to_judge (
  sweep_id INTEGER PRIMARY KEY REFERENCES sweep (id) ON DELETE CASCADE,
  suite TEXT NOT NULL,
  asked INTEGER NOT NULL DEFAULT 1  -- how often: who judges sees that it was asked for meanwhile
) STRICT;
)sql";

}  // namespace torchlap::storage
