// What is known of a job before it runs, made of its spec and of what was seen. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/host/devices.h"
#include "server/measure/forecast.h"
#include "storage/forecast_history.h"
#include "storage/job_store.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// The past of a device that jobs may run on.
struct DevicePast {
  const host::HostDevice* device = nullptr;
  // Of its memory, what a run may come to have (busy_wait.h); 0: no limit is known.
  uint64_t room_bytes = 0;
  // That a run would have now; nothing: no run there has told one, or the daemon knows none.
  std::optional<v1::Environment> environment;
  std::vector<measure::TimedRun> times;
  // By what is computed less the sizes, newest first.
  std::map<std::string, std::vector<storage::PastShortage>> shortages;
};

// `foreign_bytes`: as a run that began now would find it; nothing: not known.
DevicePast MakeDevicePast(const host::HostDevice& device, std::optional<uint64_t> foreign_bytes,
                          std::optional<v1::Environment> environment,
                          const std::vector<storage::PastTime>& times,
                          std::vector<storage::PastShortage> shortages);

struct ForecastJob {
  v1::JobForecast forecast;
  // The newest run that would answer the job but for its environment, and the environment that a
  // run would have now: filled where no_reuse is NO_REUSE_ENVIRONMENT.
  std::string other_environment_hash;
  const v1::Environment* in_force = nullptr;
};

// `devices`: where the job may run, none of them null, in their order. Where they are several, the
// forecast is that of the first whose runs answer the job, else of the first, and `device` is named
// only by an answer. `launches`: of the job's workload, newest first. `reuse_since_ns` as in
// ForecastJobsRequest.
//
// A run answers a job of purpose measure without a trace if it is of the job's series, began since
// then, is clean, measured as many steps as the job asks for (with a target precision: stopped by
// as narrow a one), and was made in the environment in force on its device. All launches of a job
// are answered by the runs of one device, or none is.
ForecastJob Forecast(const storage::NewJob& job, const std::vector<const DevicePast*>& devices,
                     const std::vector<storage::PastLaunch>& launches, int64_t reuse_since_ns);

}  // namespace torchlap::rpc
