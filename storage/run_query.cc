#include "storage/run_query.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "storage/id_list.h"
#include "storage/run_row.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// Up to so many places are fetched to be merged, each kind giving its own newest runs; above,
// enough runs match for a walk through all of them by start to end soon.
constexpr int64_t kMostMerged = 10'000;

// Of labels that so many jobs have, runs are looked for one by one among all, the next first; all
// runs of such jobs would have to be fetched to be sorted. More than the second are not counted.
constexpr int64_t kManyJobs = 4000;
constexpr int64_t kMostCounted = 20'000;

std::string In(const std::string& column) { return absl::StrCat(column, " IN (", kListed, ")"); }

// The ids that `sql` finds for any of the names; each name is bound twice.
template <typename Names>
std::vector<int64_t> IdsOf(SQLite::Database& database, const std::string& sql, const Names& names) {
  std::vector<int64_t> ids;
  for (const std::string& name : names) {
    Query query(database, sql, name, name);
    while (query.Step()) ids.push_back(query.Int(0));
  }
  return ids;
}

std::vector<RunPlace> RunsNamed(SQLite::Database& database, const v1::Selector& selector) {
  std::vector<RunPlace> places;
  for (const std::string& run_id : selector.run_ids()) {
    const std::optional<RunKey> key = ParseRunId(run_id);
    if (!key) continue;
    const auto id = SelectInt(database, "SELECT id FROM run WHERE job_id = ? AND number = ?",
                              key->job_id, key->number);
    if (id) places.push_back({.id = *id, .job_id = key->job_id});
  }
  return places;
}

// Of the principal.
std::vector<RunPlace> RunsOfBaseline(SQLite::Database& database, const std::string& owner) {
  std::vector<RunPlace> places;
  if (owner.empty()) return places;
  Query query(database,
              "SELECT run.id, run.job_id FROM baseline CROSS JOIN run ON run.id = baseline.run_id "
              "WHERE baseline.owner_id = (SELECT id FROM principal WHERE principal = ?)",
              owner);
  while (query.Step()) places.push_back({.id = query.Int(0), .job_id = query.Uint(1)});
  return places;
}

// The numbers of jobs that are listed, or are of a sweep that is listed: two parameters.
std::string SelectedJobs() {
  return absl::StrCat(kListed, " UNION SELECT id FROM job WHERE ", In("sweep_id"));
}

constexpr char kIsNotInvalid[] =
    "NOT EXISTS (SELECT 1 FROM run AS struck INDEXED BY run_invalid "
    "WHERE struck.id = run.id AND struck.invalid_reason IS NOT NULL)";

constexpr char kHasLabel[] = "job_id IN (SELECT job_id FROM label WHERE k = ? AND v = ?)";
// The same, looked up for a run.
constexpr char kThisHasLabel[] =
    "EXISTS (SELECT 1 FROM label WHERE label.job_id = run.job_id AND k = ? AND v = ?)";

int64_t CountJobs(SQLite::Database& database, const Label& label) {
  return SelectInt(database,
                   "SELECT count(*) FROM (SELECT 1 FROM label INDEXED BY label_by_value "
                   "WHERE k = ? AND v = ? LIMIT ?)",
                   label.first, label.second, kMostCounted)
      .value_or(0);
}

// The first `limit` of both, sorted, each once.
std::vector<uint64_t> Merged(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b,
                             uint32_t limit) {
  std::vector<uint64_t> merged;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(merged));
  if (merged.size() > limit) merged.resize(limit);
  return merged;
}

std::vector<uint64_t> NumbersOf(Query* query) {
  std::vector<uint64_t> numbers;
  while (query->Step()) numbers.push_back(query->Uint(0));
  return numbers;
}

std::vector<uint64_t> JobsOfSweep(SQLite::Database& database, uint64_t sweep, uint64_t behind,
                                  uint32_t limit) {
  Query query(database,
              "SELECT id FROM job INDEXED BY job_by_sweep WHERE sweep_id = ? AND id > ? "
              "ORDER BY id LIMIT ?",
              sweep, behind, limit);
  return NumbersOf(&query);
}

std::vector<uint64_t> JobsWithLabel(SQLite::Database& database, const Label& label, uint64_t behind,
                                    uint32_t limit) {
  Query query(database,
              "SELECT job_id FROM label INDEXED BY label_by_value WHERE k = ? AND v = ? "
              "AND job_id > ? ORDER BY job_id LIMIT ?",
              label.first, label.second, behind, limit);
  return NumbersOf(&query);
}

}  // namespace

// Nothing besides, so that the index covers it.
RunQuery::Way RunQuery::InOrderOfStart(const std::string& index, bool ascending) {
  const char* direction = ascending ? "ASC" : "DESC";
  return {index, absl::StrCat("started_at_ns ", direction, ", id ", direction), "0, 0"};
}

void RunQuery::Conditions::Add(std::string text, std::initializer_list<Value> parameters) {
  texts.push_back(std::move(text));
  values.insert(values.end(), parameters);
}

void RunQuery::Conditions::Add(const Conditions& others) {
  texts.insert(texts.end(), others.texts.begin(), others.texts.end());
  values.insert(values.end(), others.values.begin(), others.values.end());
}

std::string RunQuery::Conditions::All() const { return absl::StrJoin(texts, " AND "); }

RunQuery::RunQuery(SQLite::Database& database, const v1::RunFilter& filter,
                   const JobFilter& selected, std::vector<Label> labels)
    : database_(database), labels_(std::move(labels)) {
  conditions_.Add("outcome IS NOT NULL");
  AddSelection(filter, selected);
  AddWorkloads(filter);
  AddNames(filter);
  AddOwner(selected.only_owner);
  AddValues(filter);
  AddInvalid(filter);
  if (of_kind_.texts.empty() || !selection_.texts.empty()) return;
  kinds_ = FindKinds();
  nothing_ = nothing_ || kinds_->ids.empty();
}

// Any of the jobs, sweeps and runs; all of the labels.
void RunQuery::AddSelection(const v1::RunFilter& filter, const JobFilter& selected) {
  const bool names_runs = (filter.selector().run_ids_size() > 0 && !filter.selector().all()) ||
                          !selected.baseline_of.empty();
  const std::string jobs = IdList(selected.job_ids);
  const std::string sweeps = IdList(selected.sweep_ids);
  if (names_runs) {
    std::vector<uint64_t> jobs_of_runs;
    std::vector<int64_t> ids;
    for (const RunPlace& run : RunsNamed(database_, filter.selector())) {
      named_runs_.push_back(run.id);
      jobs_of_runs.push_back(run.job_id);
      ids.push_back(run.id);
    }
    for (const RunPlace& run : RunsOfBaseline(database_, selected.baseline_of)) {
      jobs_of_runs.push_back(run.job_id);
      ids.push_back(run.id);
    }
    // The first condition alone leads through the index.
    selection_.Add(absl::StrCat("job_id IN (", SelectedJobs(), " UNION ", kListed, ") AND (",
                                In("id"), " OR job_id IN (", SelectedJobs(), "))"),
                   {jobs, sweeps, IdList(jobs_of_runs), IdList(ids), jobs, sweeps});
  } else if (!selected.job_ids.empty() || !selected.sweep_ids.empty()) {
    selection_.Add(absl::StrCat("job_id IN (", SelectedJobs(), ")"), {jobs, sweeps});
  }
  for (const auto& [key, value] : labels_) selection_.Add(kHasLabel, {key, value});
  selected_ = selected;
  std::sort(selected_.job_ids.begin(), selected_.job_ids.end());
  selects_jobs_ = !names_runs && !selection_.texts.empty();
  by_labels_alone_ = !labels_.empty() && selection_.texts.size() == labels_.size();
}

void RunQuery::AddWorkloads(const v1::RunFilter& filter) {
  std::vector<std::string> of_workload = {"1"};
  std::vector<std::string> lists;
  const auto require = [&](const char* column, const auto& numbers) {
    if (numbers.empty()) return;
    of_workload.push_back(In(column));
    lists.push_back(IdList(numbers));
  };
  if (filter.model_sizes_size() > 0) {
    // Also where no size of the name is there.
    of_workload.push_back(In("id"));
    lists.push_back(IdList(
        IdsOf(database_,
              "SELECT id FROM workload WHERE model_size = ? OR edition || '/' || model_size = ?",
              filter.model_sizes())));
  }
  require("pass_type", filter.pass_types());
  require("precision", filter.precisions());
  require("attention", filter.attentions());
  if (lists.empty()) return;
  Query query(database_, Once{absl::StrCat("SELECT id FROM workload WHERE ",
                                           absl::StrJoin(of_workload, " AND "))});
  for (const std::string& list : lists) query.Bind(list);
  const std::vector<uint64_t> workloads = NumbersOf(&query);
  nothing_ = nothing_ || workloads.empty();
  Require("asked_workload_id", "workload_id", IdList(workloads));
}

void RunQuery::AddNames(const v1::RunFilter& filter) {
  if (filter.devices_size() > 0) {
    const auto ids =
        IdsOf(database_, "SELECT id FROM device WHERE name = ? OR uuid = ?", filter.devices());
    nothing_ = nothing_ || ids.empty();
    Require("device_id", "device_id", IdList(ids));
  }
  if (filter.users_size() > 0) {
    const auto ids = IdsOf(database_, "SELECT id FROM principal WHERE name = ? OR principal = ?",
                           filter.users());
    nothing_ = nothing_ || ids.empty();
    Require("owner_id", "owner_id", IdList(ids));
  }
}

void RunQuery::AddOwner(const std::string& only_owner) {
  if (only_owner.empty()) return;
  const auto id = SelectInt(database_, "SELECT id FROM principal WHERE principal = ?", only_owner);
  nothing_ = nothing_ || !id;
  Require("owner_id", "owner_id", IdList(std::vector<int64_t>{id.value_or(0)}));
}

void RunQuery::Require(const std::string& column, const std::string& of_job,
                       const std::string& list) {
  conditions_.Add(In(column), {list});
  of_kind_.Add(In(column), {list});
  of_job_.Add(In(of_job), {list});
}

void RunQuery::AddValues(const v1::RunFilter& filter) {
  if (filter.timings_size() > 0) Require("timing", "timing", IdList(filter.timings()));
  if (filter.purposes_size() > 0) Require("purpose", "purpose", IdList(filter.purposes()));
  if (filter.outcomes_size() > 0) {
    conditions_.Add(In("outcome"), {IdList(filter.outcomes())});
    of_kind_.Add(In("outcome"), {IdList(filter.outcomes())});
  }
  if (filter.validities_size() > 0) {
    conditions_.Add(In("validity"), {IdList(filter.validities())});
    of_kind_.Add(In("validity"), {IdList(filter.validities())});
  }
  if (filter.exclude_contaminated()) {
    conditions_.Add("validity IS NOT ?", {int64_t{v1::VALIDITY_CONTAMINATED}});
    of_kind_.Add("validity IS NOT ?", {int64_t{v1::VALIDITY_CONTAMINATED}});
  }
  if (filter.since_ns() != 0) times_.Add("started_at_ns >= ?", {filter.since_ns()});
  if (filter.until_ns() != 0) times_.Add("started_at_ns < ?", {filter.until_ns()});
  conditions_.Add(times_);
  of_finished_ = filter.outcomes_size() > 0 || filter.validities_size() > 0 ||
                 filter.since_ns() != 0 || filter.until_ns() != 0;
}

// A look into the index of the few invalid ones: a column of the run would cost a look at each run
// that an index answers for.
void RunQuery::AddInvalid(const v1::RunFilter& filter) {
  if (filter.include_invalid()) return;
  if (!named_runs_.empty()) {
    not_invalid_.Add(absl::StrCat("(", In("id"), " OR ", kIsNotInvalid, ")"),
                     {IdList(named_runs_)});
  } else {
    not_invalid_.Add(kIsNotInvalid);
  }
  conditions_.Add(not_invalid_);
}

RunQuery::Kinds RunQuery::FindKinds() const {
  Kinds kinds;
  Query query(database_,
              Once{absl::StrCat("SELECT id, runs FROM run_kind WHERE ", of_kind_.All())});
  for (const Value& value : of_kind_.values) {
    std::visit([&query](const auto& bound) { query.Bind(bound); }, value);
  }
  while (query.Step()) {
    kinds.ids.push_back(query.Int(0));
    kinds.runs += query.Int(1);
  }
  return kinds;
}

std::vector<RunPlace> RunQuery::ByStart(bool ascending, const std::optional<RunPlace>& after,
                                        uint32_t limit) const {
  Conditions behind;
  if (after) {
    behind.Add(absl::StrCat("(started_at_ns, id) ", ascending ? ">" : "<", " (?, ?)"),
               {after->started_at_ns, after->id});
  }
  // That a run is of its kind says all but when it started, and what a user said of it.
  Conditions of_kinds = times_;
  of_kinds.Add(not_invalid_);
  of_kinds.Add(behind);
  if (kinds_ && static_cast<int64_t>(kinds_->ids.size()) * limit <= kMostMerged) {
    return OfEachKind(of_kinds, ascending, limit);
  }
  if (kinds_ && kinds_->runs <= kMostMerged) {
    of_kinds.Add(In("kind_id"), {IdList(kinds_->ids)});
    return Select(InOrderOfStart("run_by_kind", ascending), of_kinds, limit);
  }
  if (by_labels_alone_) {
    if (auto places = OfCommonLabels(behind, ascending, limit)) return *std::move(places);
  }
  Conditions conditions = conditions_;
  conditions.Add(behind);
  conditions.Add(selection_);
  return Select(InOrderOfStart(selection_.texts.empty() ? "run_by_start" : "run_by_job", ascending),
                conditions, limit);
}

// Nothing: all that have the labels are sorted sooner.
std::optional<std::vector<RunPlace>> RunQuery::OfCommonLabels(const Conditions& behind,
                                                              bool ascending,
                                                              uint32_t limit) const {
  int64_t jobs = kMostCounted;
  for (const Label& label : labels_) jobs = std::min(jobs, CountJobs(database_, label));
  if (jobs < kManyJobs) return std::nullopt;
  Conditions conditions = conditions_;
  conditions.Add(behind);
  for (const auto& [key, value] : labels_) conditions.Add(kThisHasLabel, {key, value});
  if (!of_kind_.texts.empty()) {
    const Kinds kinds = FindKinds();
    if (kinds.runs <= kMostMerged) {
      conditions.Add(In("kind_id"), {IdList(kinds.ids)});
      return Select(InOrderOfStart("run_by_kind", ascending), conditions, limit);
    }
  }
  const auto looks = WorthLooks(jobs, limit);
  if (!looks) return std::nullopt;
  return AmongTheNext(*looks, behind, std::move(conditions), ascending, limit);
}

// Twice as many as have `limit` labelled ones among them, if these lie anywhere. Nothing: to sort
// those of all that many jobs costs no more.
std::optional<uint32_t> RunQuery::WorthLooks(int64_t jobs, uint32_t limit) const {
  constexpr int64_t kLeast = 500;
  constexpr int64_t kMost = 40'000;
  const int64_t runs = SelectInt(database_, "SELECT max(id) FROM run").value_or(0);
  const int64_t expected = int64_t{limit} * runs / jobs;
  const bool are_all_counted = jobs < kMostCounted;
  if (are_all_counted && expected > jobs) return std::nullopt;
  return static_cast<uint32_t>(std::clamp(2 * expected, kLeast, kMost));
}

// Nothing: fewer than `limit` of the next `looks` match, and there are more behind them.
std::optional<std::vector<RunPlace>> RunQuery::AmongTheNext(uint32_t looks,
                                                            const Conditions& behind,
                                                            Conditions conditions, bool ascending,
                                                            uint32_t limit) const {
  const Way by_start = InOrderOfStart("run_by_start", ascending);
  Conditions all;
  all.Add("outcome IS NOT NULL");
  all.Add(times_);
  all.Add(behind);
  const std::vector<RunPlace> next = Select(by_start, all, looks);
  const bool is_end = next.size() < looks;
  if (!is_end) {
    conditions.Add(absl::StrCat("(started_at_ns, id) ", ascending ? "<=" : ">=", " (?, ?)"),
                   {next.back().started_at_ns, next.back().id});
  }
  std::vector<RunPlace> places = Select(by_start, conditions, limit);
  if (!is_end && places.size() < limit) return std::nullopt;
  return places;
}

// Each kind's first runs, merged.
std::vector<RunPlace> RunQuery::OfEachKind(const Conditions& conditions, bool ascending,
                                           uint32_t limit) const {
  std::vector<RunPlace> all;
  for (const int64_t kind : kinds_->ids) {
    Conditions of_one = conditions;
    of_one.Add("kind_id = ?", {kind});
    const auto places = Select(InOrderOfStart("run_by_kind", ascending), of_one, limit);
    all.insert(all.end(), places.begin(), places.end());
  }
  std::sort(all.begin(), all.end(), [ascending](const RunPlace& a, const RunPlace& b) {
    const auto of_a = std::tie(a.started_at_ns, a.id);
    const auto of_b = std::tie(b.started_at_ns, b.id);
    return ascending ? of_a < of_b : of_b < of_a;
  });
  if (all.size() > limit) all.resize(limit);
  return all;
}

std::vector<RunPlace> RunQuery::ByJob(const RunPlace& after, uint32_t limit,
                                      bool with_unfinished) const {
  if (selects_jobs_) {
    return nothing_ ? std::vector<RunPlace>()
                    : OfSelectedJobs(after.job_id, limit, with_unfinished && !of_finished_);
  }
  Conditions conditions = conditions_;
  conditions.Add(selection_);
  conditions.Add("(job_id, number) > (?, ?)",
                 {static_cast<int64_t>(after.job_id), int64_t{after.number}});
  if (kinds_ && kinds_->runs <= kMostMerged) {
    conditions.Add(In("kind_id"), {IdList(kinds_->ids)});
    return Select({"run_by_kind", "job_id, number", "job_id, number"}, conditions, limit);
  }
  return Select({"run_by_job", "job_id, number", "job_id, number"}, conditions, limit);
}

// Whole jobs, so that what a job becomes between two batches is not seen twice or never.
std::vector<RunPlace> RunQuery::OfSelectedJobs(uint64_t after_job, uint32_t limit,
                                               bool with_unfinished) const {
  const auto bind = [](const Conditions& conditions, Query* query) {
    for (const Value& value : conditions.values) {
      std::visit([query](const auto& bound) { query->Bind(bound); }, value);
    }
  };
  Query runs(database_, Once{absl::StrCat("SELECT id, number FROM run INDEXED BY run_by_job "
                                          "WHERE job_id = ? AND ",
                                          conditions_.All(), " ORDER BY number")});
  Query unfinished(
      database_,
      Once{absl::StrCat("SELECT 1 FROM job WHERE id = ? AND NOT EXISTS (SELECT 1 FROM run "
                        "INDEXED BY run_by_job WHERE job_id = job.id AND outcome IS NOT NULL)",
                        of_job_.texts.empty() ? "" : " AND ", of_job_.All())});
  std::vector<RunPlace> places;
  while (places.size() < limit) {
    const std::vector<uint64_t> jobs = JobsBehind(after_job, limit);
    for (const uint64_t job : jobs) {
      after_job = job;
      if (!HasLabels(job)) continue;
      const size_t before = places.size();
      runs.Restart(job);
      bind(conditions_, &runs);
      while (runs.Step()) {
        places.push_back({runs.Int(0), 0, job, static_cast<uint32_t>(runs.Int(1))});
      }
      if (places.size() >= limit) break;
      if (places.size() > before || !with_unfinished) continue;
      unfinished.Restart(job);
      bind(of_job_, &unfinished);
      if (unfinished.Step()) places.push_back({.job_id = job});
    }
    if (jobs.empty()) break;
  }
  return places;
}

bool RunQuery::HasLabels(uint64_t job) const {
  return std::all_of(labels_.begin(), labels_.end(), [&](const auto& label) {
    return SelectInt(database_, "SELECT 1 FROM label WHERE job_id = ? AND k = ? AND v = ?", job,
                     label.first, label.second)
        .has_value();
  });
}

// At most `limit` of the selected jobs above a number, in order; their labels are not looked at,
// but for the first where nothing else was selected.
std::vector<uint64_t> RunQuery::JobsBehind(uint64_t job_id, uint32_t limit) const {
  std::vector<uint64_t> jobs;
  const bool by_label_alone = selected_.job_ids.empty() && selected_.sweep_ids.empty();
  if (by_label_alone) {
    jobs = JobsWithLabel(database_, labels_.front(), job_id, limit);
  } else {
    const auto& listed = selected_.job_ids;
    const auto first = std::upper_bound(listed.begin(), listed.end(), job_id);
    jobs = Merged({first, listed.end()}, {}, limit);
    for (const uint64_t sweep : selected_.sweep_ids) {
      jobs = Merged(jobs, JobsOfSweep(database_, sweep, job_id, limit), limit);
    }
  }
  return jobs;
}

std::vector<RunPlace> RunQuery::Select(const Way& how, const Conditions& conditions,
                                       uint32_t limit) const {
  if (nothing_) return {};
  Query query(database_, Once{absl::StrCat("SELECT id, started_at_ns, ", how.also,
                                           " FROM run INDEXED BY ", how.index, " WHERE ",
                                           conditions.All(), " ORDER BY ", how.order, " LIMIT ?")});
  for (const Value& value : conditions.values) {
    std::visit([&query](const auto& bound) { query.Bind(bound); }, value);
  }
  query.Bind(limit);
  std::vector<RunPlace> places;
  while (query.Step()) {
    places.push_back(
        {query.Int(0), query.Int(1), query.Uint(2), static_cast<uint32_t>(query.Int(3))});
  }
  return places;
}

}  // namespace torchlap::storage
