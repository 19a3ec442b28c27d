#include "storage/forecast_history.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <utility>

#include "storage/own_fault.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// Its parameters are one and the same principal; empty: everyone's.
constexpr char kOfOwner[] =
    " AND (? = '' OR run.owner_id IN (SELECT id FROM principal WHERE principal = ?))";

// 1: OUTCOME_OK; purposes 1 measure, 2 warmup, 3 fit, 6 canary.
constexpr char kKindsOfWorkload[] =
    "SELECT run_kind.id FROM workload INDEXED BY workload_by_hash "
    "CROSS JOIN run_kind ON run_kind.asked_workload_id = workload.id "
    "WHERE workload.workload_hash = ?1 AND run_kind.outcome = 1 "
    "AND run_kind.purpose IN (1, 2, 3, 6) "
    "AND (?2 = '' OR run_kind.owner_id IN (SELECT id FROM principal WHERE principal = ?2))";

constexpr char kLaunchesOfKind[] =
    "SELECT run.job_id || '.' || run.number, series.series_key, device.uuid, "
    "environment.environment_hash, run.purpose, run.validity, run.started_at_ns, run.duration_ns, "
    "run.step_mean_ns, run.actual_warmup_steps, run.actual_measure_steps, job.target_precision, "
    "max(ifnull(run.peak_reserved_bytes, 0), ifnull(run.first_step_peak_reserved_bytes, 0), "
    "ifnull(run.peak_allocated_bytes, 0), ifnull(run.first_step_peak_allocated_bytes, 0)) "
    "FROM run INDEXED BY run_by_kind CROSS JOIN job ON job.id = run.job_id "
    "CROSS JOIN device ON device.id = run.device_id "
    "CROSS JOIN workload ON workload.id = run.workload_id "
    "CROSS JOIN series ON series.id = run.series "
    "LEFT JOIN environment ON environment.id = run.environment "
    "WHERE run.kind_id = ? AND run.invalid_reason IS NULL AND job.host IS NULL "
    "AND workload.workload_hash = ? ORDER BY run.started_at_ns DESC LIMIT ?";

constexpr char kModelColumns[] =
    "asked.vocab_size, asked.d_model, asked.d_ff, asked.layers, asked.heads, asked.pass_type, "
    "asked.precision, asked.attention, asked.optimizer, run.batch_size, run.context_length";
constexpr int kAfterModel = 11;

constexpr char kTimesOnDevice[] =
    "FROM run INDEXED BY run_by_start CROSS JOIN job ON job.id = run.job_id "
    "CROSS JOIN workload AS asked ON asked.id = run.asked_workload_id "
    "WHERE run.outcome IS NOT NULL AND run.outcome = 1 AND run.purpose IN (1, 2) "
    "AND run.device_id IN (SELECT id FROM device WHERE uuid = ?) AND run.invalid_reason IS NULL "
    "AND job.host IS NULL AND run.step_mean_ns > 0 AND run.duration_ns > 0 "
    "AND asked.d_model IS NOT NULL";

// 2: OUTCOME_OUT_OF_MEMORY. What it goes on with: kOwnFaultSql, the owner and the order.
constexpr char kShortagesOnDevice[] =
    "FROM run_kind CROSS JOIN run INDEXED BY run_by_kind ON run.kind_id = run_kind.id "
    "CROSS JOIN job ON job.id = run.job_id "
    "CROSS JOIN workload AS asked ON asked.id = run.asked_workload_id "
    "WHERE run_kind.outcome = 2 "
    "AND run_kind.device_id IN (SELECT id FROM device WHERE uuid = ?) "
    "AND run.invalid_reason IS NULL AND job.host IS NULL AND asked.d_model IS NOT NULL AND ";

constexpr char kNewestEnvironment[] =
    "SELECT environment.message FROM run INDEXED BY run_by_start "
    "CROSS JOIN job ON job.id = run.job_id "
    "CROSS JOIN environment ON environment.id = run.environment "
    "WHERE run.outcome IS NOT NULL "
    "AND run.device_id IN (SELECT id FROM device WHERE uuid = ? AND model = ?) "
    "AND job.host IS NULL ORDER BY run.started_at_ns DESC LIMIT 1";

uint32_t Small(const Query& row, int column) { return static_cast<uint32_t>(row.Int(column)); }

PastLaunch LaunchOf(const Query& row) {
  PastLaunch launch;
  launch.run_id = row.Text(0);
  launch.series_key = row.Text(1);
  launch.device_uuid = row.Text(2);
  launch.environment_hash = row.Text(3);
  launch.purpose = static_cast<v1::Purpose>(row.Int(4));
  launch.validity = static_cast<v1::Validity>(row.Int(5));
  launch.started_at_ns = row.Int(6);
  if (!row.IsNull(7)) launch.duration_ns = row.Int(7);
  launch.step_mean_ns = row.Real(8);
  launch.warmup_steps = Small(row, 9);
  launch.measure_steps = Small(row, 10);
  if (!row.IsNull(11)) launch.target_precision = row.Real(11);
  launch.peak_bytes = row.Uint(12);
  return launch;
}

v1::TransformerLm ModelOf(const Query& row) {
  v1::TransformerLm model;
  model.set_vocab_size(Small(row, 0));
  model.set_d_model(Small(row, 1));
  model.set_d_ff(Small(row, 2));
  model.set_layers(Small(row, 3));
  model.set_heads(Small(row, 4));
  model.set_pass_type(static_cast<v1::PassType>(row.Int(5)));
  model.set_precision(static_cast<v1::Precision>(row.Int(6)));
  model.set_attention(static_cast<v1::Attention>(row.Int(7)));
  model.set_optimizer(static_cast<v1::Optimizer>(row.Int(8)));
  model.set_batch_size(Small(row, 9));
  model.set_context_length(Small(row, 10));
  return model;
}

std::vector<PastLaunch> LaunchesOf(SQLite::Database& database, const std::string& hash,
                                   const std::string& only_owner) {
  std::vector<PastLaunch> launches;
  Query kinds(database, kKindsOfWorkload, hash, only_owner);
  while (kinds.Step()) {
    Query rows(database, kLaunchesOfKind, kinds.Int(0), hash, kMostPastOfAKind);
    while (rows.Step()) launches.push_back(LaunchOf(rows));
  }
  std::stable_sort(launches.begin(), launches.end(), [](const PastLaunch& a, const PastLaunch& b) {
    return a.started_at_ns > b.started_at_ns;
  });
  return launches;
}

PastTime TimeOf(const Query& row) {
  PastTime time;
  time.model = ModelOf(row);
  time.duration_ns = row.Int(kAfterModel);
  time.step_mean_ns = row.Real(kAfterModel + 1);
  time.steps = Small(row, kAfterModel + 2);
  return time;
}

PastShortage ShortageOf(const Query& row) {
  PastShortage shortage;
  shortage.model = ModelOf(row);
  shortage.run_id = row.Text(kAfterModel);
  shortage.started_at_ns = row.Int(kAfterModel + 1);
  shortage.total_bytes = row.Uint(kAfterModel + 2);
  if (!row.IsNull(kAfterModel + 3)) shortage.memory_fraction = row.Real(kAfterModel + 3);
  return shortage;
}

}  // namespace

absl::StatusOr<LaunchesByWorkload> ReadPastLaunches(const Database& database,
                                                    const std::set<std::string>& workload_hashes,
                                                    const std::string& only_owner) {
  LaunchesByWorkload all;
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    for (const std::string& hash : workload_hashes) {
      std::vector<PastLaunch> launches = LaunchesOf(connection, hash, only_owner);
      if (!launches.empty()) all[hash] = std::move(launches);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return all;
}

absl::StatusOr<std::vector<PastTime>> ReadPastTimes(const Database& database,
                                                    const std::string& device_uuid,
                                                    const std::string& only_owner) {
  std::vector<PastTime> times;
  const std::string sql =
      absl::StrCat("SELECT ", kModelColumns,
                   ", run.duration_ns, run.step_mean_ns, ifnull(run.actual_warmup_steps, 0) + "
                   "ifnull(run.actual_measure_steps, 0) ",
                   kTimesOnDevice, kOfOwner, " ORDER BY run.started_at_ns DESC LIMIT ?");
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    Query rows(connection, sql, device_uuid, only_owner, only_owner, kMostPastTimes);
    while (rows.Step()) times.push_back(TimeOf(rows));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return times;
}

absl::StatusOr<std::vector<PastShortage>> ReadPastShortages(const Database& database,
                                                            const std::string& device_uuid,
                                                            const std::string& only_owner) {
  std::vector<PastShortage> shortages;
  const std::string sql = absl::StrCat(
      "SELECT ", kModelColumns,
      ", run.job_id || '.' || run.number, run.started_at_ns, run.failure_total_bytes, "
      "job.memory_fraction ",
      kShortagesOnDevice, kOwnFaultSql, kOfOwner, " ORDER BY run.started_at_ns DESC LIMIT ?");
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    Query rows(connection, sql, device_uuid, only_owner, only_owner, kMostPastShortages);
    while (rows.Step()) shortages.push_back(ShortageOf(rows));
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return shortages;
}

absl::StatusOr<std::optional<v1::Environment>> ReadNewestEnvironment(const Database& database,
                                                                     const DeviceIdentity& device) {
  std::optional<v1::Environment> newest;
  absl::Status status = database.Read([&](SQLite::Database& connection) {
    Query row(connection, kNewestEnvironment, device.uuid, device.model);
    v1::Environment environment;
    if (row.Step() && environment.ParseFromString(row.Text(0))) newest = std::move(environment);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return newest;
}

}  // namespace torchlap::storage
