#include "server/rpc/calls.h"

#include <map>
#include <string>
#include <vector>

namespace torchlap::rpc {
namespace {

DoctorQuestion QuestionOf(const CallSetting& setting) {
  DoctorQuestion question;
  question.nvml_library = setting.configuration->nvml_library;
  question.state_folder = setting.configuration->state_folder;
  question.torch_folder = setting.configuration->torch_folder.string();
  question.worker_program = setting.worker_program;
  question.torch_problem = setting.torch_problem;
  return question;
}

DaemonFacts FactsOf(const CallSetting& setting) {
  return {setting.worker_program, setting.torch_problem, setting.user, setting.started_at_ns};
}

FeedSources FeedOf(const CallSetting& setting, const Waiting* waiting) {
  return {setting.jobs, setting.hub,
          [waiting, fleet = setting.fleet](std::vector<v1::Job>* shown) {
            return waiting->Explain(fleet->Describe(), shown);
          },
          [fleet = setting.fleet] {
            std::map<uint64_t, std::string> jobs;
            for (const run::DeviceStatus& device : fleet->Describe()) {
              if (device.trouble.unstored_job_id == 0) continue;
              jobs[device.trouble.unstored_job_id] = device.trouble.why;
            }
            return jobs;
          }};
}

}  // namespace

Calls::Calls(const CallSetting& setting)
    : storage_health(setting.state_files, setting.fleet),
      waiting(setting.jobs),
      submit_jobs(setting.jobs, setting.fleet, setting.hub, &storage_health, setting.clock,
                  setting.configuration->max_time_limit_ns),
      get_job(setting.jobs, setting.fleet, &waiting),
      list_jobs(setting.jobs, setting.fleet, &waiting),
      cancel_jobs(setting.jobs, setting.fleet, setting.hub, setting.clock),
      watch_jobs(FeedOf(setting, &waiting)),
      list_runs(setting.jobs, setting.runs),
      list_sweeps(setting.database),
      get_run(setting.runs),
      export_runs(setting.jobs, setting.runs),
      compare_warmups(setting.jobs, setting.runs),
      read_trace(setting.runs, setting.configuration->state_folder),
      list_devices(setting.fleet, &waiting),
      get_daemon_status(setting.database, setting.jobs, &storage_health, FactsOf(setting)),
      doctor(QuestionOf(setting), setting.fleet, &storage_health, setting.database, setting.runs,
             setting.clock),
      compare_runs(setting.database, setting.jobs, setting.runs),
      get_trend(setting.database, setting.jobs, setting.runs),
      set_baseline(setting.database, setting.jobs, setting.clock),
      list_baselines(setting.database, setting.runs),
      clear_baseline(setting.database, setting.jobs),
      label_runs(setting.jobs, setting.database),
      note_runs(setting.jobs, setting.database),
      invalidate_runs(setting.jobs, setting.database),
      prune_runs(setting.database, setting.jobs, setting.runs),
      read_log(setting.runs, setting.configuration->state_folder),
      query_sql(setting.database, setting.jobs, setting.runs),
      backup_database(setting.database, setting.jobs, setting.runs),
      forecast_jobs(setting.database, setting.jobs, &setting.fleet->devices(),
                    setting.told_environment, setting.configuration->max_time_limit_ns,
                    setting.told_foreign_bytes),
      import_runs(setting.database, setting.configuration->state_folder, setting.clock),
      suite_schedule({.database = setting.database,
                      .submit = &submit_jobs,
                      .fleet = setting.fleet,
                      .clock = setting.clock,
                      .owner_of = setting.owner_of}),
      add_suite(setting.database, &submit_jobs, &suite_schedule, setting.clock),
      list_suites(setting.database, &suite_schedule),
      remove_suite(setting.database, &suite_schedule),
      list_findings(setting.database),
      set_finding(setting.database, setting.clock),
      get_digest(setting.database, setting.jobs, setting.clock) {}

}  // namespace torchlap::rpc
