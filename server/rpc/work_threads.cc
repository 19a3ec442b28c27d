#include "server/rpc/work_threads.h"

#include <algorithm>
#include <system_error>
#include <utility>

namespace torchlap::rpc {

WorkThreads::Aside::Aside(WorkThreads* threads, Share share, std::function<void()> give_up)
    : threads_(threads), share_(share), give_up_(std::move(give_up)) {
  threads_->StandAside(this);
}

WorkThreads::Aside::~Aside() { threads_->ComeBack(this); }

WorkThreads::WorkThreads(size_t threads)
    : turns_(threads), most_large_(std::max<size_t>(threads, 2) - 1) {
  MutexLock lock(&mutex_);
  while (threads_.size() < turns_) threads_.emplace_back([this] { Work(); });
}

WorkThreads::~WorkThreads() {
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    // Threads end now: nobody waits for a turn that none of them would give.
    for (auto& [uid, user] : users_) {
      for (Waiting& begun : user.begun) {
        BeginTurn(begun.size);
        *begun.comes_back = true;
      }
      user.begun.clear();
    }
    ready_one_.notify_all();
    came_back_.notify_all();
    while (!threads_.empty()) retired_one_.wait(mutex_);
  }
  JoinRetired();
}

void WorkThreads::Post(Share share, std::function<void()> task) {
  MutexLock lock(&mutex_);
  User* const user = UserOf(share.uid);
  auto& queue = share.size == Size::kSmall ? user->small : user->large;
  queue.push_back({share.size, std::move(task), nullptr});
  GiveTurns();
}

void WorkThreads::LetOthersGo(Share share) {
  JoinRetired();
  MutexLock lock(&mutex_);
  const bool others = users_.size() > users_.count(share.uid);
  if (!others || stopping_ || !Suspend(share.size)) return;
  // This one has just had its turn.
  order_.remove(share.uid);
  if (users_.count(share.uid) > 0) order_.push_back(share.uid);
  AwaitTurn(share);
}

void WorkThreads::StandAside(Aside* task) {
  JoinRetired();
  MutexLock lock(&mutex_);
  if (!Suspend(task->share_.size)) return;
  GiveTurns();
  task->is_aside_ = true;
  aside_.push_back(task);
  TellIfTooMany();
}

void WorkThreads::ComeBack(Aside* task) {
  MutexLock lock(&mutex_);
  if (!task->is_aside_) return;
  aside_.remove(task);
  AwaitTurn(task->share_);
}

bool WorkThreads::Suspend(Size size) {
  if (threads_.size() < turns_ + suspended_ + 1 && !AddThread()) return false;
  ++suspended_;
  EndTurn(size);
  return true;
}

void WorkThreads::AwaitTurn(Share share) {
  if (stopping_) {
    BeginTurn(share.size);
  } else {
    bool comes_back = false;
    UserOf(share.uid)->begun.push_back({share.size, {}, &comes_back});
    GiveTurns();
    while (!comes_back) came_back_.wait(mutex_);
  }
  --suspended_;
  // One thread more than wanted now: an idle one retires, or the next that is done.
  ready_one_.notify_one();
}

void WorkThreads::TellIfTooMany() {
  // Those who were told are on their way.
  std::map<uid_t, size_t> counts;
  for (const Aside* waiting : aside_) ++counts[waiting->share_.uid];
  const auto most =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  if (aside_.size() <= kMostAside && most->second <= kMostAsideOfOne) return;
  const auto longest = std::find_if(aside_.begin(), aside_.end(), [&](const Aside* waiting) {
    return !waiting->is_told_ && waiting->share_.uid == most->first;
  });
  if (longest == aside_.end()) return;
  (*longest)->is_told_ = true;
  (*longest)->give_up_();
}

WorkThreads::User* WorkThreads::UserOf(uid_t uid) {
  const auto [place, is_new] = users_.try_emplace(uid);
  if (is_new) order_.push_back(uid);
  return &place->second;
}

bool WorkThreads::MayHaveTurn(Size size) const {
  return running_ < turns_ && (size == Size::kSmall || large_ < most_large_);
}

std::deque<WorkThreads::Waiting>* WorkThreads::FirstOf(User* user) {
  for (auto* queue : {&user->small, &user->begun, &user->large}) {
    if (!queue->empty() && MayHaveTurn(queue->front().size)) return queue;
  }
  return nullptr;
}

std::optional<WorkThreads::Waiting> WorkThreads::TakeNext() {
  for (auto place = order_.begin(); place != order_.end(); ++place) {
    const auto user = users_.find(*place);
    std::deque<Waiting>* const queue = FirstOf(&user->second);
    if (queue == nullptr) continue;
    Waiting next = std::move(queue->front());
    queue->pop_front();
    if (user->second.empty()) {
      users_.erase(user);
      order_.erase(place);
    } else {
      order_.splice(order_.end(), order_, place);
    }
    return next;
  }
  return std::nullopt;
}

void WorkThreads::BeginTurn(Size size) {
  ++running_;
  if (size == Size::kLarge) ++large_;
}

void WorkThreads::EndTurn(Size size) {
  --running_;
  if (size == Size::kLarge) --large_;
}

void WorkThreads::GiveTurns() {
  while (running_ < turns_) {
    std::optional<Waiting> next = TakeNext();
    if (!next) return;
    BeginTurn(next->size);
    if (next->comes_back != nullptr) {
      *next->comes_back = true;
      came_back_.notify_all();
    } else {
      ready_.push_back(*std::move(next));
      ready_one_.notify_one();
    }
  }
}

bool WorkThreads::AddThread() {
  try {
    threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    return false;  // a limit on processes: whoever wanted to wait keeps its turn
  }
  return true;
}

bool WorkThreads::IsTooMany() const { return threads_.size() > turns_ + suspended_; }

void WorkThreads::Retire() {
  const auto self = std::find_if(threads_.begin(), threads_.end(), [](const std::thread& thread) {
    return thread.get_id() == std::this_thread::get_id();
  });
  retired_.splice(retired_.end(), threads_, self);
  // Whoever was to be woken by what woke this thread.
  ready_one_.notify_one();
  retired_one_.notify_all();
}

void WorkThreads::JoinRetired() {
  std::list<std::thread> ended;
  {
    MutexLock lock(&mutex_);
    ended.swap(retired_);
  }
  for (std::thread& thread : ended) thread.join();
}

void WorkThreads::Work() {
  for (;;) {
    Waiting next;
    {
      MutexLock lock(&mutex_);
      while (ready_.empty() && !stopping_ && !IsTooMany()) ready_one_.wait(mutex_);
      if (ready_.empty()) return Retire();
      next = std::move(ready_.front());
      ready_.pop_front();
    }
    next.task();
    // What it holds is released before another has the turn.
    next.task = nullptr;
    MutexLock lock(&mutex_);
    EndTurn(next.size);
    GiveTurns();
  }
}

}  // namespace torchlap::rpc
