// Schema 5: what the device's readings say of the measured steps.
#include "storage/schema.h"

namespace torchlap::storage {

const char kDeviceSummary[] = R"sql(
ALTER TABLE run ADD COLUMN energy_per_step_j REAL;
ALTER TABLE run ADD COLUMN energy_per_token_mj REAL;
ALTER TABLE run ADD COLUMN energy_source INTEGER;
ALTER TABLE run ADD COLUMN power_mean_watts REAL;
ALTER TABLE run ADD COLUMN power_peak_watts REAL;
ALTER TABLE run ADD COLUMN sm_clock_mean_mhz REAL;
ALTER TABLE run ADD COLUMN sm_clock_peak_mhz REAL;
ALTER TABLE run ADD COLUMN temperature_mean_celsius REAL;
ALTER TABLE run ADD COLUMN temperature_peak_celsius REAL;
)sql";

}  // namespace torchlap::storage
