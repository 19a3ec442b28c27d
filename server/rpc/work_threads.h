// A few threads for work that blocks (storage), so that gRPC's own threads never do, and whose turn
// it is.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <thread>

#include "proto/base/mutex.h"

namespace torchlap::rpc {

// Thread-safe. So many tasks have a turn at a time; who is next goes round the users, so that the
// tasks of one, however many, put off those of another by one task. Of one user's the small ones
// go first, then those that were begun and come back, then large ones, each in their order. Large
// tasks never have the last turn: a small one does not wait for a large one where there are several
// turns.
class WorkThreads {
 public:
  enum class Size { kSmall, kLarge };
  // Whose task it is, and of which kind.
  struct Share {
    uid_t uid = 0;
    Size size = Size::kSmall;
  };

  // A task that waits for somebody outside stands aside: another works in its place until the end
  // of this object, so that whoever waits costs a thread that sleeps, and nobody's turn. It comes
  // back when its turn comes again.
  class Aside {
   public:
    // In a task of `threads` that was posted with `share`. `give_up` is called, from any thread and
    // at most once, when too many stand aside and this one is the longest of those who have most;
    // it must not block.
    Aside(WorkThreads* threads, Share share, std::function<void()> give_up);
    ~Aside();
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

   private:
    friend class WorkThreads;
    WorkThreads* const threads_;
    const Share share_;
    const std::function<void()> give_up_;
    bool is_aside_ = false;  // else no thread could be had; both guarded by the threads' mutex
    bool is_told_ = false;
  };
  static constexpr size_t kMostAside = 256;
  static constexpr size_t kMostAsideOfOne = 32;

  explicit WorkThreads(size_t threads);
  // Runs what was posted, then joins.
  ~WorkThreads();

  void Post(Share share, std::function<void()> task) TORCHLAP_EXCLUDES(mutex_);
  // In a task that was posted with `share`, between two pieces of its work: if other users wait,
  // they go first.
  void LetOthersGo(Share share) TORCHLAP_EXCLUDES(mutex_);

 private:
  // For a turn.
  struct Waiting {
    Size size = Size::kSmall;
    std::function<void()> task;
    bool* comes_back = nullptr;  // a begun task waits until it is true; it has no `task`
  };
  struct User {
    std::deque<Waiting> small;
    std::deque<Waiting> begun;
    std::deque<Waiting> large;
    bool empty() const { return small.empty() && begun.empty() && large.empty(); }
  };

  void StandAside(Aside* task) TORCHLAP_EXCLUDES(mutex_);
  void ComeBack(Aside* task) TORCHLAP_EXCLUDES(mutex_);
  // Ends the turn of a task that goes on later; the turn is to be given then. False: no thread can
  // be had for another task.
  bool Suspend(Size size) TORCHLAP_REQUIRES(mutex_);
  // Blocks until it is that task's turn again.
  void AwaitTurn(Share share) TORCHLAP_REQUIRES(mutex_);
  void TellIfTooMany() TORCHLAP_REQUIRES(mutex_);

  User* UserOf(uid_t uid) TORCHLAP_REQUIRES(mutex_);
  bool MayHaveTurn(Size size) const TORCHLAP_REQUIRES(mutex_);
  // The queue of the user whose first entry may have a turn; none: null.
  std::deque<Waiting>* FirstOf(User* user) TORCHLAP_REQUIRES(mutex_);
  std::optional<Waiting> TakeNext() TORCHLAP_REQUIRES(mutex_);
  void BeginTurn(Size size) TORCHLAP_REQUIRES(mutex_);
  void EndTurn(Size size) TORCHLAP_REQUIRES(mutex_);
  // To whoever waits, as far as there are turns.
  void GiveTurns() TORCHLAP_REQUIRES(mutex_);

  void Work() TORCHLAP_EXCLUDES(mutex_);
  // False: the system gives no thread.
  bool AddThread() TORCHLAP_REQUIRES(mutex_);
  bool IsTooMany() const TORCHLAP_REQUIRES(mutex_);
  // The calling thread's handle, to be joined by whoever finds it.
  void Retire() TORCHLAP_REQUIRES(mutex_);
  void JoinRetired() TORCHLAP_EXCLUDES(mutex_);

  const size_t turns_;
  const size_t most_large_;
  Mutex mutex_;
  std::condition_variable_any ready_one_;
  std::condition_variable_any came_back_;
  std::condition_variable_any retired_one_;
  std::map<uid_t, User> users_ TORCHLAP_GUARDED_BY(mutex_);  // those of whom something waits
  std::list<uid_t> order_ TORCHLAP_GUARDED_BY(mutex_);       // the same: the next one first
  std::deque<Waiting> ready_ TORCHLAP_GUARDED_BY(mutex_);    // have a turn, wait for a thread
  size_t running_ TORCHLAP_GUARDED_BY(mutex_) = 0;           // turns that are taken
  size_t large_ TORCHLAP_GUARDED_BY(mutex_) = 0;             // by large tasks
  size_t suspended_ TORCHLAP_GUARDED_BY(mutex_) = 0;         // begun tasks without a turn
  std::list<Aside*> aside_ TORCHLAP_GUARDED_BY(mutex_);      // the longest first
  bool stopping_ TORCHLAP_GUARDED_BY(mutex_) = false;
  // As many as there are turns and suspended tasks.
  std::list<std::thread> threads_ TORCHLAP_GUARDED_BY(mutex_);
  std::list<std::thread> retired_ TORCHLAP_GUARDED_BY(mutex_);
};

}  // namespace torchlap::rpc
