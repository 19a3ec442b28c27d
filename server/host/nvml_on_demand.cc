#include "server/host/nvml_on_demand.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "proto/base/file_descriptor.h"
#include "proto/base/mutex.h"

namespace torchlap::host {
namespace {

FileDescriptor NewEvent() {
  FileDescriptor event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) throw std::system_error(errno, std::generic_category(), "eventfd");
  return event;
}

}  // namespace

// Lives as long as anybody holds the library.
struct NvmlOnDemand::State {
  State(std::string name, const Clock* the_clock)
      : library_name(std::move(name)), clock(*the_clock), changed(NewEvent()) {}

  bool Open() TORCHLAP_REQUIRES(mutex);
  void LetGo();
  void Stop();
  // When it is to be closed, by what is known now.
  int64_t CloseAt();
  // False: stopped.
  bool CloseIfIdle();
  void SayChanged() const;
  void Close();

  const std::string library_name;
  const Clock& clock;
  const FileDescriptor changed;

  Mutex mutex;
  std::unique_ptr<const NvmlLibrary> library TORCHLAP_GUARDED_BY(mutex);
  int holders TORCHLAP_GUARDED_BY(mutex) = 0;
  int64_t close_at_ns TORCHLAP_GUARDED_BY(mutex) = Clock::kNever;
  bool stopped TORCHLAP_GUARDED_BY(mutex) = false;
};

bool NvmlOnDemand::State::Open() {
  if (library != nullptr) return true;
  auto opened = NvmlLibrary::Open(library_name);
  if (!opened.ok()) return false;
  library = *std::move(opened);
  return true;
}

void NvmlOnDemand::State::SayChanged() const {
  const uint64_t one = 1;
  // Fails only when the counter is full, and then the thread is awake anyway.
  [[maybe_unused]] const ssize_t written = ::write(changed.get(), &one, sizeof one);
}

void NvmlOnDemand::State::LetGo() {
  const MutexLock lock(&mutex);
  if (--holders > 0) return;
  if (stopped) {
    library.reset();
    return;
  }
  close_at_ns = clock.MonotonicNs() + kIdleNs;
  SayChanged();
}

void NvmlOnDemand::State::Stop() {
  const MutexLock lock(&mutex);
  stopped = true;
  if (holders == 0) library.reset();
  SayChanged();
}

int64_t NvmlOnDemand::State::CloseAt() {
  const MutexLock lock(&mutex);
  return close_at_ns;
}

bool NvmlOnDemand::State::CloseIfIdle() {
  const MutexLock lock(&mutex);
  if (stopped) return false;
  if (holders > 0 || clock.MonotonicNs() < close_at_ns) return true;
  library.reset();
  close_at_ns = Clock::kNever;
  return true;
}

void NvmlOnDemand::State::Close() {
  do {
    pollfd event = {changed.get(), POLLIN, 0};
    clock.Poll(&event, 1, CloseAt());
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t got = ::read(changed.get(), &count, sizeof count);
  } while (CloseIfIdle());
}

NvmlOnDemand::NvmlOnDemand(std::string library, const Clock* clock)
    : state_(std::make_shared<State>(std::move(library), clock)),
      closer_([state = state_] { state->Close(); }) {}

NvmlOnDemand::~NvmlOnDemand() {
  state_->Stop();
  closer_.join();
}

std::shared_ptr<const NvmlLibrary> NvmlOnDemand::Get() {
  const MutexLock lock(&state_->mutex);
  if (!state_->Open()) return nullptr;
  ++state_->holders;
  // Now, and not when the minute that has begun is over: that may be in the middle of a run.
  if (std::exchange(state_->close_at_ns, Clock::kNever) != Clock::kNever) state_->SayChanged();
  return {state_->library.get(), [state = state_](const NvmlLibrary*) { state->LetGo(); }};
}

bool NvmlOnDemand::is_open() const {
  const MutexLock lock(&state_->mutex);
  return state_->library != nullptr;
}

}  // namespace torchlap::host
