#include "server/rpc/job_feed.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "proto/base/mutex.h"
#include "server/rpc/job_choice.h"
#include "storage/row_damage.h"

namespace torchlap::rpc {
namespace {

// A page that nobody reads is kept whole: some 5 KB a job.
constexpr uint32_t kJobsInAPage = 25;
// Some 4 KB each, of each watcher that lags; reading them again costs next to nothing.
constexpr uint32_t kEventsAtOnce = 8;

bool IsFinished(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

absl::Status NoneCanBeRead(const std::vector<uint64_t>& job_ids) {
  return absl::DataLossError(
      "job " + std::to_string(job_ids.front()) +
      (job_ids.size() > 1 ? " and the others of the selector" : "") +
      " cannot be read, as the database is damaged; torchlapd --check tells more");
}

bool Ended(const v1::Run& run) { return run.outcome() != v1::OUTCOME_UNSPECIFIED; }

// Tells one reason from another. 0: none.
size_t MarkOf(const v1::Job& job) {
  return job.has_wait() ? std::hash<std::string>()(job.wait().SerializeAsString()) : 0;
}

// The jobs of a feed, and what the reader knows of them. Not thread-safe.
class ChosenJobSet {
 public:
  // Pages come by id. `told_reason`: mark of why the reader was told that it waits.
  void Add(uint64_t job_id, uint64_t known, v1::JobState state, size_t told_reason) {
    jobs_.push_back({job_id, known, told_reason, state});
    if (!IsFinished(state)) ++unfinished_;
    if (state == v1::JOB_STATE_RUNNING) ++running_;
  }
  // Whether the reader must be told of `event`. Notes that it was.
  bool Tell(const v1::JobEvent& event) {
    Entry* const job = Find(event.job_id());
    if (job == nullptr || event.sequence() <= job->known) return false;
    job->known = event.sequence();
    job->told_reason = 0;
    // What is finished stays so, also where a resumed reader is told of changes before.
    if (!IsFinished(job->state)) MoveTo(event.state(), job);
    return true;
  }
  bool MayProgress(uint64_t job_id) {
    const Entry* const job = Find(job_id);
    return job != nullptr && !IsFinished(job->state);
  }
  // The first job that waits, while none of them runs.
  std::optional<uint64_t> FirstWaiting() {
    if (running_ > 0 || AllFinished()) return std::nullopt;
    while (IsFinished(jobs_[first_unfinished_].state)) ++first_unfinished_;
    return jobs_[first_unfinished_].job_id;
  }
  // Whether the reader must be told of another reason. Notes that it was.
  bool TellReason(uint64_t job_id, size_t reason) {
    Entry* const job = Find(job_id);
    return job != nullptr && std::exchange(job->told_reason, reason) != reason;
  }
  bool AllFinished() const { return unfinished_ == 0; }
  size_t bytes() const { return jobs_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint64_t job_id;
    uint64_t known;  // changes up to this number need not be told
    size_t told_reason;
    v1::JobState state;
  };

  void MoveTo(v1::JobState state, Entry* job) {
    if (job->state == v1::JOB_STATE_RUNNING) --running_;
    if (state == v1::JOB_STATE_RUNNING) ++running_;
    if (IsFinished(state)) --unfinished_;
    job->state = state;
  }

  Entry* Find(uint64_t job_id) {
    const auto place = std::lower_bound(jobs_.begin(), jobs_.end(), job_id,
                                        [](const Entry& e, uint64_t id) { return e.job_id < id; });
    return place != jobs_.end() && place->job_id == job_id ? &*place : nullptr;
  }

  std::vector<Entry> jobs_;  // by id
  size_t unfinished_ = 0;
  size_t running_ = 0;
  size_t first_unfinished_ = 0;  // all before it are finished, for ever
};

}  // namespace

// Lives until no task of it is left. Locks, outermost first: the hub's, telling_, the writer's own,
// mutex_.
class JobFeed::Pump : public std::enable_shared_from_this<Pump> {
 public:
  Pump(FeedSources sources, Post post, storage::Caller caller, v1::WatchJobsRequest request,
       std::function<void()> due)
      : sources_(std::move(sources)),
        post_(std::move(post)),
        caller_(std::move(caller)),
        request_(std::move(request)),
        due_(std::move(due)),
        hold_(sources_.hold) {}

  // From the start, so that nothing committed while the snapshot is read goes unheard.
  void Listen() {
    listener_ = sources_.hub->Add([this](const v1::Progress* progress) { Hear(progress); });
  }
  void Close() TORCHLAP_EXCLUDES(telling_, mutex_);
  Due Next() TORCHLAP_EXCLUDES(mutex_);

 private:
  void Hear(const v1::Progress* progress) TORCHLAP_EXCLUDES(telling_, mutex_);
  void Tell() TORCHLAP_EXCLUDES(telling_);
  // Says what is held by now.
  absl::Status Hold() TORCHLAP_EXCLUDES(telling_, mutex_);
  // Of a feed that is closed: a task that waits for its turn holds nothing.
  void LetGo() TORCHLAP_REQUIRES(mutex_);

  // A reading is one task; at most one is posted or at work.
  void StartReading() TORCHLAP_REQUIRES(mutex_);
  void Read() TORCHLAP_EXCLUDES(telling_, mutex_);
  // True: the writer is to be told.
  bool AfterReading(const absl::Status& status) TORCHLAP_EXCLUDES(mutex_);
  absl::Status ReadMore() TORCHLAP_EXCLUDES(telling_, mutex_);
  bool MayHaveMore() TORCHLAP_EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return more_;
  }
  bool resumes() const { return request_.has_after_sequence(); }
  absl::Status Choose();
  absl::Status ReadPage() TORCHLAP_EXCLUDES(telling_, mutex_);
  void TakePage(storage::JobStore::JobsAt page) TORCHLAP_EXCLUDES(mutex_);
  absl::Status ReadEvents() TORCHLAP_EXCLUDES(mutex_);
  // Once no change is left to be read: what is shown is not ahead of the changes.
  absl::Status ReadNotStored() TORCHLAP_EXCLUDES(mutex_);
  // The same.
  absl::Status ReadWaiting() TORCHLAP_EXCLUDES(mutex_);
  std::optional<uint64_t> FirstWaiting() TORCHLAP_EXCLUDES(mutex_) {
    MutexLock lock(&mutex_);
    return chosen_.FirstWaiting();
  }
  std::vector<uint64_t> NewlyNotStored(const std::map<uint64_t, std::string>& not_stored)
      TORCHLAP_EXCLUDES(mutex_);
  void TakeEvent(v1::JobEvent event) TORCHLAP_REQUIRES(mutex_);

  Due PopMessage() TORCHLAP_REQUIRES(mutex_);
  Due PopProgress() TORCHLAP_REQUIRES(mutex_);

  const FeedSources sources_;
  const Post post_;
  const storage::Caller caller_;
  uint64_t listener_ = 0;

  // The reading task's while it is at work.
  v1::WatchJobsRequest request_;
  enum class Stage { kBegin, kFirstPage, kPages, kEvents };
  Stage stage_ = Stage::kBegin;
  storage::JobFilter pages_;  // what is still to be read of the chosen jobs
  uint64_t sequence_ = 0;     // events are read up to here
  uint64_t must_reach_ = 0;   // resuming: changes up to here were made before the feed began
  std::map<uint64_t, std::string> told_not_stored_;

  Mutex telling_;
  std::function<void()> due_ TORCHLAP_GUARDED_BY(telling_);                 // none: closed
  std::function<absl::Status(size_t)> hold_ TORCHLAP_GUARDED_BY(telling_);  // the same

  Mutex mutex_;
  ChosenJobSet chosen_ TORCHLAP_GUARDED_BY(mutex_);
  std::deque<v1::WatchJobsResponse> outbox_ TORCHLAP_GUARDED_BY(mutex_);
  std::map<std::string, v1::Progress> progress_ TORCHLAP_GUARDED_BY(mutex_);  // by run
  bool more_ TORCHLAP_GUARDED_BY(mutex_) = true;        // there may be something to read
  bool reading_ TORCHLAP_GUARDED_BY(mutex_) = false;    // a task is on its way
  bool waiting_ TORCHLAP_GUARDED_BY(mutex_) = false;    // the writer was told that nothing is due
  bool following_ TORCHLAP_GUARDED_BY(mutex_) = false;  // all chosen jobs are known
  bool at_work_ TORCHLAP_GUARDED_BY(mutex_) = false;    // that task
  bool closed_ TORCHLAP_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ TORCHLAP_GUARDED_BY(mutex_);  // after the outbox
};

void JobFeed::Pump::Close() {
  sources_.hub->Remove(listener_);
  {
    MutexLock lock(&telling_);
    due_ = nullptr;
    hold_ = nullptr;
  }
  MutexLock lock(&mutex_);
  closed_ = true;
  if (!at_work_) LetGo();
}

void JobFeed::Pump::LetGo() {
  // Clear() would keep what they have allocated.
  v1::WatchJobsRequest().Swap(&request_);
  pages_ = {};
  chosen_ = {};
  outbox_.clear();
  progress_.clear();
}

absl::Status JobFeed::Pump::Hold() {
  size_t bytes = request_.SpaceUsedLong() + pages_.job_ids.capacity() * sizeof(uint64_t);
  {
    MutexLock lock(&mutex_);
    bytes += chosen_.bytes();
  }
  MutexLock lock(&telling_);
  return hold_ ? hold_(bytes) : absl::OkStatus();
}

void JobFeed::Pump::Tell() {
  MutexLock lock(&telling_);
  if (due_) due_();
}

void JobFeed::Pump::Hear(const v1::Progress* progress) {
  {
    MutexLock lock(&mutex_);
    if (end_) return;
    if (progress == nullptr) {
      more_ = true;
      if (waiting_) StartReading();
      return;
    }
    if (!following_ || !chosen_.MayProgress(progress->job_id())) return;
    progress_[progress->run_id()] = *progress;
    // What began the run is read, and told, first.
    if (!waiting_ || more_ || reading_) return;
    waiting_ = false;
  }
  Tell();
}

JobFeed::Due JobFeed::Pump::Next() {
  MutexLock lock(&mutex_);
  if (!outbox_.empty()) return PopMessage();
  if (end_) return {Due::Kind::kEnd, {}, *end_};
  if (more_ || reading_) {
    StartReading();
  } else if (!progress_.empty()) {
    return PopProgress();
  }
  waiting_ = true;
  return {};
}

JobFeed::Due JobFeed::Pump::PopMessage() {
  Due due{Due::Kind::kMessage, std::move(outbox_.front()), {}};
  outbox_.pop_front();
  return due;
}

JobFeed::Due JobFeed::Pump::PopProgress() {
  Due due{Due::Kind::kMessage, {}, {}};
  *due.message.mutable_progress() = std::move(progress_.begin()->second);
  progress_.erase(progress_.begin());
  return due;
}

void JobFeed::Pump::StartReading() {
  if (reading_) return;
  reading_ = true;
  more_ = false;
  post_([self = shared_from_this()] { self->Read(); });
}

void JobFeed::Pump::Read() {
  {
    MutexLock lock(&mutex_);
    if (closed_) return;
    at_work_ = true;
  }
  if (AfterReading(ReadMore())) Tell();
}

bool JobFeed::Pump::AfterReading(const absl::Status& status) {
  MutexLock lock(&mutex_);
  reading_ = false;
  at_work_ = false;
  if (closed_) {
    LetGo();
    return false;
  }
  if (!status.ok()) {
    end_ = status;
  } else if (following_ && chosen_.AllFinished() && sequence_ >= must_reach_) {
    end_ = absl::OkStatus();
  }
  if (end_) progress_.clear();
  if (!waiting_) return false;
  if (outbox_.empty() && !end_ && more_) {
    StartReading();
    return false;
  }
  if (outbox_.empty() && !end_ && progress_.empty()) return false;
  waiting_ = false;
  return true;
}

absl::Status JobFeed::Pump::ReadMore() {
  if (stage_ == Stage::kEvents) {
    if (absl::Status status = ReadEvents(); !status.ok() || MayHaveMore()) return status;
    if (absl::Status status = ReadNotStored(); !status.ok()) return status;
    return ReadWaiting();
  }
  if (stage_ == Stage::kBegin) {
    if (absl::Status status = Choose(); !status.ok()) return status;
    stage_ = Stage::kFirstPage;
  }
  return ReadPage();
}

absl::Status JobFeed::Pump::Choose() {
  auto filter = ChosenJobs(*sources_.jobs, caller_, request_.selector());
  if (!filter.ok()) return filter.status();
  pages_ = *std::move(filter);
  // One more than is sent says whether there are more.
  pages_.limit = kJobsInAPage + 1;
  if (!resumes()) return absl::OkStatus();
  return sources_.jobs->Events(request_.after_sequence(), 1).status();
}

absl::Status JobFeed::Pump::ReadPage() {
  auto page = sources_.jobs->ListAt(pages_);
  if (!page.ok()) return page.status();
  if (page->jobs.empty() && stage_ == Stage::kFirstPage) {
    if (!page->unreadable.empty()) return NoneCanBeRead(page->unreadable);
    return absl::InvalidArgumentError("selector names no job, must name one");
  }
  const bool last = page->jobs.size() <= kJobsInAPage;
  if (!last) page->jobs.pop_back();
  if (!page->jobs.empty()) pages_.after_job_id = page->jobs.back().job_id();
  // Those behind it are of the next page.
  if (!last) std::erase_if(page->unreadable, [&](uint64_t id) { return id > pages_.after_job_id; });
  if (!resumes()) {
    if (absl::Status status = sources_.explain_waiting(&page->jobs); !status.ok()) return status;
  }
  if (stage_ == Stage::kFirstPage) {
    sequence_ = resumes() ? request_.after_sequence() : page->sequence;
  }
  stage_ = last ? Stage::kEvents : Stage::kPages;
  TakePage(*std::move(page));
  return Hold();
}

void JobFeed::Pump::TakePage(storage::JobStore::JobsAt page) {
  if (resumes()) must_reach_ = page.sequence;
  MutexLock lock(&mutex_);
  const uint64_t known = resumes() ? sequence_ : page.sequence;
  for (const v1::Job& job : page.jobs) {
    chosen_.Add(job.job_id(), known, job.state(), resumes() ? 0 : MarkOf(job));
  }
  following_ = stage_ == Stage::kEvents;
  more_ = true;
  if (resumes()) return;
  v1::JobSnapshot* const snapshot = outbox_.emplace_back().mutable_snapshot();
  for (v1::Job& job : page.jobs) *snapshot->add_jobs() = std::move(job);
  snapshot->set_sequence(sequence_);
  snapshot->set_more(!following_);
  snapshot->set_unreadable_jobs(page.unreadable.size());
}

absl::Status JobFeed::Pump::ReadEvents() {
  auto events = sources_.jobs->Events(sequence_, kEventsAtOnce);
  if (!events.ok()) return events.status();
  MutexLock lock(&mutex_);
  for (v1::JobEvent& event : *events) {
    sequence_ = event.sequence();
    TakeEvent(std::move(event));
  }
  if (events->size() == kEventsAtOnce) more_ = true;
  return absl::OkStatus();
}

std::vector<uint64_t> JobFeed::Pump::NewlyNotStored(
    const std::map<uint64_t, std::string>& not_stored) {
  std::vector<uint64_t> news;
  MutexLock lock(&mutex_);
  for (const auto& [job_id, why] : not_stored) {
    const auto told = told_not_stored_.find(job_id);
    const bool is_new = told == told_not_stored_.end() || told->second != why;
    if (is_new && chosen_.MayProgress(job_id)) news.push_back(job_id);
  }
  return news;
}

absl::Status JobFeed::Pump::ReadNotStored() {
  if (!sources_.not_stored) return absl::OkStatus();
  std::map<uint64_t, std::string> not_stored = sources_.not_stored();
  for (const uint64_t job_id : NewlyNotStored(not_stored)) {
    auto job = sources_.jobs->Get(job_id);
    if (storage::IsRowDamaged(job.status())) continue;
    if (!job.ok()) return job.status();
    // Stored meanwhile: the change that says so is about to be read.
    if (job->state() != v1::JOB_STATE_RUNNING) continue;
    job->clear_runs();
    job->set_not_stored(not_stored[job_id]);
    MutexLock lock(&mutex_);
    v1::JobSnapshot* const snapshot = outbox_.emplace_back().mutable_snapshot();
    *snapshot->add_jobs() = *std::move(job);
    snapshot->set_sequence(sequence_);
  }
  told_not_stored_ = std::move(not_stored);
  return absl::OkStatus();
}

absl::Status JobFeed::Pump::ReadWaiting() {
  const std::optional<uint64_t> job_id = FirstWaiting();
  if (!job_id) return absl::OkStatus();
  std::vector<v1::Job> first(1);
  first[0].set_job_id(*job_id);
  first[0].set_state(v1::JOB_STATE_QUEUED);
  if (absl::Status status = sources_.explain_waiting(&first); !status.ok()) return status;
  // No reason: it has begun meanwhile, and the change that says so is about to be read.
  if (!first[0].has_wait()) return absl::OkStatus();
  MutexLock lock(&mutex_);
  if (!chosen_.TellReason(*job_id, MarkOf(first[0]))) return absl::OkStatus();
  v1::Waiting* const waiting = outbox_.emplace_back().mutable_waiting();
  waiting->set_job_id(*job_id);
  *waiting->mutable_reason() = std::move(*first[0].mutable_wait());
  return absl::OkStatus();
}

void JobFeed::Pump::TakeEvent(v1::JobEvent event) {
  if (event.has_run() && Ended(event.run())) progress_.erase(event.run().run_id());
  if (!chosen_.Tell(event)) return;
  *outbox_.emplace_back().mutable_event() = std::move(event);
}

JobFeed::JobFeed(FeedSources sources, Post post, storage::Caller caller,
                 v1::WatchJobsRequest request, std::function<void()> due)
    : pump_(std::make_shared<Pump>(std::move(sources), std::move(post), std::move(caller),
                                   std::move(request), std::move(due))) {
  pump_->Listen();
}

JobFeed::~JobFeed() { pump_->Close(); }

JobFeed::Due JobFeed::Next() { return pump_->Next(); }

}  // namespace torchlap::rpc
