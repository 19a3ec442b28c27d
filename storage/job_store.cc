// JobStore: what is asked of it. What it changes stands in
// job_store_{submit,start,finish,cancel}.cc.
#include "storage/job_store.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "proto/base/visible_text.h"
#include "storage/device_use.h"
#include "storage/filter_limits.h"
#include "storage/id_list.h"
#include "storage/job_row.h"
#include "storage/row_damage.h"
#include "storage/run_row.h"
#include "storage/sqlite_connection.h"
#include "storage/sqlite_status.h"
#include "storage/suite_store.h"
#include "storage/visibility.h"

namespace torchlap::storage {
namespace {

// The numbers that stand in SQL texts.
static_assert(v1::JOB_STATE_QUEUED == 1 && v1::JOB_STATE_RUNNING == 2 &&
              v1::JOB_STATE_SUCCEEDED == 3 && v1::JOB_STATE_FAILED == 4 &&
              v1::JOB_STATE_CANCELLED == 5 && v1::PURPOSE_CANARY == 6);

// That ever were; numbers are given one by one, from 1.
constexpr int64_t kMostJobs = 1'000'000'000;

bool IsUnfinished(v1::JobState state) { return state <= v1::JOB_STATE_RUNNING; }

struct ListedJob {
  uint64_t id = 0;
  std::optional<v1::Job> job;  // nothing: it, or a row that it refers to, is damaged or missing
};

std::vector<ListedJob> ReadJobs(Query* query) {
  std::vector<ListedJob> jobs;
  while (query->Step()) {
    ListedJob& listed = jobs.emplace_back();
    listed.id = query->Uint(0);
    if (!HasAllRows(*query)) continue;
    const auto read = [&] {
      listed.job = ReadJob(*query);
      return absl::OkStatus();
    };
    uint64_t damaged = 0;
    CountingDamage(read, &damaged).IgnoreError();
  }
  return jobs;
}

void BindPage(const JobFilter& filter, Query* query) {
  if (!filter.user.empty()) {
    query->Bind(filter.user);
    query->Bind(filter.user);
  }
  if (!filter.only_owner.empty()) query->Bind(filter.only_owner);
  query->Bind(filter.limit);
}

const char* OwnersOf(const JobFilter& filter) {
  if (filter.only_owner.empty()) return "";
  return filter.others_queued ? " AND (principal.principal = ? OR job.state < 3)"
                              : " AND principal.principal = ?";
}

std::string PageOf(const JobFilter& filter) {
  return absl::StrCat(
      filter.user.empty() ? "" : " AND (principal.name = ? OR principal.principal = ?)",
      filter.without_canaries ? " AND job.purpose IS NOT 6" : "", OwnersOf(filter),
      " ORDER BY job.id LIMIT ?");
}

// By the index of the few that are not finished, state by state: each has its jobs in the order of
// their ids, so that a page costs no more than itself.
std::vector<ListedJob> ListUnfinished(SQLite::Database& database, const JobFilter& filter) {
  std::vector<ListedJob> jobs;
  for (const v1::JobState state : std::set(filter.states.begin(), filter.states.end())) {
    // The partial index is used only where its own condition is said.
    const std::string condition = "job.state = ? AND job.state < 3 AND job.id > ?";
    Query query(database, SelectJobs(condition + PageOf(filter), "job_unfinished"), state,
                filter.after_job_id);
    BindPage(filter, &query);
    std::vector<ListedJob> of_state = ReadJobs(&query);
    std::move(of_state.begin(), of_state.end(), std::back_inserter(jobs));
  }
  std::sort(jobs.begin(), jobs.end(),
            [](const ListedJob& a, const ListedJob& b) { return a.id < b.id; });
  if (jobs.size() > filter.limit) jobs.resize(filter.limit);
  return jobs;
}

// Of the listed jobs those that the page may show: however many are listed, it costs no more than
// itself. Of a list in order; any other is left as it is.
std::vector<uint64_t> ListedForPage(const JobFilter& filter) {
  const std::vector<uint64_t>& ids = filter.job_ids;
  if (std::adjacent_find(ids.begin(), ids.end(), std::greater_equal<>()) != ids.end()) return ids;
  const auto first = std::upper_bound(ids.begin(), ids.end(), filter.after_job_id);
  const bool leaves_some_out = !filter.states.empty() || !filter.user.empty() ||
                               !filter.only_owner.empty() || filter.without_canaries;
  const bool all = leaves_some_out || ids.end() - first <= int64_t{filter.limit};
  return {first, all ? ids.end() : first + int64_t{filter.limit}};
}

// One of a few fixed texts: what the filter names are its parameters.
std::vector<ListedJob> ListRows(SQLite::Database& database, const JobFilter& filter) {
  const bool by_id = !filter.job_ids.empty() || !filter.sweep_ids.empty();
  const bool by_state = !filter.states.empty();
  if (!by_id && by_state && std::all_of(filter.states.begin(), filter.states.end(), IsUnfinished)) {
    return ListUnfinished(database, filter);
  }
  std::string condition = "job.id > ?";
  if (by_id) {
    absl::StrAppend(&condition, " AND job.id IN (", kListed,
                    " UNION SELECT id FROM job WHERE sweep_id IN (", kListed, "))");
  }
  if (by_state) absl::StrAppend(&condition, " AND job.state IN (", kListed, ")");
  Query query(database, SelectJobs(condition + PageOf(filter)), filter.after_job_id);
  if (by_id) {
    query.Bind(IdList(ListedForPage(filter)));
    query.Bind(IdList(filter.sweep_ids));
  }
  if (by_state) query.Bind(IdList(filter.states));
  BindPage(filter, &query);
  return ReadJobs(&query);
}

// As many as the filter asks for, whatever cannot be read between them.
std::vector<v1::Job> ListJobs(SQLite::Database& database, JobFilter filter,
                              std::vector<uint64_t>* unreadable) {
  std::vector<v1::Job> jobs;
  const uint32_t most = filter.limit;
  for (;;) {
    std::vector<ListedJob> rows = ListRows(database, filter);
    for (ListedJob& row : rows) {
      if (row.job) {
        jobs.push_back(*std::move(row.job));
      } else {
        unreadable->push_back(row.id);
      }
    }
    if (rows.size() < filter.limit || jobs.size() >= most) return jobs;
    filter.after_job_id = rows.back().id;
    filter.limit = most - static_cast<uint32_t>(jobs.size());
  }
}

// Gives each text its place in a list; the same text as before costs no look-up.
class KeyNumbers {
 public:
  explicit KeyNumbers(std::vector<std::string>* keys) : keys_(keys) {}

  uint32_t operator()(const std::string& key) {
    if (last_ < keys_->size() && (*keys_)[last_] == key) return last_;
    const auto place = std::find(keys_->begin(), keys_->end(), key);
    last_ = static_cast<uint32_t>(place - keys_->begin());
    if (place == keys_->end()) keys_->push_back(key);
    return last_;
  }

 private:
  std::vector<std::string>* const keys_;
  uint32_t last_ = 0;
};

// Launches that run, in the order of the queue; a job once, where it is first. `seen` has a bit for
// each job that ever was; a launch of a job that never was is none.
void AppendRunning(SQLite::Database& database, KeyNumbers* number_of, std::vector<bool>* seen,
                   Queued* queued) {
  Query query(database,
              "SELECT job_id, device_key FROM launch INDEXED BY launch_order WHERE state = 2 "
              "ORDER BY priority DESC, position");
  while (query.Step()) {
    const uint64_t job = query.Uint(0);
    if (job >= seen->size() || (*seen)[job]) continue;
    (*seen)[job] = true;
    queued->entries.push_back({job, (*number_of)(query.Text(1))});
  }
}

// What owners used lately, for comparison with one another: it fades at one rate, so that their
// order at any time is that of now.
class DeviceUses {
 public:
  explicit DeviceUses(SQLite::Database* database)
      : database_(database),
        then_ns_(SelectInt(*database, "SELECT max(updated_at_ns) FROM device_use").value_or(0)) {}

  double Of(int64_t owner) {
    const auto [use, is_new] = uses_.try_emplace(owner, 0);
    if (is_new) use->second = RecentDeviceUse(*database_, owner, then_ns_);
    return use->second;
  }

 private:
  SQLite::Database* const database_;
  const int64_t then_ns_;
  std::map<int64_t, double> uses_;
};

// Launches that wait, of each priority those of the owner who used least first
// (server/run/fair_order.h). They come by priority and place, so that nothing is sorted.
void AppendInTurn(SQLite::Database& database, KeyNumbers* number_of, std::vector<bool>* seen,
                  Queued* queued) {
  std::map<double, std::vector<Queued::Entry>> turns;  // of one priority, by use
  const auto take_turns = [&] {
    for (const auto& [use, entries] : turns) {
      queued->entries.insert(queued->entries.end(), entries.begin(), entries.end());
    }
    turns.clear();
  };
  DeviceUses uses(&database);
  int64_t priority = 0;
  Query query(database,
              "SELECT job_id, device_key, priority, owner_id FROM launch INDEXED BY launch_order "
              "WHERE state = 1 ORDER BY priority DESC, position");
  while (query.Step()) {
    const uint64_t job = query.Uint(0);
    if (job >= seen->size() || (*seen)[job]) continue;
    (*seen)[job] = true;
    if (query.Int(2) != priority) take_turns();
    priority = query.Int(2);
    turns[uses.Of(query.Int(3))].push_back({job, (*number_of)(query.Text(1))});
  }
  take_turns();
}

// Where to look for the next head.
struct Place {
  int64_t owner = std::numeric_limits<int64_t>::min();
  int64_t priority = 0;
};

std::optional<QueueHead> NextHead(SQLite::Database& database, const std::string& device_key,
                                  Place* place) {
  Query query(database,
              "SELECT launch.job_id, launch.launch, launch.position, launch.owner_id, "
              "launch.priority, principal.principal "
              "FROM launch JOIN principal ON principal.id = launch.owner_id "
              "WHERE launch.state = 1 AND launch.device_key = ? "
              "AND (launch.owner_id, launch.priority) >= (?, ?) "
              "ORDER BY launch.owner_id, launch.priority, launch.position LIMIT 1",
              device_key, place->owner, place->priority);
  if (!query.Step()) return std::nullopt;
  // Said with >= and the next number, as SQLite walks through all equal entries for >.
  *place = {query.Int(3), query.Int(4) + 1};
  return QueueHead{.job_id = query.Uint(0),
                   .launch = static_cast<uint32_t>(query.Int(1)),
                   .position = query.Uint(2),
                   .owner = query.Text(5),
                   .priority = static_cast<int32_t>(query.Int(4))};
}

// One step for each owner and priority, however long the queue is.
void AppendHeads(SQLite::Database& database, const std::string& device_key, int64_t now_ns,
                 std::vector<QueueHead>* heads) {
  Place place;
  while (std::optional<QueueHead> head = NextHead(database, device_key, &place)) {
    head->owner_recent_device_ns = RecentDeviceUse(database, place.owner, now_ns);
    heads->push_back(std::move(*head));
  }
}

absl::Status CheckIsThere(SQLite::Database& database, const std::string& table, uint64_t id) {
  const auto found =
      SelectInt(database, absl::StrCat("SELECT 1 FROM ", table, " WHERE id = ?"), id);
  if (found) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no ", table, " ", id));
}

absl::Status CheckRunIsThere(SQLite::Database& database, const std::string& run_id) {
  const std::optional<RunKey> key = ParseRunId(run_id);
  if (!key) {
    return absl::InvalidArgumentError(
        absl::StrCat("run id is '", run_id, "', must be <job>.<n>, as 17.2"));
  }
  const auto found = SelectInt(database, "SELECT 1 FROM run WHERE job_id = ? AND number = ?",
                               key->job_id, key->number);
  if (found) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("there is no run ", run_id));
}

absl::Status CheckIds(SQLite::Database& database, const v1::Selector& selector,
                      const Caller& caller) {
  absl::Status status;
  for (const uint64_t id : selector.job_ids()) {
    if (status = CheckIsThere(database, "job", id); !status.ok()) return status;
    if (status = CheckMaySeeJob(database, id, caller); !status.ok()) return status;
  }
  for (const uint64_t id : selector.sweep_ids()) {
    if (status = CheckIsThere(database, "sweep", id); !status.ok()) return status;
    if (status = CheckMaySeeSweep(database, id, caller); !status.ok()) return status;
  }
  for (const std::string& id : selector.run_ids()) {
    if (status = CheckMaySeeRun(database, id, caller); !status.ok()) return status;
    if (status = CheckRunIsThere(database, id); !status.ok()) return status;
  }
  return status;
}

// `sweep:9, sweep:7, sweep:4 and 12 more`, the newest first.
std::string SweepList(const std::vector<uint64_t>& newest, uint64_t all) {
  std::vector<std::string> names;
  for (const uint64_t id : newest) names.push_back(absl::StrCat("sweep:", id));
  const std::string list = absl::StrJoin(names, ", ");
  return all > newest.size() ? absl::StrCat(list, " and ", all - newest.size(), " more") : list;
}

// By their name, the newest first; where none has it, by what lists show of names with characters
// that nobody sees, which older programs took.
std::vector<uint64_t> SweepsNamed(SQLite::Database& database, const std::string& name,
                                  const Caller& caller) {
  const std::string only_owner = OnlyOwner(caller);
  std::vector<uint64_t> ids;
  Query same(database,
             "SELECT id FROM sweep WHERE name = ?1 AND (?2 = '' OR owner_id = "
             "(SELECT id FROM principal WHERE principal = ?2)) ORDER BY id DESC",
             name, only_owner);
  while (same.Step()) ids.push_back(same.Uint(0));
  if (!ids.empty() || name.find('\\') == std::string::npos) return ids;
  Query any(database,
            "SELECT id, name FROM sweep WHERE name IS NOT NULL AND (?1 = '' OR owner_id = "
            "(SELECT id FROM principal WHERE principal = ?1)) ORDER BY id DESC",
            only_owner);
  while (any.Step()) {
    if (Visible(any.TextView(1)) == name) ids.push_back(any.Uint(0));
  }
  return ids;
}

// A name that several sweeps have says of none that it is meant.
absl::StatusOr<uint64_t> SweepNamed(SQLite::Database& database, const std::string& name,
                                    const Caller& caller) {
  constexpr size_t kMostListed = 5;
  std::vector<uint64_t> newest = SweepsNamed(database, name, caller);
  const uint64_t all = newest.size();
  if (all == 1) return newest.front();
  if (all == 0) return absl::NotFoundError(absl::StrCat("there is no sweep named '", name, "'"));
  newest.resize(std::min<size_t>(newest.size(), kMostListed));
  return absl::InvalidArgumentError(absl::StrCat("sweep:", name, " is ", SweepList(newest, all),
                                                 ", must be one of them by its number"));
}

// Of those that the caller submitted: a suite at night is not what somebody means in the morning.
absl::StatusOr<uint64_t> LastSweepOf(SQLite::Database& database, const Caller& caller) {
  const auto id = SelectInt(database,
                            "SELECT max(sweep.id) FROM sweep JOIN principal "
                            "ON principal.id = sweep.owner_id WHERE principal.principal = ? "
                            "AND ifnull(sweep.request_id, '') NOT GLOB ? || '*'",
                            caller.principal, kSuiteRequests);
  if (id) return static_cast<uint64_t>(*id);
  return absl::NotFoundError(absl::StrCat("'last': ", caller.name, " has submitted nothing yet"));
}

absl::StatusOr<JobFilter> ResolveNames(SQLite::Database& database, const v1::Selector& selector,
                                       const Caller& caller) {
  JobFilter filter;
  filter.job_ids.assign(selector.job_ids().begin(), selector.job_ids().end());
  std::sort(filter.job_ids.begin(), filter.job_ids.end());
  filter.job_ids.erase(std::unique(filter.job_ids.begin(), filter.job_ids.end()),
                       filter.job_ids.end());
  filter.sweep_ids.assign(selector.sweep_ids().begin(), selector.sweep_ids().end());
  for (const std::string& name : selector.sweep_names()) {
    const absl::StatusOr<uint64_t> id = SweepNamed(database, name, caller);
    if (!id.ok()) return id.status();
    filter.sweep_ids.push_back(*id);
  }
  if (selector.last()) {
    const absl::StatusOr<uint64_t> id = LastSweepOf(database, caller);
    if (!id.ok()) return id.status();
    filter.sweep_ids.push_back(*id);
  }
  if (selector.baseline()) filter.baseline_of = caller.principal;
  return filter;
}

bool HasBaseline(SQLite::Database& database, const Caller& caller) {
  return SelectInt(database,
                   "SELECT 1 FROM baseline WHERE owner_id = "
                   "(SELECT id FROM principal WHERE principal = ?) LIMIT 1",
                   caller.principal)
      .has_value();
}

bool NamesOnlyBaseline(const v1::Selector& selector) {
  v1::Selector others = selector;
  others.clear_baseline();
  return selector.baseline() && others.ByteSizeLong() == 0;
}

// Finished ones.
uint64_t CountRuns(SQLite::Database& database, const std::string& only_owner) {
  const std::optional<int64_t> runs =
      only_owner.empty() ? SelectInt(database, "SELECT sum(runs) FROM run_rollup")
                         : SelectInt(database,
                                     "SELECT sum(runs) FROM run_kind WHERE owner_id = "
                                     "(SELECT id FROM principal WHERE principal = ?)",
                                     only_owner);
  return static_cast<uint64_t>(runs.value_or(0));
}

uint64_t NewestSequence(SQLite::Database& database) {
  return static_cast<uint64_t>(
      SelectInt(database, "SELECT seq FROM sqlite_sequence WHERE name = 'job_event'").value_or(0));
}

absl::Status CheckSequence(SQLite::Database& database, uint64_t after, uint64_t newest) {
  const uint64_t oldest =
      static_cast<uint64_t>(SelectInt(database, "SELECT min(seq) FROM job_event")
                                .value_or(static_cast<int64_t>(newest + 1)));
  if (after <= newest && after + 1 >= oldest) return absl::OkStatus();
  return absl::OutOfRangeError(absl::StrCat("after_sequence is ", after, ", must be ", oldest - 1,
                                            " to ", newest, "; start again from a snapshot"));
}

v1::JobEvent ReadEvent(SQLite::Database& database, const Query& row) {
  v1::JobEvent event;
  event.set_sequence(row.Uint(0));
  event.set_job_id(row.Uint(1));
  event.set_sweep_id(row.Uint(2));
  event.set_at_ns(row.Int(3));
  event.set_state(static_cast<v1::JobState>(row.Int(4)));
  if (row.IsNull(5)) return event;
  // One that cannot be read must not end the watches of those who do not ask for it.
  try {
    const absl::StatusOr<v1::Run> run =
        LoadRun(database, RunKey{row.Uint(1), static_cast<uint32_t>(row.Int(5))});
    if (run.ok()) *event.mutable_run() = row.Int(6) != 0 ? AsItBegan(*run) : *run;
  } catch (const SQLite::Exception& error) {
    if (!IsRowDamaged(StatusOf(error, {}, nullptr))) throw;
  }
  return event;
}

std::vector<v1::JobEvent> EventsAfter(SQLite::Database& database, uint64_t after, uint32_t limit) {
  std::vector<v1::JobEvent> events;
  Query query(database,
              "SELECT seq, job_event.job_id, job.sweep_id, at_ns, job_event.state, number, "
              "run_began FROM job_event JOIN job ON job.id = job_event.job_id "
              "WHERE seq > ? ORDER BY seq LIMIT ?",
              after, limit);
  while (query.Step()) events.push_back(ReadEvent(database, query));
  return events;
}

}  // namespace

JobStore::JobStore(Database* database, std::string boot_id, uint32_t max_interruptions,
                   const QueueLimits& limits)
    : database_(database),
      boot_id_(std::move(boot_id)),
      max_interruptions_(max_interruptions),
      limits_(limits) {}

absl::StatusOr<v1::Job> JobStore::Get(uint64_t job_id) const {
  v1::Job job;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    absl::StatusOr<v1::Job> found = LoadJob(database, job_id);
    if (!found.ok()) return found.status();
    absl::StatusOr<std::vector<v1::Run>> runs = LoadRunsOfJob(database, job_id);
    if (!runs.ok()) return runs.status();
    job = *std::move(found);
    for (v1::Run& run : *runs) *job.add_runs() = std::move(run);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return job;
}

absl::Status JobStore::CheckMaySee(uint64_t job_id, const Caller& caller) const {
  return database_->Read(
      [&](SQLite::Database& database) { return CheckMaySeeJob(database, job_id, caller); });
}

absl::StatusOr<std::vector<v1::Job>> JobStore::List(const JobFilter& filter,
                                                    std::vector<uint64_t>* unreadable) const {
  std::vector<v1::Job> jobs;
  std::vector<uint64_t> left_out;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    jobs = ListJobs(database, filter, &left_out);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  if (unreadable != nullptr) *unreadable = std::move(left_out);
  return jobs;
}

absl::StatusOr<JobStore::JobsAt> JobStore::ListAt(const JobFilter& filter) const {
  JobsAt page;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    page.jobs = ListJobs(database, filter, &page.unreadable);
    page.sequence = NewestSequence(database);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return page;
}

absl::StatusOr<Queued> JobStore::Queue() const {
  Queued queued;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    queued.sequence = NewestSequence(database);
    const uint32_t expected =
        CountJobs(database, v1::JOB_STATE_QUEUED) + CountJobs(database, v1::JOB_STATE_RUNNING);
    const int64_t newest = SelectInt(database, "SELECT max(id) FROM job").value_or(0);
    if (newest < 0 || newest > kMostJobs) {
      throw Damage(absl::StrCat("table job has a row ", newest));
    }
    std::vector<bool> seen(static_cast<size_t>(newest) + 1);
    queued.entries.reserve(expected);
    KeyNumbers number_of(&queued.keys);
    AppendRunning(database, &number_of, &seen, &queued);
    AppendInTurn(database, &number_of, &seen, &queued);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return queued;
}

absl::StatusOr<JobFilter> JobStore::Resolve(const v1::Selector& selector,
                                            const Caller& caller) const {
  if (absl::Status limits = CheckLimits(selector); !limits.ok()) return limits;
  absl::StatusOr<JobFilter> filter = JobFilter();
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    if (absl::Status ids = CheckIds(database, selector, caller); !ids.ok()) return ids;
    if (NamesOnlyBaseline(selector) && !HasBaseline(database, caller)) {
      return absl::NotFoundError("you have no baseline, set one with torchlap baseline set");
    }
    filter = ResolveNames(database, selector, caller);
    return filter.status();
  });
  if (!status.ok()) return status;
  if (selector.all()) filter = JobFilter();
  filter->only_owner = OnlyOwner(caller);
  return filter;
}

absl::StatusOr<std::vector<QueueHead>> JobStore::Heads(const std::vector<std::string>& device_keys,
                                                       int64_t now_ns) const {
  std::vector<QueueHead> heads;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    for (const std::string& key : device_keys) AppendHeads(database, key, now_ns, &heads);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return heads;
}

absl::StatusOr<bool> JobStore::CancelRequested(uint64_t job_id) const {
  bool requested = false;
  absl::Status status = database_->Read([&](SQLite::Database& database) -> absl::Status {
    const auto wish = SelectInt(database, "SELECT cancel_requested FROM job WHERE id = ?", job_id);
    if (!wish) return absl::NotFoundError(absl::StrCat("there is no job ", job_id));
    requested = *wish != 0;
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return requested;
}

absl::StatusOr<std::vector<v1::JobEvent>> JobStore::Events(uint64_t after, uint32_t limit) const {
  std::vector<v1::JobEvent> events;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    const uint64_t newest = NewestSequence(database);
    if (absl::Status range = CheckSequence(database, after, newest); !range.ok()) return range;
    events = recent_events_.After(after, limit, newest, [&](uint64_t last, uint32_t count) {
      return EventsAfter(database, last, count);
    });
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return events;
}

absl::StatusOr<uint64_t> JobStore::LastSequence() const {
  uint64_t newest = 0;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    newest = NewestSequence(database);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return newest;
}

absl::StatusOr<JobStore::Counts> JobStore::Count(const std::string& only_owner) const {
  Counts counts;
  absl::Status status = database_->Read([&](SQLite::Database& database) {
    counts.queued_jobs = CountJobs(database, v1::JOB_STATE_QUEUED);
    counts.running_jobs = CountJobs(database, v1::JOB_STATE_RUNNING);
    counts.finished_runs = CountRuns(database, only_owner);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return counts;
}

}  // namespace torchlap::storage
