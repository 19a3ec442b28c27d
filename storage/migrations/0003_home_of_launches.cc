// Schema 3: what a pinned launch was asked for; resident memory of workers; kinds of runs; sums of
// a launch's last try alone. From here on migrations hold tables only: views are made from the
// contract when the file is opened (storage/views.h).
#include "storage/schema.h"

namespace torchlap::storage {

const char kHomeOfLaunches[] = R"sql(
-- The device key that the launch was asked for, while device_key is that of the device that it was
-- pinned to; NULL: device_key is what was asked for (or it was pinned by schema 2).
ALTER TABLE launch ADD COLUMN home_key TEXT;

ALTER TABLE run ADD COLUMN peak_resident_bytes INTEGER;

-- What a list narrows finished runs by, each combination once (0: not known, no verdict), so that few
-- runs among many are found without a walk through all of them. A run gets its kind when it ends.
CREATE TABLE run_kind (
  id INTEGER PRIMARY KEY,
  asked_workload_id INTEGER NOT NULL, owner_id INTEGER NOT NULL, device_id INTEGER NOT NULL,
  outcome INTEGER NOT NULL, validity INTEGER NOT NULL, purpose INTEGER NOT NULL,
  timing INTEGER NOT NULL,
  runs INTEGER NOT NULL,
  UNIQUE (asked_workload_id, owner_id, device_id, outcome, validity, purpose, timing)
) STRICT;
ALTER TABLE run ADD COLUMN kind_id INTEGER REFERENCES run_kind (id);
INSERT INTO run_kind
SELECT
  NULL, asked_workload_id, owner_id, device_id, outcome, ifnull(validity, 0), ifnull(purpose, 0),
  ifnull(timing, 0), count(*)
FROM run WHERE outcome IS NOT NULL GROUP BY 2, 3, 4, 5, 6, 7, 8;
UPDATE run SET kind_id = run_kind.id FROM run_kind
WHERE run_kind.asked_workload_id = run.asked_workload_id AND run_kind.owner_id = run.owner_id
  AND run_kind.device_id = run.device_id AND run_kind.outcome = run.outcome
  AND run_kind.validity = ifnull(run.validity, 0) AND run_kind.purpose = ifnull(run.purpose, 0)
  AND run_kind.timing = ifnull(run.timing, 0);
CREATE INDEX run_by_kind ON run (kind_id, started_at_ns);
CREATE TRIGGER run_ends AFTER UPDATE OF outcome ON run
WHEN old.outcome IS NULL AND new.outcome IS NOT NULL BEGIN
  INSERT INTO run_kind VALUES (
    NULL, new.asked_workload_id, new.owner_id, new.device_id, new.outcome, ifnull(new.validity, 0),
    ifnull(new.purpose, 0), ifnull(new.timing, 0), 1)
  ON CONFLICT DO UPDATE SET runs = runs + 1;
  UPDATE run SET kind_id = (
    SELECT id FROM run_kind
    WHERE asked_workload_id = new.asked_workload_id AND owner_id = new.owner_id
      AND device_id = new.device_id AND outcome = new.outcome
      AND validity = ifnull(new.validity, 0) AND purpose = ifnull(new.purpose, 0)
      AND timing = ifnull(new.timing, 0))
  WHERE id = new.id;
END;

-- `runs` counts finished runs. The phases' counts and sums are of those that stand for their launch:
-- not of an OK run that was run again.
DELETE FROM run_rollup;
INSERT INTO run_rollup
SELECT
  ifnull(workload_id, 0), ifnull(timing, 0), ifnull(purpose, 0), outcome, ifnull(validity, 0),
  count(*),
  sum(stands AND forward_mean_ns IS NOT NULL), sum(iif(stands, ifnull(forward_mean_ns, 0.0), 0.0)),
  sum(stands AND loss_mean_ns IS NOT NULL), sum(iif(stands, ifnull(loss_mean_ns, 0.0), 0.0)),
  sum(stands AND backward_mean_ns IS NOT NULL), sum(iif(stands, ifnull(backward_mean_ns, 0.0), 0.0)),
  sum(stands AND optimizer_mean_ns IS NOT NULL),
  sum(iif(stands, ifnull(optimizer_mean_ns, 0.0), 0.0)),
  sum(stands AND step_mean_ns IS NOT NULL), sum(iif(stands, ifnull(step_mean_ns, 0.0), 0.0))
FROM (
  SELECT *, NOT (outcome = 1 AND ifnull(purpose, 0) IN (1, 2) AND EXISTS (
    SELECT 1 FROM run AS later
    WHERE later.job_id = run.job_id AND later.launch = run.launch AND later.outcome = 1
      AND later.id > run.id)) AS stands
  FROM run WHERE outcome IS NOT NULL)
GROUP BY 1, 2, 3, 4, 5;
)sql";

}  // namespace torchlap::storage
