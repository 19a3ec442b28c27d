// Schema 4: the index that the queue is read from says whose each launch is.
#include "storage/schema.h"

namespace torchlap::storage {

const char kQueueWithOwners[] = R"sql(
-- Which launch is next depends on its owner (fair_order.h): with several of them each launch was looked
-- up in the table.
DROP INDEX launch_order;
CREATE INDEX launch_order
  ON launch (state, priority DESC, position, job_id, device_key, owner_id);
)sql";

}  // namespace torchlap::storage
