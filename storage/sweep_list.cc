#include "storage/sweep_list.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <limits>
#include <map>
#include <set>
#include <utility>

#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// The id of the last sweep of the page before.
absl::StatusOr<int64_t> ParseToken(const std::string& token) {
  int64_t id = std::numeric_limits<int64_t>::max();
  if (token.empty()) return id;
  if (absl::SimpleAtoi(token, &id) && absl::StrCat(id) == token) return id;
  return absl::InvalidArgumentError(absl::StrCat(
      "page_token is '", token, "', must be the next_page_token of an earlier answer"));
}

std::vector<v1::Sweep> SweepsBelow(SQLite::Database& database, const std::string& user,
                                   const std::string& only_owner, int64_t id, uint32_t limit) {
  std::vector<v1::Sweep> sweeps;
  Query query(
      database,
      "SELECT sweep.id, sweep.name, ifnull(principal.name, 'unknown (lost)'), "
      "sweep.submitted_at_ns FROM sweep "
      "LEFT JOIN principal ON principal.id = sweep.owner_id WHERE sweep.id < ?1 "
      "AND (?2 = '' OR principal.name = ?2 OR principal.principal = ?2) "
      "AND (?3 = '' OR principal.principal = ?3) "
      "AND (?2 <> '' OR ifnull(principal.principal <> ?4 AND "
      "principal.principal NOT GLOB 'host:*/' || ?4, true)) ORDER BY sweep.id DESC LIMIT ?5",
      id, user, only_owner, std::string(kDaemonPrincipal), limit);
  while (query.Step()) {
    v1::Sweep& sweep = sweeps.emplace_back();
    sweep.set_sweep_id(query.Uint(0));
    sweep.set_name(query.Text(1));
    sweep.set_user(query.Text(2));
    sweep.set_submitted_at_ns(query.Int(3));
  }
  return sweeps;
}

void AddJobs(v1::JobState state, uint32_t jobs, v1::Sweep* sweep) {
  switch (state) {
    case v1::JOB_STATE_QUEUED:
      return sweep->set_queued_jobs(sweep->queued_jobs() + jobs);
    case v1::JOB_STATE_RUNNING:
      return sweep->set_running_jobs(sweep->running_jobs() + jobs);
    case v1::JOB_STATE_SUCCEEDED:
      return sweep->set_succeeded_jobs(sweep->succeeded_jobs() + jobs);
    case v1::JOB_STATE_FAILED:
      return sweep->set_failed_jobs(sweep->failed_jobs() + jobs);
    case v1::JOB_STATE_CANCELLED:
      return sweep->set_cancelled_jobs(sweep->cancelled_jobs() + jobs);
    default:
      return;
  }
}

// The values that differ, of which a sweep of 10,000 jobs may have as many: an answer holds 1,000
// sweeps.
class Settings {
 public:
  // Of some jobs; columns from kFirstSetting on.
  void Add(const Query& row);
  void Put(v1::Sweep* sweep) const;

 private:
  static constexpr int kMost = 20;

  static void AddNumber(const Query& row, int column, std::set<int64_t>* numbers) {
    if (!row.IsNull(column)) numbers->insert(row.Int(column));
  }
  template <typename Values, typename Put>
  static void PutSome(const Values& values, const Put& put) {
    int seen = 0;
    const int all = static_cast<int>(values.size());
    for (const auto& value : values) {
      ++seen;
      if (seen < kMost || seen == all) put(value);
    }
  }

  // By parameters, then by what it is.
  std::map<std::pair<int64_t, std::string>, v1::TransformerLm> models_;
  std::set<int64_t> passes_;
  std::set<int64_t> batches_;
  std::set<int64_t> contexts_;
  std::set<int64_t> precisions_;
  std::set<int64_t> attentions_;
  std::set<int64_t> optimizers_;
  std::set<int64_t> warmups_;
};

constexpr int kFirstSetting = 3;

void Settings::Add(const Query& row) {
  int column = kFirstSetting;
  AddNumber(row, column++, &warmups_);
  // A calibration has none of the rest.
  if (row.IsNull(column)) return;
  AddNumber(row, column++, &passes_);
  AddNumber(row, column++, &batches_);
  AddNumber(row, column++, &contexts_);
  AddNumber(row, column++, &precisions_);
  AddNumber(row, column++, &attentions_);
  AddNumber(row, column++, &optimizers_);
  const int64_t parameters = row.Int(column++);
  v1::TransformerLm model;
  model.set_edition(row.Text(column++));
  model.set_preset(row.Text(column++));
  model.set_vocab_size(static_cast<uint32_t>(row.Int(column++)));
  model.set_d_model(static_cast<uint32_t>(row.Int(column++)));
  model.set_d_ff(static_cast<uint32_t>(row.Int(column++)));
  model.set_layers(static_cast<uint32_t>(row.Int(column++)));
  model.set_heads(static_cast<uint32_t>(row.Int(column++)));
  models_.try_emplace({parameters, model.SerializeAsString()}, model);
}

void Settings::Put(v1::Sweep* sweep) const {
  PutSome(models_, [&](const auto& entry) { *sweep->add_models() = entry.second; });
  PutSome(passes_, [&](int64_t v) { sweep->add_pass_types(static_cast<v1::PassType>(v)); });
  PutSome(batches_, [&](int64_t v) { sweep->add_batch_sizes(static_cast<uint32_t>(v)); });
  PutSome(contexts_, [&](int64_t v) { sweep->add_context_lengths(static_cast<uint32_t>(v)); });
  PutSome(precisions_, [&](int64_t v) { sweep->add_precisions(static_cast<v1::Precision>(v)); });
  PutSome(attentions_, [&](int64_t v) { sweep->add_attentions(static_cast<v1::Attention>(v)); });
  PutSome(optimizers_, [&](int64_t v) { sweep->add_optimizers(static_cast<v1::Optimizer>(v)); });
  PutSome(warmups_, [&](int64_t v) { sweep->add_warmup_steps(static_cast<uint32_t>(v)); });
}

// Each job is looked at once, and each workload once for its jobs of one state. All jobs of a sweep
// are of one purpose.
constexpr char kJobsOfSweep[] =
    "SELECT jobs.state, jobs.number, jobs.purpose, jobs.warmup_steps, workload.pass_type, "
    "workload.batch_size, workload.context_length, workload.precision, workload.attention, "
    "workload.optimizer, workload.parameters, workload.edition, workload.model_size, "
    "workload.vocab_size, workload.d_model, workload.d_ff, workload.layers, workload.heads "
    "FROM (SELECT state, count(*) AS number, max(purpose) AS purpose, workload_id, warmup_steps "
    "FROM job INDEXED BY job_by_sweep WHERE sweep_id = ? "
    "GROUP BY state, workload_id, warmup_steps) AS jobs "
    "LEFT JOIN workload ON workload.id = jobs.workload_id";

void ReadJobs(SQLite::Database& database, v1::Sweep* sweep) {
  Settings settings;
  Query query(database, kJobsOfSweep, sweep->sweep_id());
  while (query.Step()) {
    AddJobs(static_cast<v1::JobState>(query.Int(0)), static_cast<uint32_t>(query.Int(1)), sweep);
    sweep->set_purpose(static_cast<v1::Purpose>(query.Int(2)));
    settings.Add(query);
  }
  settings.Put(sweep);
}

void CountRuns(v1::Validity validity, uint32_t runs, v1::Sweep* sweep) {
  switch (validity) {
    case v1::VALIDITY_CLEAN:
      return sweep->set_clean_runs(runs);
    case v1::VALIDITY_UNVERIFIED:
      return sweep->set_unverified_runs(runs);
    case v1::VALIDITY_SUSPECT:
      return sweep->set_suspect_runs(runs);
    case v1::VALIDITY_CONTAMINATED:
      return sweep->set_contaminated_runs(runs);
    default:
      return;
  }
}

// Without those that were declared invalid, which are few: asked of their index alone.
void ReadRuns(SQLite::Database& database, v1::Sweep* sweep) {
  Query query(database,
              "SELECT run.validity, count(*) FROM job INDEXED BY job_by_sweep "
              "JOIN run INDEXED BY run_by_job ON run.job_id = job.id "
              "WHERE job.sweep_id = ? AND run.outcome = ? AND NOT EXISTS "
              "(SELECT 1 FROM run AS struck INDEXED BY run_invalid "
              "WHERE struck.id = run.id AND struck.invalid_reason IS NOT NULL) "
              "GROUP BY run.validity",
              sweep->sweep_id(), v1::OUTCOME_OK);
  while (query.Step()) {
    CountRuns(static_cast<v1::Validity>(query.Int(0)), static_cast<uint32_t>(query.Int(1)), sweep);
  }
}

}  // namespace

absl::StatusOr<SweepPage> SweepList::List(const std::string& user, uint32_t page_size,
                                          const std::string& page_token,
                                          const std::string& only_owner) const {
  const absl::StatusOr<int64_t> below = ParseToken(page_token);
  if (!below.ok()) return below.status();
  SweepPage page;
  const absl::Status status = database_->Read([&](SQLite::Database& database) {
    page.sweeps = SweepsBelow(database, user, only_owner, *below, page_size + 1);
    if (page.sweeps.size() > page_size) {
      page.sweeps.resize(page_size);
      page.next_page_token = absl::StrCat(page.sweeps.back().sweep_id());
    }
    for (v1::Sweep& sweep : page.sweeps) {
      ReadJobs(database, &sweep);
      ReadRuns(database, &sweep);
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return page;
}

}  // namespace torchlap::storage
