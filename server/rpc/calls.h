// Every call of the service, each made of what it uses. What a call does is in the file of its
// name; none knows of gRPC.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "proto/base/clock.h"
#include "server/host/configuration.h"
#include "server/host/state_files.h"
#include "server/rpc/backup_database.h"
#include "server/rpc/baselines.h"
#include "server/rpc/cancel_jobs.h"
#include "server/rpc/cell_findings.h"
#include "server/rpc/compare_runs.h"
#include "server/rpc/compare_warmups.h"
#include "server/rpc/daemon_status.h"
#include "server/rpc/doctor_call.h"
#include "server/rpc/export_runs.h"
#include "server/rpc/forecast_jobs.h"
#include "server/rpc/get_digest.h"
#include "server/rpc/get_run.h"
#include "server/rpc/get_trend.h"
#include "server/rpc/import_runs.h"
#include "server/rpc/job_feed.h"
#include "server/rpc/list_devices.h"
#include "server/rpc/list_jobs.h"
#include "server/rpc/list_runs.h"
#include "server/rpc/list_sweeps.h"
#include "server/rpc/prune_runs.h"
#include "server/rpc/query_sql.h"
#include "server/rpc/read_log.h"
#include "server/rpc/read_trace.h"
#include "server/rpc/run_words.h"
#include "server/rpc/storage_health.h"
#include "server/rpc/submit_jobs.h"
#include "server/rpc/suite_schedule.h"
#include "server/rpc/suites.h"
#include "server/rpc/waiting.h"
#include "server/run/device_fleet.h"
#include "server/run/event_hub.h"
#include "storage/database.h"
#include "storage/job_store.h"
#include "storage/run_store.h"

namespace torchlap::rpc {

// The parts of a daemon that calls are made of. All outlive them.
struct CallSetting {
  const host::Configuration* configuration = nullptr;
  storage::Database* database = nullptr;
  storage::JobStore* jobs = nullptr;
  storage::RunStore* runs = nullptr;
  run::DeviceFleet* fleet = nullptr;
  run::EventHub* hub = nullptr;
  std::filesystem::path worker_program;
  std::string torch_problem;  // one line if no worker can start; empty: none known
  std::string user;           // account of the daemon
  int64_t started_at_ns = 0;
  // Files that must stay in place for what is stored to last.
  const host::StateFiles* state_files = nullptr;
  const Clock* clock = &SystemClock();
  // Empty: no stored run answers a job.
  ToldEnvironment told_environment = {};
  // Empty: a forecast counts with all of a device's memory.
  ToldForeignBytes told_foreign_bytes = {};
  // Of suites, when they are due.
  OwnerOf owner_of = UnchangedOwner;
};

// Thread-safe. Calls may block on the database: not for gRPC's own threads. Errors are the RPCs'
// (service.proto).
struct Calls {
  explicit Calls(const CallSetting& setting);

  const StorageHealth storage_health;
  // Of all calls that show jobs that wait.
  const Waiting waiting;
  SubmitJobs submit_jobs;
  GetJob get_job;
  ListJobs list_jobs;
  CancelJobs cancel_jobs;
  FeedSources watch_jobs;
  ListRuns list_runs;
  ListSweeps list_sweeps;
  GetRun get_run;
  ExportRuns export_runs;
  CompareWarmups compare_warmups;
  ReadTrace read_trace;
  ListDevices list_devices;
  ListPresets list_presets;
  GetDaemonStatus get_daemon_status;
  DoctorCall doctor;
  CompareRuns compare_runs;
  GetTrend get_trend;
  SetBaseline set_baseline;
  ListBaselines list_baselines;
  ClearBaseline clear_baseline;
  LabelRuns label_runs;
  NoteRuns note_runs;
  InvalidateRuns invalidate_runs;
  PruneRuns prune_runs;
  ReadLog read_log;
  QuerySql query_sql;
  BackupDatabase backup_database;
  ForecastJobs forecast_jobs;
  ImportRuns import_runs;
  // Started by whoever has the calls.
  SuiteSchedule suite_schedule;
  AddSuite add_suite;
  ListSuites list_suites;
  RemoveSuite remove_suite;
  ListFindings list_findings;
  SetFinding set_finding;
  GetDigest get_digest;
};

}  // namespace torchlap::rpc
