#include "server/rpc/calls.h"

#include <vector>

namespace torchlap::rpc {
namespace {

DoctorQuestion QuestionOf(const CallSetting& setting) {
  DoctorQuestion question;
  question.nvml_library = setting.configuration->nvml_library;
  question.state_folder = setting.configuration->state_folder;
  question.torch_folder = setting.configuration->torch_folder.string();
  question.torch_problem = setting.torch_problem;
  return question;
}

DaemonFacts FactsOf(const CallSetting& setting) {
  return {setting.configuration->socket_path, setting.worker_program, setting.torch_problem,
          setting.user, setting.started_at_ns};
}

FeedSources FeedOf(const CallSetting& setting, const Waiting* waiting) {
  return {setting.jobs, setting.hub, [waiting, fleet = setting.fleet](std::vector<v1::Job>* shown) {
            return waiting->Explain(fleet->Describe(), shown);
          }};
}

}  // namespace

Calls::Calls(const CallSetting& setting)
    : waiting(setting.jobs),
      submit_jobs(setting.jobs, setting.fleet, setting.hub, setting.clock),
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
      get_daemon_status(setting.database, setting.jobs, FactsOf(setting)),
      doctor(QuestionOf(setting), setting.fleet) {}

}  // namespace torchlap::rpc
