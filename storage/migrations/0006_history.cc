// Schema 6: what users say of runs later: notes, what they declared invalid, and their references.
#include "storage/schema.h"

namespace torchlap::storage {

const char kHistory[] = R"sql(
ALTER TABLE run ADD COLUMN note TEXT;
ALTER TABLE run ADD COLUMN invalid_reason TEXT;  -- NULL: it is not declared invalid
-- The few that lists leave out, so that no other run is looked at for it.
CREATE INDEX run_invalid ON run (id) WHERE invalid_reason IS NOT NULL;

CREATE TABLE baseline (          -- runs that a user holds new ones of their series against
  owner_id INTEGER NOT NULL REFERENCES principal (id),
  series_id INTEGER NOT NULL REFERENCES series (id),
  run_id INTEGER NOT NULL REFERENCES run (id),
  set_at_ns INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (owner_id, series_id, run_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX baseline_run ON baseline (run_id);
)sql";

}  // namespace torchlap::storage
