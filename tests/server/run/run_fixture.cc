#include "tests/server/run/run_fixture.h"

#include <SQLiteCpp/Database.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <utility>

namespace torchlap::run {

void RunTest::SetUp() {
  StoreTest::SetUp();
  // Made before there are threads, as in the daemon: TSan does not see into spdlog's library.
  spdlog::default_logger();
  listener_ = hub_.Add([this](const v1::Progress*) {
    const std::lock_guard lock(mutex_);
    ++changes_;
    told_.notify_all();
  });
}

void RunTest::TearDown() { hub_.Remove(listener_); }

DispatcherSetting RunTest::Setting() {
  DispatcherSetting setting;
  setting.clock = &clock_;
  setting.jobs = jobs_.get();
  setting.runs = runs_.get();
  setting.hub = &hub_;
  return setting;
}

std::unique_ptr<ScriptedPlace> RunTest::Place(const std::string& name) {
  return std::make_unique<ScriptedPlace>(&stage_, name);
}

std::unique_ptr<Dispatcher> RunTest::MakeDispatcher(const std::string& name) {
  return std::make_unique<Dispatcher>(Place(name), Setting());
}

bool RunTest::Await(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (;;) {
    uint64_t seen = 0;
    {
      const std::lock_guard lock(mutex_);
      seen = changes_;
    }
    if (condition()) return true;
    std::unique_lock lock(mutex_);
    if (!told_.wait_until(lock, deadline, [&] { return changes_ > seen; })) return false;
  }
}

bool RunTest::AwaitState(uint64_t job_id, v1::JobState state) {
  return Await([&] { return Get(job_id).state() == state; });
}

void RunTest::ExecuteSql(const std::string& sql) {
  SQLite::Database database(file_.string(), SQLite::OPEN_READWRITE, 10'000);
  database.exec(sql);
}

}  // namespace torchlap::run
