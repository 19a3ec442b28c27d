// Answers AddSuite, ListSuites, RemoveSuite.
#pragma once

#include <absl/status/status.h>

#include "proto/base/clock.h"
#include "server/rpc/submit_jobs.h"
#include "server/rpc/suite_schedule.h"
#include "storage/database.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::rpc {

// Thread-safe. The arguments outlive it.
class AddSuite {
 public:
  AddSuite(storage::Database* database, const SubmitJobs* submit, SuiteSchedule* schedule,
           const Clock* clock)
      : database_(database), submit_(submit), schedule_(schedule), clock_(clock) {}

  // Stores what was asked for, each job with the label `suite` and the lowest priority. Nothing is
  // stored of a suite of which SubmitJobs would refuse a sweep now.
  absl::Status Answer(const storage::Caller& caller, const v1::AddSuiteRequest& request,
                      v1::AddSuiteResponse* response) const;

 private:
  absl::Status CheckSweeps(const storage::Caller& caller, const v1::AddSuiteRequest& suite) const;

  storage::Database* const database_;
  const SubmitJobs* const submit_;
  SuiteSchedule* const schedule_;
  const Clock* const clock_;
};

// Thread-safe. The arguments outlive it.
class ListSuites {
 public:
  ListSuites(storage::Database* database, const SuiteSchedule* schedule)
      : database_(database), schedule_(schedule) {}

  // By owner and name.
  absl::Status Answer(const storage::Caller& caller, const v1::ListSuitesRequest& request,
                      v1::ListSuitesResponse* response) const;

 private:
  storage::Database* const database_;
  const SuiteSchedule* const schedule_;
};

// Thread-safe. The arguments outlive it.
class RemoveSuite {
 public:
  RemoveSuite(storage::Database* database, SuiteSchedule* schedule)
      : database_(database), schedule_(schedule) {}

  absl::Status Answer(const storage::Caller& caller, const v1::RemoveSuiteRequest& request,
                      v1::RemoveSuiteResponse* response) const;

 private:
  storage::Database* const database_;
  SuiteSchedule* const schedule_;
};

}  // namespace torchlap::rpc
