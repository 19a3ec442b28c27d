// Schema 3: what a pinned launch was asked for; resident memory of workers; sums of a launch's last
// try alone. From here on migrations hold tables only: views are made from the contract when the
// file is opened (storage/views.h).
#include "storage/schema.h"

namespace torchlap::storage {

const char kHomeOfLaunches[] = R"sql(
-- The device key that the launch was asked for, while device_key is that of the device that it was
-- pinned to; NULL: device_key is what was asked for (or it was pinned by schema 2).
ALTER TABLE launch ADD COLUMN home_key TEXT;

ALTER TABLE run ADD COLUMN peak_resident_bytes INTEGER;

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
