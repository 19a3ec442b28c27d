#include "client/commands/until_decided.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "client/commands/followed_sweep.h"
#include "client/commands/side_jobs.h"
#include "client/commands/submission.h"
#include "client/filter_flags.h"
#include "client/format/words.h"
#include "client/parse_words.h"
#include "client/run_command.h"

namespace torchlap::client {
namespace {

// Below this the exact rank test can say nothing.
constexpr uint32_t kFirstLook = 4;

// One side of a cell: a job that is run again and again. With --by several cells have one A.
struct Source {
  bool is_a;
  v1::JobSpec spec;
  std::vector<uint64_t> job_ids;  // of the new runs
  uint32_t launches = 0;          // of them that count
};

struct Cell {
  size_t place;  // among the cells of the first comparison
  size_t a;      // sources
  size_t b;
  bool is_open = true;
};

// How the sides run.
struct Settings {
  SideSetting a;
  SideSetting b;

  bool operator==(const Settings&) const = default;
};

using Ids = std::set<uint64_t>;

// `17` of `17.2`.
std::optional<uint64_t> JobOfRun(const std::string& run_id) {
  return ReadNumber<uint64_t>(std::string_view(run_id).substr(0, run_id.find('.')));
}

std::optional<uint64_t> JobOfSide(const v1::ComparedSide& side) {
  if (side.run_ids().empty()) return std::nullopt;
  return JobOfRun(*side.run_ids().rbegin());
}

bool IsOnOneSide(const v1::ComparedCell& cell) {
  return cell.incomparable() == v1::INCOMPARABLE_ONLY_A ||
         cell.incomparable() == v1::INCOMPARABLE_ONLY_B;
}

bool CanRunAgain(const v1::ComparedCell& cell) {
  switch (cell.incomparable()) {
    case v1::INCOMPARABLE_UNSPECIFIED:
    case v1::INCOMPARABLE_ONLY_A:
    case v1::INCOMPARABLE_ONLY_B:
    case v1::INCOMPARABLE_ALL_CONTAMINATED:
      return true;
    default:
      return false;
  }
}

// Both are run as A was: how long it is measured is no difference that stays.
bool DiffersBesideThePlan(const v1::ComparedCell& cell) {
  return std::any_of(cell.also_differs().begin(), cell.also_differs().end(),
                     [](const v1::EnvironmentChange& change) {
                       return change.name() != "steps" && change.name() != "warm-up";
                     });
}

std::string Cells(size_t count) { return format::Counted(count, "cell"); }

class Reruns {
 public:
  Reruns(const CompareWords& words, const v1::CompareRunsResponse& first, const Console& console,
         Interrupts* interrupts, DaemonChannel* channel)
      : words_(words),
        by_(words.request.by()),
        console_(console),
        interrupts_(interrupts),
        channel_(channel) {
    for (const v1::ComparedCell& cell : first.cells()) result_.cells.push_back({cell});
  }

  absl::StatusOr<UntilDecided> Run() {
    if (absl::Status status = Plan(); !status.ok()) return status;
    const std::vector<uint32_t> looks = LooksUpTo(words_.max_launches.value_or(kFirstLook));
    rate_ = FalseAlarmRateOfALook(looks.size());
    for (const uint32_t look : looks) {
      if (OpenCells() == 0) break;
      if (absl::Status status = Look(look); !status.ok()) return status;
      if (result_.exit_code) break;
    }
    if (without_new_runs_ > 0) {
      result_.remarks.push_back(
          fmt::format("no new run was made of {}: what is said of {} is of earlier runs",
                      Cells(without_new_runs_), without_new_runs_ == 1 ? "it" : "them"));
    }
    if (!sweeps_.empty()) {
      result_.remarks.push_back(fmt::format("the new runs: {}", fmt::join(sweeps_, ", ")));
      const std::string again = AgainCommand();
      if (!again.empty()) result_.remarks.push_back("again: " + again);
    }
    return std::move(result_);
  }

 private:
  absl::Status Plan();
  bool HasBaseline() const;
  absl::Status LearnSettings();
  void MakeOther(const v1::ComparedCell& cell, v1::JobSpec* a, v1::JobSpec* b) const;
  absl::Status NothingInCommon() const;
  absl::Status Add(size_t place);
  // Sides of which there is a job.
  absl::StatusOr<std::optional<v1::Job>> Fetch(std::optional<uint64_t> job_id);
  size_t SourceOf(bool is_a, const v1::JobSpec& spec, std::optional<uint64_t> job_id);
  size_t OpenCells() const;
  v1::SubmitJobsRequest Missing(uint32_t look, std::vector<size_t>* sources) const;
  absl::Status Submit(uint32_t look);
  absl::Status Look(uint32_t look);
  std::string AgainCommand() const;
  std::string JobsCommand() const;
  std::set<std::string> Values() const;
  absl::StatusOr<std::set<std::string>> ValuesWithRuns();
  absl::Status GiveUp(const absl::Status& refused);
  v1::CompareRunsRequest Request() const;
  void Take(const v1::CompareRunsResponse& response);
  const v1::ComparedCell* Find(const Cell& cell, const v1::CompareRunsResponse& response) const;
  bool IsDecided(const v1::ComparedCell& cell) const;
  std::string NamesOnOneSide() const;
  void Remark();

  const CompareWords& words_;
  const std::string& by_;
  const Console& console_;
  Interrupts* const interrupts_;
  DaemonChannel* const channel_;
  double rate_ = 0;
  // How the sides run. Only where a baseline is one of them: what it lacks is what is missing.
  std::optional<Settings> settings_;
  std::map<uint64_t, v1::Job> jobs_;
  std::map<std::pair<bool, uint64_t>, size_t> known_;  // sources of jobs
  std::vector<Source> sources_;
  std::vector<Cell> cells_;
  size_t twice_the_same_ = 0;        // cells
  std::vector<size_t> on_one_side_;  // places of cells that are not run again
  size_t not_in_the_job_ = 0;
  size_t not_to_be_run_ = 0;
  size_t without_new_runs_ = 0;
  std::vector<std::string> sweeps_;  // that were submitted: `sweep:5`
  UntilDecided result_;
};

bool Reruns::HasBaseline() const {
  const v1::CompareRunsRequest& request = words_.request;
  return request.a().selector().baseline() || request.b().selector().baseline();
}

// What all jobs of a side have in the cells that both sides have. Where they do not agree it is not
// known how a job of that side would run.
absl::Status Reruns::LearnSettings() {
  std::optional<Settings> found;
  for (const format::Compared& compared : result_.cells) {
    const v1::ComparedCell& cell = compared.cell;
    if (IsOnOneSide(cell) || !CanRunAgain(cell)) continue;
    const auto a = Fetch(JobOfSide(cell.a()));
    if (!a.ok()) return a.status();
    const auto b = Fetch(JobOfSide(cell.b()));
    if (!b.ok()) return b.status();
    if (!*a || !*b) continue;
    const Settings here{SideSettingOf(Again(**a)), SideSettingOf(Again(**b))};
    if (found && *found != here) return absl::OkStatus();
    found = here;
  }
  settings_ = found;
  return absl::OkStatus();
}

// Of two copies of the job that only one side has the other side's, run as that one runs its
// others. Nothing where it is not known how, or the job itself runs in another way than its side's.
void Reruns::MakeOther(const v1::ComparedCell& cell, v1::JobSpec* a, v1::JobSpec* b) const {
  if (!settings_) return;
  const bool lacks_a = cell.incomparable() == v1::INCOMPARABLE_ONLY_B;
  const SideSetting& own = lacks_a ? settings_->b : settings_->a;
  if (SideSettingOf(lacks_a ? *b : *a) != own) return;
  TakeSideSetting(lacks_a ? settings_->a : settings_->b, lacks_a ? a : b);
}

absl::Status Reruns::NothingInCommon() const {
  format::Comparison comparison = ComparisonOf(words_);
  comparison.cells = result_.cells;
  return absl::FailedPreconditionError(fmt::format(
      "no cell can be run again as two: {}", fmt::join(format::ComparisonHints(comparison), "; ")));
}

absl::Status Reruns::Plan() {
  const bool is_by_sides = by_.empty();
  if (is_by_sides && HasBaseline()) {
    if (absl::Status status = LearnSettings(); !status.ok()) return status;
  }
  for (size_t place = 0; place < result_.cells.size(); ++place) {
    const v1::ComparedCell& cell = result_.cells[place].cell;
    if (is_by_sides && IsOnOneSide(cell) && !settings_) {
      on_one_side_.push_back(place);
    } else if (!CanRunAgain(cell)) {
      ++not_to_be_run_;
    } else if (absl::Status status = Add(place); !status.ok()) {
      return status;
    }
  }
  if (on_one_side_.size() == result_.cells.size()) return NothingInCommon();
  Remark();
  if (!cells_.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      not_in_the_job_ > 0
          ? "no cell can be run again as two: both sides ask for the same, and what differs "
            "between them is not in their jobs (a driver, a version); compare without "
            "--until-decided says what"
          : "no cell can be run again: see why in compare without --until-decided");
}

absl::StatusOr<std::optional<v1::Job>> Reruns::Fetch(std::optional<uint64_t> job_id) {
  if (!job_id) return std::optional<v1::Job>();
  const auto known = jobs_.find(*job_id);
  if (known != jobs_.end()) return std::optional<v1::Job>(known->second);
  auto job = FetchJob(*job_id, channel_);
  if (!job.ok()) return job.status();
  job->clear_runs();
  return std::optional<v1::Job>(jobs_.emplace(*job_id, *std::move(job)).first->second);
}

// The subject is a run of A, or of B where A has none.
absl::Status Reruns::Add(size_t place) {
  const v1::ComparedCell& cell = result_.cells[place].cell;
  const bool is_of_b = cell.incomparable() == v1::INCOMPARABLE_ONLY_B;
  auto a_id = JobOfSide(cell.a());
  auto b_id = JobOfSide(cell.b());
  std::optional<uint64_t>& of_subject = is_of_b ? b_id : a_id;
  if (!of_subject) of_subject = JobOfRun(cell.subject().run_id());
  const auto a_job = Fetch(a_id);
  if (!a_job.ok()) return a_job.status();
  const auto b_job = Fetch(b_id);
  if (!b_job.ok()) return b_job.status();
  if (!*a_job && !*b_job) return absl::InternalError("the daemon named no run of a cell");
  v1::JobSpec a = Again(*a_job ? **a_job : **b_job);
  v1::JobSpec b = Again(*b_job ? **b_job : **a_job);
  TakePlan(a, by_, &b);
  bool can_be_made = true;
  if (!by_.empty() && !*a_job) can_be_made = SetAxisValue(by_, cell.a().value(), &a);
  if (!by_.empty() && !*b_job) can_be_made = SetAxisValue(by_, cell.b().value(), &b);
  const bool lacks_side = by_.empty() && IsOnOneSide(cell);
  if (lacks_side) MakeOther(cell, &a, &b);
  const bool is_same = AskForTheSame(a, b);
  if (lacks_side && is_same) {
    on_one_side_.push_back(place);
    return absl::OkStatus();
  }
  const bool differs_elsewhere = is_same && (!by_.empty() || DiffersBesideThePlan(cell));
  if (!can_be_made || differs_elsewhere) {
    ++not_in_the_job_;
    return absl::OkStatus();
  }
  if (is_same) ++twice_the_same_;
  cells_.push_back({place, SourceOf(true, a, a_id), SourceOf(false, b, b_id)});
  return absl::OkStatus();
}

size_t Reruns::SourceOf(bool is_a, const v1::JobSpec& spec, std::optional<uint64_t> job_id) {
  if (job_id) {
    const auto [known, is_new] = known_.insert({{is_a, *job_id}, sources_.size()});
    if (!is_new) return known->second;
  }
  sources_.push_back({is_a, spec, {}});
  return sources_.size() - 1;
}

// `small, context 256; small, context 512`
std::string Reruns::NamesOnOneSide() const {
  format::Comparison comparison = ComparisonOf(words_);
  comparison.cells = result_.cells;
  std::string names;
  for (const size_t place : on_one_side_) {
    names += names.empty() ? "" : "; ";
    names += format::RowName({&comparison.cells[place], nullptr}, comparison);
  }
  return names;
}

void Reruns::Remark() {
  format::Lines& remarks = result_.remarks;
  if (twice_the_same_ > 0) {
    remarks.push_back(
        fmt::format("A and B ask for the same in {}: run again they are one job, measured twice",
                    Cells(twice_the_same_)));
  }
  if (!on_one_side_.empty()) {
    remarks.push_back(
        fmt::format("not run again, as only one side has it{}: {}",
                    HasBaseline() ? ", and the other's job would be the same or is not known" : "",
                    NamesOnOneSide()));
  }
  if (not_in_the_job_ > 0) {
    remarks.push_back(
        fmt::format("not run again: {}, as what differs between the sides is not in their jobs",
                    Cells(not_in_the_job_)));
  }
  if (not_to_be_run_ > 0) {
    remarks.push_back(
        fmt::format("not run again: {} that cannot be compared", Cells(not_to_be_run_)));
  }
}

size_t Reruns::OpenCells() const {
  return static_cast<size_t>(
      std::count_if(cells_.begin(), cells_.end(), [](const Cell& cell) { return cell.is_open; }));
}

v1::SubmitJobsRequest Reruns::Missing(uint32_t look, std::vector<size_t>* sources) const {
  std::set<size_t> needed;
  for (const Cell& cell : cells_) {
    if (cell.is_open) needed.insert({cell.a, cell.b});
  }
  v1::SubmitJobsRequest request;
  request.set_shuffle(true);
  for (const size_t source : needed) {
    if (sources_[source].launches >= look) continue;
    v1::JobSpec* spec = request.add_jobs();
    *spec = sources_[source].spec;
    spec->mutable_plan()->set_launches(look - sources_[source].launches);
    sources->push_back(source);
  }
  return request;
}

absl::Status Reruns::Submit(uint32_t look) {
  std::vector<size_t> sources;
  v1::SubmitJobsRequest request = Missing(look, &sources);
  if (sources.empty()) return absl::OkStatus();
  SayLine(console_,
          fmt::format("up to {} launches a side: {} without a verdict", look, Cells(OpenCells())));
  const auto submitted = SubmitOnce(std::move(request), channel_);
  if (!submitted.ok()) return submitted.status();
  *console_.err << StartLine(*submitted) << std::endl;
  sweeps_.push_back(fmt::format("sweep:{}", submitted->sweep_id()));
  if (submitted->job_ids_size() != static_cast<int>(sources.size())) {
    return absl::InternalError(
        fmt::format("the daemon made {} jobs of {}", submitted->job_ids_size(), sources.size()));
  }
  for (size_t i = 0; i < sources.size(); ++i) {
    sources_[sources[i]].job_ids.push_back(submitted->job_ids(static_cast<int>(i)));
  }
  const auto followed = FollowSweeps({submitted->sweep_id()}, {}, {}, console_, interrupts_,
                                     channel_, AgainCommand());
  if (!followed.ok()) return followed.status();
  result_.exit_code = followed->exit_code;
  result_.any_job_failed = result_.any_job_failed || followed->failed_jobs > 0;
  return absl::OkStatus();
}

// `sweep:12`, `17`: the words that select the same runs tomorrow, beside new ones. Empty: there are
// none, as `last` moves on, and labels and filters would narrow the new runs too.
std::vector<std::string> LastingSelectors(const v1::RunFilter& filter) {
  v1::RunFilter others = filter;
  others.clear_selector();
  const v1::Selector& selector = filter.selector();
  if (others.ByteSizeLong() > 0 || selector.last() || selector.all() || selector.baseline()) {
    return {};
  }
  std::vector<std::string> words;
  for (const uint64_t id : selector.sweep_ids()) words.push_back(fmt::format("sweep:{}", id));
  for (const std::string& name : selector.sweep_names()) words.push_back("sweep:" + name);
  for (const uint64_t id : selector.job_ids()) words.push_back(std::to_string(id));
  for (const std::string& id : selector.run_ids()) words.push_back(id);
  return words;
}

// Compares again what was run. Empty: there is no such command.
std::string Reruns::AgainCommand() const {
  std::string command = by_.empty() ? JobsCommand() : "torchlap compare";
  if (command.empty()) return "";
  if (!by_.empty()) {
    for (const std::string& word : LastingSelectors(words_.request.a())) {
      command += " " + ShellWord(FilterText(word));
    }
    for (const std::string& sweep : sweeps_) command += " " + sweep;
    const std::string& reference = words_.request.reference();
    command += " --by " + ShellWord(reference.empty() ? by_ : by_ + "=" + reference);
  }
  return command + (words_.request.include_contaminated() ? " --include-contaminated" : "");
}

// In a sweep the sides cannot be told apart, but by their jobs. Of very many it would be no command
// to type.
std::string Reruns::JobsCommand() const {
  constexpr size_t kMostJobs = 20;
  std::vector<uint64_t> of_a;
  std::vector<uint64_t> of_b;
  for (const Source& source : sources_) {
    std::vector<uint64_t>& side = source.is_a ? of_a : of_b;
    side.insert(side.end(), source.job_ids.begin(), source.job_ids.end());
  }
  if (of_a.empty() || of_b.empty() || std::max(of_a.size(), of_b.size()) > kMostJobs) return "";
  return fmt::format("torchlap compare {} {}", ShellWord(fmt::format("{}", fmt::join(of_a, " "))),
                     ShellWord(fmt::format("{}", fmt::join(of_b, " "))));
}

absl::Status Reruns::Look(uint32_t look) {
  if (interrupts_->happened()) {
    result_.exit_code = interrupts_->exit_code();
    return absl::OkStatus();
  }
  if (absl::Status status = Submit(look); !status.ok() || result_.exit_code) return status;
  const auto response = channel_->CompareRuns(Request());
  const bool is_by_axis = !by_.empty();
  if (is_by_axis && absl::IsInvalidArgument(response.status())) return GiveUp(response.status());
  if (!response.ok()) return response.status();
  Take(*response);
  return absl::OkStatus();
}

std::set<std::string> Reruns::Values() const {
  std::set<std::string> values;
  for (const Cell& cell : cells_) {
    const v1::ComparedCell& compared = result_.cells[cell.place].cell;
    values.insert({compared.a().value(), compared.b().value()});
  }
  return values;
}

// Failed runs have a value, too.
absl::StatusOr<std::set<std::string>> Reruns::ValuesWithRuns() {
  std::vector<bool> has_runs;
  for (const Source& source : sources_) {
    bool has_any = false;
    for (const uint64_t id : source.job_ids) {
      const auto job = FetchJob(id, channel_);
      if (!job.ok()) return job.status();
      has_any = has_any || job->runs_size() > 0;
    }
    has_runs.push_back(has_any);
  }
  std::set<std::string> values;
  for (const Cell& cell : cells_) {
    const v1::ComparedCell& compared = result_.cells[cell.place].cell;
    if (has_runs[cell.a]) values.insert(compared.a().value());
    if (has_runs[cell.b]) values.insert(compared.b().value());
  }
  return values;
}

// Of a value whose jobs all ended without a run the daemon knows nothing, and it refuses to compare
// by one value, or with a reference that is not there. What was known before stands.
absl::Status Reruns::GiveUp(const absl::Status& refused) {
  const auto with_runs = ValuesWithRuns();
  if (!with_runs.ok()) return with_runs.status();
  std::vector<std::string> without;
  for (const std::string& value : Values()) {
    if (with_runs->count(value) == 0) without.push_back(value);
  }
  if (without.empty()) return refused;
  result_.remarks.push_back(
      fmt::format("no new run was made of {} {}: all that is said is of earlier runs", by_,
                  fmt::join(without, ", ")));
  result_.any_job_failed = true;
  for (Cell& cell : cells_) cell.is_open = false;
  return absl::OkStatus();
}

// All new runs so far, those of decided cells too: p is adjusted over the whole table.
v1::CompareRunsRequest Reruns::Request() const {
  v1::CompareRunsRequest request = words_.request;
  request.clear_a();
  request.clear_b();
  request.set_false_alarm_rate(rate_);
  for (const Source& source : sources_) {
    v1::RunFilter* side = source.is_a || !by_.empty() ? request.mutable_a() : request.mutable_b();
    for (const uint64_t id : source.job_ids) side->mutable_selector()->add_job_ids(id);
  }
  if (!by_.empty()) request.set_reference(result_.cells[cells_.front().place].cell.a().value());
  return request;
}

Ids JobsOf(const v1::ComparedSide& side) {
  Ids ids;
  for (const std::string& run_id : side.run_ids()) {
    if (const auto job = JobOfRun(run_id)) ids.insert(*job);
  }
  return ids;
}

bool HasAny(const Ids& ids, const std::vector<uint64_t>& wanted) {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&ids](uint64_t id) { return ids.count(id) > 0; });
}

// By the jobs of B, which no two cells share; where none of its runs counts, by those of A.
const v1::ComparedCell* Reruns::Find(const Cell& cell,
                                     const v1::CompareRunsResponse& response) const {
  const v1::ComparedCell* by_a = nullptr;
  const std::string& value = result_.cells[cell.place].cell.b().value();
  for (const v1::ComparedCell& one : response.cells()) {
    if (!by_.empty() && one.b().value() != value) continue;
    Ids of_b = JobsOf(one.b());
    Ids of_a = JobsOf(one.a());
    if (const auto job = JobOfRun(one.subject().run_id())) {
      of_a.insert(*job);
      of_b.insert(*job);
    }
    if (HasAny(of_b, sources_[cell.b].job_ids)) return &one;
    if (HasAny(of_a, sources_[cell.a].job_ids)) by_a = &one;
  }
  return by_a;
}

// Contaminated launches are made up for at the next look.
bool Reruns::IsDecided(const v1::ComparedCell& cell) const {
  if (cell.incomparable() != v1::INCOMPARABLE_UNSPECIFIED) {
    return cell.incomparable() != v1::INCOMPARABLE_ALL_CONTAMINATED;
  }
  format::Comparison alone = ComparisonOf(words_);
  alone.cells.push_back({cell});
  const auto rows = format::ComparedRows(alone);
  return std::none_of(rows.begin(), rows.end(), [](const format::ComparedRow& row) {
    return row.phase != nullptr && row.phase->verdict() == v1::COMPARE_VERDICT_INCONCLUSIVE;
  });
}

void Reruns::Take(const v1::CompareRunsResponse& response) {
  for (Cell& cell : cells_) {
    if (!cell.is_open) continue;
    const v1::ComparedCell* found = Find(cell, response);
    if (found == nullptr) {
      // Its jobs ended without a run, and would again.
      cell.is_open = false;
      ++without_new_runs_;
      continue;
    }
    sources_[cell.a].launches = found->a().launches();
    sources_[cell.b].launches = found->b().launches();
    cell.is_open = !IsDecided(*found);
    result_.cells[cell.place] = {*found, rate_, /*ran_again=*/true};
  }
}

}  // namespace

std::vector<uint32_t> LooksUpTo(uint32_t most) {
  std::vector<uint32_t> looks;
  for (uint32_t look = kFirstLook; look < most; look *= 2) looks.push_back(look);
  looks.push_back(most);
  return looks;
}

double FalseAlarmRateOfALook(size_t looks) {
  constexpr std::array<double, 9> kRates = {0.05,   0.0294, 0.0208, 0.0160, 0.0130,
                                            0.0109, 0.0094, 0.0082, 0.0073};
  return kRates[std::clamp<size_t>(looks, 1, kRates.size()) - 1];
}

absl::StatusOr<UntilDecided> RunUntilDecided(const CompareWords& words,
                                             const v1::CompareRunsResponse& first,
                                             const Console& console, Interrupts* interrupts,
                                             DaemonChannel* channel) {
  return Reruns(words, first, console, interrupts, channel).Run();
}

}  // namespace torchlap::client
