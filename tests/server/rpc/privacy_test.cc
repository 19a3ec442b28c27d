// Every call of the service, asked by the owner of jobs, by a stranger and by an admin.
#include "server/rpc/privacy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "server/host/state_folders.h"
#include "server/rpc/calls.h"
#include "tests/server/rpc/calls_fixture.h"

namespace torchlap::rpc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// What a stranger is told in a private daemon.
enum class Rule {
  kNothingOfJobs,  // nobody is told anything of a job
  kOutlines,       // that they are there
  kOwnAlone,       // others' are not in the list
  kRefused,        // it is named, and another's
  kForAdmins,      // it is of everyone's jobs, and refused
};

struct Told {
  absl::Status status;
  std::string text;  // all messages
};

// What one user has in the database: each with the user's word where words can be, and the size and
// the time of kSecrets where numbers can be.
struct Left {
  uint64_t sweep_id = 0;
  uint64_t finished_job_id = 0;
  uint64_t warmup_sweep_id = 0;
  std::string run_id;
  std::string traced_run_id;
};

constexpr uint32_t kBatch = 48'611;
constexpr double kMeanNs = 98'765'432'123;
const std::vector<std::string> kSecrets = {"annsword", "batch_size: 48611", "98765432123"};

template <typename Response>
std::string TextOf(const Response& response) {
  // Rows may be encoded already.
  Response received;
  EXPECT_TRUE(received.ParseFromString(response.SerializeAsString()));
  return received.DebugString();
}

template <typename Response, typename Call, typename Request>
Told Ask(Call* call, const storage::Caller& caller, const Request& request) {
  Response response;
  absl::Status status = call->Answer(caller, request, &response);
  return {status, TextOf(response)};
}

template <typename Response, typename Call, typename Request>
Told AskStream(const Call& call, const storage::Caller& caller, const Request& request) {
  Told told;
  told.status = call.Stream(caller, request, [&told](Response part) {
    told.text += TextOf(part);
    return true;
  });
  return told;
}

class PrivacyTest : public CallsTest {
 protected:
  void SetUp() override {
    CallsTest::SetUp();
    configuration_.nvml_library = (folder_.path() / "no-library.so").string();
    anns_ = LeaveJobsOf(ann_, "annsword", kBatch);
    bobs_ = LeaveJobsOf(bob_, "bobsword", 16);
  }

  storage::Submitted SubmitAs(const storage::Caller& caller, const std::string& word,
                              uint32_t batch, const std::vector<v1::Purpose>& purposes) {
    std::vector<storage::NewJob> jobs;
    for (const v1::Purpose purpose : purposes) {
      storage::NewJob& job = jobs.emplace_back(storage::MakeJob("small", batch, 256));
      job.spec.set_purpose(purpose);
      (*job.spec.mutable_labels())["label"] = word;
    }
    const auto submitted = jobs_->Submit(caller, "", "", word, jobs, {42}, ++now_ns_);
    EXPECT_TRUE(submitted.ok()) << submitted.status();
    return submitted.ok() ? *submitted : storage::Submitted{0, std::vector<uint64_t>(jobs.size())};
  }
  void End(uint64_t job_id, const std::string& word, v1::Outcome outcome = v1::OUTCOME_OK) {
    storage::FinishedRun finished = storage::Ended(Start(job_id), outcome);
    const bool is_ok = outcome == v1::OUTCOME_OK;
    if (is_ok) {
      const double mean_ns = word == kSecrets[0] ? kMeanNs : finished.run.step().mean_ns();
      finished.run.mutable_step()->set_mean_ns(mean_ns);
      finished.run.mutable_step()->set_median_ns(mean_ns);
    }
    if (!is_ok) finished.run.mutable_failure()->set_detail(word + " went wrong");
    Finish(finished, is_ok ? storage::LaunchDone() : storage::JobFailed(word + " went wrong"));
  }
  // Jobs that ended well and badly, were traced and warmed up, run and wait.
  Left LeaveJobsOf(const storage::Caller& caller, const std::string& word, uint32_t batch) {
    const storage::Submitted sweep =
        SubmitAs(caller, word, batch,
                 {v1::PURPOSE_MEASURE, v1::PURPOSE_MEASURE, v1::PURPOSE_TRACE, v1::PURPOSE_MEASURE,
                  v1::PURPOSE_MEASURE});
    End(sweep.job_ids[0], word);
    End(sweep.job_ids[1], word, v1::OUTCOME_CRASHED);
    End(sweep.job_ids[2], word);
    Start(sweep.job_ids[3]);
    const storage::Submitted warmups =
        SubmitAs(caller, word + "-warmups", batch, {v1::PURPOSE_WARMUP, v1::PURPOSE_WARMUP});
    for (const uint64_t id : warmups.job_ids) End(id, word);
    Left left;
    left.sweep_id = sweep.sweep_id;
    left.finished_job_id = sweep.job_ids[0];
    left.warmup_sweep_id = warmups.sweep_id;
    left.run_id = std::to_string(sweep.job_ids[0]) + ".1";
    left.traced_run_id = std::to_string(sweep.job_ids[2]) + ".1";
    const std::filesystem::path trace = host::TraceFile(folder_.path(), left.traced_run_id);
    std::filesystem::create_directories(trace.parent_path());
    std::ofstream(trace) << word;
    const std::filesystem::path log = host::LogFile(folder_.path(), left.traced_run_id);
    std::filesystem::create_directories(log.parent_path());
    std::ofstream(log) << word;
    return left;
  }

  // Until nothing more is due.
  Told Watch(const storage::Caller& caller, const v1::WatchJobsRequest& request) {
    std::deque<std::function<void()>> tasks;
    JobFeed feed(
        calls_->watch_jobs,
        [&tasks](std::function<void()> task) { tasks.push_back(std::move(task)); }, caller, request,
        [] {});
    Told told;
    for (int steps = 0; steps < 1000; ++steps) {
      JobFeed::Due due = feed.Next();
      if (due.kind == JobFeed::Due::Kind::kMessage) {
        told.text += TextOf(due.message);
        continue;
      }
      if (due.kind == JobFeed::Due::Kind::kEnd) told.status = due.status;
      if (due.kind == JobFeed::Due::Kind::kEnd || tasks.empty()) return told;
      const std::function<void()> task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
    ADD_FAILURE() << "a watch that does not come to rest";
    return told;
  }
  Told List(const storage::Caller& caller, const v1::ListJobsRequest& request) {
    return Ask<v1::ListJobsResponse>(&calls_->list_jobs, caller, request);
  }
  Told Export(const storage::Caller& caller, const v1::ExportRunsRequest& request) {
    return AskStream<v1::ExportRunsResponse>(calls_->export_runs, caller, request);
  }

  static storage::Caller Private(storage::Caller caller) {
    caller.sees_all = false;
    return caller;
  }

  const storage::Caller owner_ = Private(ann_);
  const storage::Caller stranger_ = Private(bob_);
  Left anns_;
  Left bobs_;
};

// A way to ask, of what one user has where the request names it.
struct Question {
  std::string method;
  std::string what;
  Rule rule;
  std::function<Told(const storage::Caller&, const Left&)> ask;
};

class EveryCallTest : public PrivacyTest {
 protected:
  std::vector<Question> Questions();
  void AddLists(std::vector<Question>* questions);
  void AddNamed(std::vector<Question>* questions);
  void AddSelected(std::vector<Question>* questions);
  void AddOthers(std::vector<Question>* questions);
  void AddHistoryWords(std::vector<Question>* questions);
  void AddHistoryComparisons(std::vector<Question>* questions);
  void AddHistoryTrends(std::vector<Question>* questions);
  void AddHistoryBaselines(std::vector<Question>* questions);
  void AddHistoryOfEveryone(std::vector<Question>* questions);
  void AddHistoryForecasts(std::vector<Question>* questions);
  void AddSuites(std::vector<Question>* questions);
  void LeaveFindings();
  void AddFindings(std::vector<Question>* questions);
};

void EveryCallTest::AddLists(std::vector<Question>* questions) {
  using storage::Caller;
  questions->push_back({"ListJobs", "everything", Rule::kOutlines,
                        [this](const Caller& caller, const Left&) { return List(caller, {}); }});
  questions->push_back(
      {"ListJobs", "the queue", Rule::kOutlines, [this](const Caller& caller, const Left&) {
         v1::ListJobsRequest request;
         request.add_states(v1::JOB_STATE_QUEUED);
         request.add_states(v1::JOB_STATE_RUNNING);
         return List(caller, request);
       }});
  questions->push_back(
      {"ListRuns", "everything", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         return Ask<v1::ListRunsResponse>(&calls_->list_runs, caller, v1::ListRunsRequest());
       }});
  for (const v1::RowKind rows : {v1::ROW_KIND_RUN, v1::ROW_KIND_CELL}) {
    questions->push_back({"ExportRuns", "everything", Rule::kOwnAlone,
                          [this, rows](const Caller& caller, const Left&) {
                            v1::ExportRunsRequest request;
                            request.set_rows(rows);
                            return Export(caller, request);
                          }});
  }
  questions->push_back({"ExportRuns", "by label, with samples", Rule::kOwnAlone,
                        [this](const Caller& caller, const Left&) {
                          v1::ExportRunsRequest request;
                          request.set_with_samples(true);
                          const bool is_bob = caller.name == "bob" && !caller.sees_all;
                          (*request.mutable_filter()->mutable_labels())["label"] =
                              is_bob ? "bobsword" : "annsword";
                          return Export(caller, request);
                        }});
  questions->push_back(
      {"ListSweeps", "everything", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         return Ask<v1::ListSweepsResponse>(&calls_->list_sweeps, caller, v1::ListSweepsRequest());
       }});
  questions->push_back(
      {"ListJobs", "all", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         v1::ListJobsRequest request;
         request.mutable_selector()->set_all(true);
         return List(caller, request);
       }});
  questions->push_back(
      {"WatchJobs", "all", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         v1::WatchJobsRequest request;
         request.mutable_selector()->set_all(true);
         return Watch(caller, request);
       }});
}

void EveryCallTest::AddNamed(std::vector<Question>* questions) {
  using storage::Caller;
  questions->push_back(
      {"GetJob", "a job", Rule::kRefused, [this](const Caller& caller, const Left& whose) {
         v1::GetJobRequest request;
         request.set_job_id(whose.finished_job_id);
         return Ask<v1::GetJobResponse>(&calls_->get_job, caller, request);
       }});
  questions->push_back(
      {"GetRun", "a run", Rule::kRefused, [this](const Caller& caller, const Left& whose) {
         v1::GetRunRequest request;
         request.set_run_id(whose.run_id);
         return AskStream<v1::GetRunResponse>(calls_->get_run, caller, request);
       }});
  questions->push_back({"ReadTrace", "a traced run", Rule::kRefused,
                        [this](const Caller& caller, const Left& whose) {
                          v1::ReadTraceRequest request;
                          request.set_run_id(whose.traced_run_id);
                          return AskStream<v1::ReadTraceResponse>(calls_->read_trace, caller,
                                                                  request);
                        }});
  questions->push_back({"CompareWarmups", "a sweep", Rule::kRefused,
                        [this](const Caller& caller, const Left& whose) {
                          v1::CompareWarmupsRequest request;
                          request.set_sweep_id(whose.warmup_sweep_id);
                          return Ask<v1::CompareWarmupsResponse>(&calls_->compare_warmups, caller,
                                                                 request);
                        }});
}

// By each kind of id that a selector has.
void EveryCallTest::AddSelected(std::vector<Question>* questions) {
  using storage::Caller;
  using Select = std::function<void(const Left&, v1::Selector*)>;
  const Select by_job = [](const Left& whose, v1::Selector* selector) {
    selector->add_job_ids(whose.finished_job_id);
  };
  const Select by_sweep = [](const Left& whose, v1::Selector* selector) {
    selector->add_sweep_ids(whose.sweep_id);
  };
  const Select by_run = [](const Left& whose, v1::Selector* selector) {
    selector->add_run_ids(whose.run_id);
  };
  for (const Select& select : {by_job, by_sweep, by_run}) {
    questions->push_back({"ListJobs", "selected", Rule::kRefused,
                          [this, select](const Caller& caller, const Left& whose) {
                            v1::ListJobsRequest request;
                            select(whose, request.mutable_selector());
                            return List(caller, request);
                          }});
    questions->push_back({"ListRuns", "selected", Rule::kRefused,
                          [this, select](const Caller& caller, const Left& whose) {
                            v1::ListRunsRequest request;
                            select(whose, request.mutable_filter()->mutable_selector());
                            return Ask<v1::ListRunsResponse>(&calls_->list_runs, caller, request);
                          }});
    questions->push_back({"ExportRuns", "selected", Rule::kRefused,
                          [this, select](const Caller& caller, const Left& whose) {
                            v1::ExportRunsRequest request;
                            select(whose, request.mutable_filter()->mutable_selector());
                            return Export(caller, request);
                          }});
  }
  for (const Select& select : {by_job, by_sweep}) {
    questions->push_back({"WatchJobs", "selected", Rule::kRefused,
                          [this, select](const Caller& caller, const Left& whose) {
                            v1::WatchJobsRequest request;
                            select(whose, request.mutable_selector());
                            return Watch(caller, request);
                          }});
  }
}

void EveryCallTest::AddOthers(std::vector<Question>* questions) {
  using storage::Caller;
  const auto add = [questions](const std::string& method, auto ask) {
    questions->push_back({method, "whatever", Rule::kNothingOfJobs, ask});
  };
  add("SubmitJobs", [this](const Caller& caller, const Left&) {
    v1::SubmitJobsRequest request;
    *request.add_jobs() = storage::MakeJob().spec;
    return Ask<v1::SubmitJobsResponse>(&calls_->submit_jobs, caller, request);
  });
  // Of finished jobs, as it must leave the others alone.
  add("CancelJobs", [this](const Caller& caller, const Left& whose) {
    v1::CancelJobsRequest request;
    request.mutable_selector()->add_job_ids(whose.finished_job_id);
    return Ask<v1::CancelJobsResponse>(&calls_->cancel_jobs, caller, request);
  });
  add("ListDevices", [this](const Caller& caller, const Left&) {
    return Ask<v1::ListDevicesResponse>(&calls_->list_devices, caller, v1::ListDevicesRequest());
  });
  add("ListPresets", [this](const Caller& caller, const Left&) {
    return Ask<v1::ListPresetsResponse>(&calls_->list_presets, caller, v1::ListPresetsRequest());
  });
  add("GetDaemonStatus", [this](const Caller& caller, const Left&) {
    return Ask<v1::GetDaemonStatusResponse>(&calls_->get_daemon_status, caller,
                                            v1::GetDaemonStatusRequest());
  });
  add("Doctor", [this](const Caller& caller, const Left&) {
    return Ask<v1::DoctorResponse>(&calls_->doctor, caller, v1::DoctorRequest());
  });
}

// Labels, notes and what is invalid are answered with numbers alone; whose a run is says a refusal.
void EveryCallTest::AddHistoryWords(std::vector<Question>* questions) {
  using storage::Caller;
  questions->push_back(
      {"LabelRuns", "a job", Rule::kNothingOfJobs, [this](const Caller& caller, const Left& whose) {
         v1::LabelRunsRequest request;
         request.mutable_filter()->mutable_selector()->add_job_ids(whose.finished_job_id);
         (*request.mutable_set())["k"] = "v";
         return Ask<v1::LabelRunsResponse>(&calls_->label_runs, caller, request);
       }});
  questions->push_back(
      {"NoteRuns", "a run", Rule::kNothingOfJobs, [this](const Caller& caller, const Left& whose) {
         v1::NoteRunsRequest request;
         request.mutable_filter()->mutable_selector()->add_run_ids(whose.run_id);
         request.set_note("seen");
         return Ask<v1::NoteRunsResponse>(&calls_->note_runs, caller, request);
       }});
  // Of valid runs that they are valid, so that the others can be asked after it.
  questions->push_back({"InvalidateRuns", "a run", Rule::kNothingOfJobs,
                        [this](const Caller& caller, const Left& whose) {
                          v1::InvalidateRunsRequest request;
                          request.mutable_filter()->mutable_selector()->add_run_ids(whose.run_id);
                          return Ask<v1::InvalidateRunsResponse>(&calls_->invalidate_runs, caller,
                                                                 request);
                        }});
  questions->push_back(
      {"ReadLog", "a run", Rule::kRefused, [this](const Caller& caller, const Left& whose) {
         v1::ReadLogRequest request;
         request.set_run_id(whose.traced_run_id);
         return AskStream<v1::ReadLogResponse>(calls_->read_log, caller, request);
       }});
}

void EveryCallTest::AddHistoryComparisons(std::vector<Question>* questions) {
  using storage::Caller;
  questions->push_back(
      {"CompareRuns", "everything", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         v1::CompareRunsRequest request;
         request.set_learn_min_effect(true);
         request.mutable_a()->mutable_selector()->set_all(true);
         request.mutable_b()->mutable_selector()->set_all(true);
         return Ask<v1::CompareRunsResponse>(&calls_->compare_runs, caller, request);
       }});
  const auto add_named = [this, questions](const std::string& what, auto select) {
    questions->push_back({"CompareRuns", what, Rule::kRefused,
                          [this, select](const Caller& caller, const Left& whose) {
                            v1::CompareRunsRequest request;
                            request.mutable_a()->mutable_selector()->set_all(true);
                            select(whose, request.mutable_b()->mutable_selector());
                            return Ask<v1::CompareRunsResponse>(&calls_->compare_runs, caller,
                                                                request);
                          }});
  };
  add_named("a job", [](const Left& whose, v1::Selector* selector) {
    selector->add_job_ids(whose.finished_job_id);
  });
  add_named("a sweep", [](const Left& whose, v1::Selector* selector) {
    selector->add_sweep_ids(whose.sweep_id);
  });
  add_named("a run",
            [](const Left& whose, v1::Selector* selector) { selector->add_run_ids(whose.run_id); });
}

void EveryCallTest::AddHistoryTrends(std::vector<Question>* questions) {
  using storage::Caller;
  questions->push_back(
      {"GetTrend", "everything", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         return Ask<v1::GetTrendResponse>(&calls_->get_trend, caller, v1::GetTrendRequest());
       }});
  using Select = std::function<void(const Left&, v1::Selector*)>;
  const Select by_job = [](const Left& whose, v1::Selector* selector) {
    selector->add_job_ids(whose.finished_job_id);
  };
  const Select by_sweep = [](const Left& whose, v1::Selector* selector) {
    selector->add_sweep_ids(whose.sweep_id);
  };
  const Select by_run = [](const Left& whose, v1::Selector* selector) {
    selector->add_run_ids(whose.run_id);
  };
  for (const Select& select : {by_job, by_sweep, by_run}) {
    questions->push_back({"GetTrend", "selected", Rule::kRefused,
                          [this, select](const Caller& caller, const Left& whose) {
                            v1::GetTrendRequest request;
                            select(whose, request.mutable_filter()->mutable_selector());
                            return Ask<v1::GetTrendResponse>(&calls_->get_trend, caller, request);
                          }});
  }
}

void EveryCallTest::AddHistoryBaselines(std::vector<Question>* questions) {
  using storage::Caller;
  const auto set = [this](const Caller& caller, const Left& whose) {
    v1::SetBaselineRequest request;
    request.mutable_filter()->mutable_selector()->add_run_ids(whose.run_id);
    request.set_reason("a reason");
    return Ask<v1::SetBaselineResponse>(&calls_->set_baseline, caller, request);
  };
  questions->push_back({"SetBaseline", "of a run", Rule::kNothingOfJobs, set});
  questions->push_back(
      {"ListBaselines", "of ann", Rule::kRefused, [this, set](const Caller& caller, const Left&) {
         EXPECT_TRUE(set(ann_, anns_).status.ok());
         v1::ListBaselinesRequest request;
         request.set_user("ann");
         return Ask<v1::ListBaselinesResponse>(&calls_->list_baselines, caller, request);
       }});
  questions->push_back({"ClearBaseline", "of a run", Rule::kNothingOfJobs,
                        [this](const Caller& caller, const Left& whose) {
                          v1::ClearBaselineRequest request;
                          request.mutable_filter()->mutable_selector()->add_run_ids(whose.run_id);
                          return Ask<v1::ClearBaselineResponse>(&calls_->clear_baseline, caller,
                                                                request);
                        }});
}

// Of the whole database.
void EveryCallTest::AddHistoryOfEveryone(std::vector<Question>* questions) {
  using storage::Caller;
  const auto add = [questions](const std::string& method, auto ask) {
    questions->push_back({method, "everything", Rule::kForAdmins, ask});
  };
  for (const char* sql : {"SELECT labels, step_mean_ns, batch_size FROM runs", "SELECT 1"}) {
    add("QuerySql", [this, sql](const Caller& caller, const Left&) {
      v1::QuerySqlRequest request;
      request.set_sql(sql);
      return AskStream<v1::QuerySqlResponse>(calls_->query_sql, caller, request);
    });
  }
  add("BackupDatabase", [this](const Caller& caller, const Left&) {
    return AskStream<v1::BackupDatabaseResponse>(calls_->backup_database, caller,
                                                 v1::BackupDatabaseRequest());
  });
  add("PruneRuns", [this](const Caller& caller, const Left& whose) {
    v1::PruneRunsRequest request;
    request.mutable_runs()->mutable_selector()->add_job_ids(whose.finished_job_id);
    request.set_dry_run(true);
    return Ask<v1::PruneRunsResponse>(&calls_->prune_runs, caller, request);
  });
  add("ImportRuns", [this](const Caller& caller, const Left&) {
    v1::ImportRunsRequest request;
    request.set_upload_id("a first piece");
    request.set_data("SQLite");
    return Ask<v1::ImportRunsResponse>(&calls_->import_runs, caller, request);
  });
}

// What is known of the asker's own job; forecast_jobs_test.cc has whose runs it is made of.
void EveryCallTest::AddHistoryForecasts(std::vector<Question>* questions) {
  questions->push_back({"ForecastJobs", "a job", Rule::kNothingOfJobs,
                        [this](const storage::Caller& caller, const Left&) {
                          v1::ForecastJobsRequest request;
                          v1::Workload* workload = request.add_jobs()->mutable_workload();
                          workload->mutable_transformer_lm()->set_preset("small");
                          request.set_reuse_since_ns(1);
                          return Ask<v1::ForecastJobsResponse>(&calls_->forecast_jobs, caller,
                                                               request);
                        }});
}

// A suite is told of in its owner's word.
void EveryCallTest::AddSuites(std::vector<Question>* questions) {
  using storage::Caller;
  const auto add = [this](const Caller& caller, const std::string& word) {
    v1::AddSuiteRequest request;
    request.set_name(word);
    request.mutable_time()->set_minute_of_day(0);
    v1::SuiteSweep* sweep = request.add_sweeps();
    sweep->set_name("sweep");
    sweep->add_jobs()->mutable_workload()->mutable_transformer_lm()->set_preset("small");
    return Ask<v1::AddSuiteResponse>(&calls_->add_suite, caller, request);
  };
  questions->push_back(
      {"AddSuite", "whatever", Rule::kNothingOfJobs,
       [add](const Caller& caller, const Left&) { return add(caller, "another"); }});
  questions->push_back(
      {"ListSuites", "everything", Rule::kOwnAlone, [this, add](const Caller& caller, const Left&) {
         EXPECT_TRUE(add(ann_, "annsword").status.ok());
         EXPECT_TRUE(add(bob_, "bobsword").status.ok());
         return Ask<v1::ListSuitesResponse>(&calls_->list_suites, caller, v1::ListSuitesRequest());
       }});
  questions->push_back({"RemoveSuite", "of ann", Rule::kNothingOfJobs,
                        [this, add](const Caller& caller, const Left&) {
                          EXPECT_TRUE(add(ann_, "annsword").status.ok());
                          v1::RemoveSuiteRequest request;
                          request.set_name("annsword");
                          request.set_user("ann");
                          return Ask<v1::RemoveSuiteResponse>(&calls_->remove_suite, caller,
                                                              request);
                        }});
}

// Findings of both, with their words.
void EveryCallTest::LeaveFindings() {
  for (const auto& [left, word] : {std::pair{anns_, "annsword"}, std::pair{bobs_, "bobsword"}}) {
    const std::string job = std::to_string(left.finished_job_id);
    Break(
        std::string("INSERT OR IGNORE INTO cell_finding (owner_id, series_id, state, why, run_id, "
                    "seen_run_id, before_ns, after_ns, against_baseline, found_at_ns, "
                    "seen_at_ns, suite) SELECT owner_id, series, 1, '") +
        word + "', id, id, 1.0, 2.0, 0, 1, 1, '" + word + "' FROM run WHERE job_id = " + job);
  }
}

void EveryCallTest::AddFindings(std::vector<Question>* questions) {
  using storage::Caller;
  questions->push_back(
      {"ListFindings", "everyone's", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         LeaveFindings();
         return Ask<v1::ListFindingsResponse>(&calls_->list_findings, caller,
                                              v1::ListFindingsRequest());
       }});
  questions->push_back(
      {"GetDigest", "everyone's", Rule::kOwnAlone, [this](const Caller& caller, const Left&) {
         LeaveFindings();
         v1::GetDigestRequest request;
         request.set_since_ns(1);
         return Ask<v1::GetDigestResponse>(&calls_->get_digest, caller, request);
       }});
  questions->push_back(
      {"SetFinding", "of ann", Rule::kNothingOfJobs, [this](const Caller& caller, const Left&) {
         LeaveFindings();
         v1::SetFindingRequest request;
         request.set_finding_id(1);
         request.set_state(v1::CELL_FINDING_NEW);
         return Ask<v1::SetFindingResponse>(&calls_->set_finding, caller, request);
       }});
}

std::vector<Question> EveryCallTest::Questions() {
  std::vector<Question> questions;
  AddFindings(&questions);
  AddLists(&questions);
  AddNamed(&questions);
  AddSelected(&questions);
  AddOthers(&questions);
  AddHistoryWords(&questions);
  AddHistoryComparisons(&questions);
  AddHistoryTrends(&questions);
  AddHistoryBaselines(&questions);
  AddHistoryOfEveryone(&questions);
  AddHistoryForecasts(&questions);
  AddSuites(&questions);
  return questions;
}

void ExpectNoSecret(const std::string& text) {
  for (const std::string& secret : kSecrets) EXPECT_THAT(text, Not(HasSubstr(secret)));
}

void ExpectWhatAStrangerIsTold(Rule rule, const Told& told) {
  const std::string message(told.status.message());
  ExpectNoSecret(told.text + message);
  switch (rule) {
    case Rule::kNothingOfJobs:
      return;
    case Rule::kOutlines:
      EXPECT_TRUE(told.status.ok()) << told.status;
      EXPECT_THAT(told.text, HasSubstr("user: \"ann\""));
      EXPECT_THAT(told.text, HasSubstr("bobsword"));
      return;
    case Rule::kOwnAlone:
      EXPECT_TRUE(told.status.ok()) << told.status;
      EXPECT_THAT(told.text, Not(HasSubstr("\"ann\"")));
      EXPECT_THAT(told.text, HasSubstr("bobsword"));
      return;
    case Rule::kRefused:
      EXPECT_TRUE(absl::IsPermissionDenied(told.status)) << told.status;
      EXPECT_THAT(message, HasSubstr("belongs to ann; only its owner or an admin may see it"));
      EXPECT_EQ(told.text, "");
      return;
    case Rule::kForAdmins:
      EXPECT_TRUE(absl::IsPermissionDenied(told.status)) << told.status;
      EXPECT_EQ(told.text, "");
  }
}

TEST_F(EveryCallTest, IsDecided) {
  std::set<std::string> decided;
  for (const Question& question : Questions()) decided.insert(question.method);
  const auto* service = v1::SubmitJobsRequest::descriptor()->file()->FindServiceByName("Torchlap");
  ASSERT_NE(service, nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    EXPECT_EQ(decided.count(service->method(i)->name()), 1U)
        << service->method(i)->name()
        << ": what does it tell of the jobs of others in a private daemon (server/rpc/privacy.h)?";
  }
  EXPECT_EQ(decided.size(), static_cast<size_t>(service->method_count()));
}

TEST_F(EveryCallTest, TellsAStrangerOnlyWhatItMay) {
  for (const Question& question : Questions()) {
    SCOPED_TRACE(question.method + " of " + question.what);
    ExpectWhatAStrangerIsTold(question.rule, question.ask(stranger_, anns_));
  }
}

TEST_F(EveryCallTest, TellsOwnersAdminsAndEverybodyElsewhereAll) {
  storage::Caller admin = ann_;
  admin.principal = "uid:1002";
  admin.name = "eve";
  admin.is_admin = true;
  for (const Question& question : Questions()) {
    if (question.rule == Rule::kNothingOfJobs || question.rule == Rule::kForAdmins) continue;
    // Bob, as he is by default: the daemon is not private.
    for (const storage::Caller& caller : {owner_, admin, root_, bob_}) {
      SCOPED_TRACE(question.method + " of " + question.what + " by " + caller.name);
      const Told told = question.ask(caller, anns_);
      EXPECT_TRUE(told.status.ok()) << told.status;
      EXPECT_THAT(told.text, HasSubstr("annsword"));
    }
  }
}

// Also the owner of some of it has no right to the whole.
TEST_F(EveryCallTest, AdminsAloneMayAskOfTheWholeDatabaseInAPrivateDaemon) {
  for (const Question& question : Questions()) {
    if (question.rule != Rule::kForAdmins) continue;
    SCOPED_TRACE(question.method);
    EXPECT_TRUE(absl::IsPermissionDenied(question.ask(owner_, anns_).status));
    const Told told = question.ask(root_, anns_);
    EXPECT_TRUE(told.status.ok()) << told.status;
    EXPECT_NE(told.text, "");
  }
}

TEST_F(PrivacyTest, AnOutlineHasNoFieldBeyondThese) {
  v1::ListJobsResponse response;
  ASSERT_TRUE(calls_->list_jobs.Answer(stranger_, {}, &response).ok());
  size_t outlines = 0;
  for (const v1::Job& job : response.jobs()) {
    if (job.user() != "ann") continue;
    ++outlines;
    EXPECT_GT(job.job_id(), 0U);
    EXPECT_EQ(job.owner(), "uid:1000");
    EXPECT_GT(job.submitted_at_ns(), 0);
    EXPECT_EQ(job.has_wait(), job.state() == v1::JOB_STATE_QUEUED);
    EXPECT_EQ(job.device(), job.state() == v1::JOB_STATE_RUNNING ? "cpu0" : "");
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    job.GetReflection()->ListFields(job, &fields);
    static const std::set<std::string> kShown = {
        "job_id", "owner", "user", "state", "submitted_at_ns", "started_at_ns", "device", "wait"};
    for (const auto* field : fields) EXPECT_EQ(kShown.count(field->name()), 1U) << field->name();
  }
  EXPECT_EQ(outlines, 2U) << "the one that runs and the one that waits";
}

// What is kept back is not counted either: a page is as long as was asked for, but for the last.
TEST_F(PrivacyTest, PagesAndCountsAreOfWhatIsShown) {
  v1::ListRunsRequest request;
  request.set_page_size(2);
  std::vector<int> sizes;
  std::set<std::string> users;
  do {
    v1::ListRunsResponse response;
    ASSERT_TRUE(calls_->list_runs.Answer(stranger_, request, &response).ok());
    sizes.push_back(response.runs_size());
    for (const v1::Run& run : response.runs()) users.insert(run.user());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
  EXPECT_THAT(users, ElementsAre("bob"));

  const auto finished_runs = [&](const storage::Caller& caller) {
    v1::GetDaemonStatusResponse status;
    EXPECT_TRUE(calls_->get_daemon_status.Answer(caller, {}, &status).ok());
    EXPECT_EQ(status.queued_jobs(), 2U) << "the queue shows everyone's";
    EXPECT_EQ(status.running_jobs(), 2U);
    return status.finished_runs();
  };
  EXPECT_EQ(finished_runs(stranger_), 5U);
  EXPECT_EQ(finished_runs(owner_), 5U);
  EXPECT_EQ(finished_runs(root_), 10U);
  EXPECT_EQ(finished_runs(bob_), 10U);
  storage::Caller newcomer = stranger_;
  newcomer.principal = "uid:1003";
  EXPECT_EQ(finished_runs(newcomer), 0U);
}

TEST_F(PrivacyTest, AFilterByUserShowsNoMore) {
  v1::ListRunsRequest runs;
  runs.mutable_filter()->add_users("ann");
  v1::ListRunsResponse listed;
  ASSERT_TRUE(calls_->list_runs.Answer(stranger_, runs, &listed).ok());
  EXPECT_THAT(listed.runs(), IsEmpty());
  runs.mutable_filter()->clear_users();
  (*runs.mutable_filter()->mutable_labels())["label"] = "annsword";
  ASSERT_TRUE(calls_->list_runs.Answer(stranger_, runs, &listed).ok());
  EXPECT_THAT(listed.runs(), IsEmpty());
  v1::ListSweepsRequest sweeps;
  sweeps.set_user("uid:1000");
  v1::ListSweepsResponse found;
  ASSERT_TRUE(calls_->list_sweeps.Answer(stranger_, sweeps, &found).ok());
  EXPECT_THAT(found.sweeps(), IsEmpty());
  v1::ListJobsRequest jobs;
  jobs.set_user("ann");
  const Told told = List(stranger_, jobs);
  EXPECT_TRUE(told.status.ok()) << told.status;
  ExpectNoSecret(told.text);
  jobs.add_states(v1::JOB_STATE_FAILED);
  EXPECT_EQ(List(stranger_, jobs).text, "") << "what has ended is not in the queue";
}

// A name is a word: whether somebody has it must not be told.
TEST_F(PrivacyTest, ASweepsNameIsUnknownToStrangers) {
  v1::Selector selector;
  selector.add_sweep_names("annsword");
  EXPECT_EQ(jobs_->Resolve(selector, stranger_).status(),
            absl::NotFoundError("there is no sweep named 'annsword'"));
  EXPECT_EQ(jobs_->Resolve(selector, owner_)->sweep_ids.size(), 1U);
  EXPECT_TRUE(jobs_->Resolve(selector, bob_).ok());
  // Both have one of this name: each means his own, and it is not ambiguous.
  const storage::Submitted anns = SubmitAs(ann_, "same", 4, {v1::PURPOSE_MEASURE});
  const storage::Submitted bobs = SubmitAs(bob_, "same", 4, {v1::PURPOSE_MEASURE});
  selector.set_sweep_names(0, "same");
  EXPECT_THAT(jobs_->Resolve(selector, owner_)->sweep_ids, ElementsAre(anns.sweep_id));
  EXPECT_THAT(jobs_->Resolve(selector, stranger_)->sweep_ids, ElementsAre(bobs.sweep_id));
  EXPECT_TRUE(absl::IsInvalidArgument(jobs_->Resolve(selector, root_).status()));
}

TEST_F(PrivacyTest, WhatIsNotThereIsNotAnothers) {
  v1::GetJobRequest job;
  job.set_job_id(4711);
  EXPECT_EQ(Ask<v1::GetJobResponse>(&calls_->get_job, stranger_, job).status,
            absl::NotFoundError("there is no job 4711"));
  const auto code_of_run = [&](const std::string& run_id) {
    v1::GetRunRequest run;
    run.set_run_id(run_id);
    return AskStream<v1::GetRunResponse>(calls_->get_run, stranger_, run).status.code();
  };
  EXPECT_EQ(code_of_run("4711.1"), absl::StatusCode::kNotFound);
  EXPECT_EQ(code_of_run(std::to_string(bobs_.finished_job_id) + ".9"), absl::StatusCode::kNotFound);
  // How many runs another's job had is not told: these are the same.
  EXPECT_EQ(code_of_run(anns_.run_id), absl::StatusCode::kPermissionDenied);
  const std::string no_run = std::to_string(anns_.finished_job_id) + ".9";
  EXPECT_EQ(code_of_run(no_run), absl::StatusCode::kPermissionDenied);
  v1::Selector selector;
  selector.add_run_ids(no_run);
  EXPECT_TRUE(absl::IsPermissionDenied(jobs_->Resolve(selector, stranger_).status()));
  v1::ReadTraceRequest trace;
  trace.set_run_id("17. 2");
  EXPECT_TRUE(absl::IsInvalidArgument(
      AskStream<v1::ReadTraceResponse>(calls_->read_trace, stranger_, trace).status));
}

TEST_F(PrivacyTest, AllThatAStrangerCancelsIsHisOwn) {
  v1::CancelJobsRequest request;
  request.mutable_selector()->set_all(true);
  v1::CancelJobsResponse response;
  ASSERT_TRUE(calls_->cancel_jobs.Answer(stranger_, request, &response).ok());
  EXPECT_EQ(response.cancelled_job_ids_size(), 1);
  EXPECT_EQ(response.cancelling_job_ids_size(), 1);
  v1::CancelJobsRequest of_ann;
  of_ann.set_user("ann");
  EXPECT_TRUE(absl::IsPermissionDenied(
      Ask<v1::CancelJobsResponse>(&calls_->cancel_jobs, stranger_, of_ann).status));
}

TEST_F(PrivacyTest, AllThatAStrangerWritesOnIsHisOwn) {
  v1::NoteRunsRequest request;
  request.mutable_filter()->mutable_selector()->set_all(true);
  request.set_note("seen");
  v1::NoteRunsResponse response;
  ASSERT_TRUE(calls_->note_runs.Answer(stranger_, request, &response).ok());
  EXPECT_EQ(response.runs(), 5U);
  EXPECT_EQ(runs_->Get(bobs_.run_id)->run().note(), "seen");
  EXPECT_EQ(runs_->Get(anns_.run_id)->run().note(), "");
  request.mutable_filter()->mutable_selector()->Clear();
  request.mutable_filter()->mutable_selector()->add_run_ids(anns_.run_id);
  EXPECT_TRUE(absl::IsPermissionDenied(
      Ask<v1::NoteRunsResponse>(&calls_->note_runs, stranger_, request).status));
  // Where the daemon is not private he sees it, and may not write on it.
  EXPECT_THAT(
      std::string(Ask<v1::NoteRunsResponse>(&calls_->note_runs, bob_, request).status.message()),
      HasSubstr("belongs to ann; only its owner or an admin may note it"));
}

TEST(LeaveOutlines, LeavesOnesOwnJobsAsTheyAre) {
  storage::Caller bob{"uid:1001", "bob"};
  bob.sees_all = false;
  v1::Job job;
  job.set_job_id(7);
  job.set_sweep_name("night");
  job.mutable_wait()->set_jobs_ahead(3);
  std::vector<v1::Job> jobs(3, job);
  jobs[0].set_owner("uid:1001");
  jobs[1].set_owner("uid:1002");
  jobs[2].clear_owner();  // nobody's that is known: not bob's
  LeaveOutlines(bob, &jobs);
  EXPECT_EQ(jobs[0].sweep_name(), "night");
  EXPECT_EQ(jobs[1].sweep_name(), "");
  EXPECT_EQ(jobs[1].wait().jobs_ahead(), 3U);
  EXPECT_EQ(jobs[2].sweep_name(), "");
  bob.sees_all = true;
  std::vector<v1::Job> whole(1, job);
  LeaveOutlines(bob, &whole);
  EXPECT_EQ(whole[0].sweep_name(), "night");
}

}  // namespace
}  // namespace torchlap::rpc
