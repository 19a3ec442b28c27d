// What `queue` shows of a long queue.
#include <gmock/gmock.h>

#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

// Two jobs run, 1,500 wait; pages are answered as the daemon does.
void HoldLongQueue(FakeService* service) {
  service->on_list_jobs = [](const v1::ListJobsRequest& request, v1::ListJobsResponse* response) {
    const bool running = request.states(0) == v1::JOB_STATE_RUNNING;
    const uint64_t last = running ? 1201 : 1500;
    uint64_t id = running ? 1200 : 1;
    if (!request.page_token().empty()) id = std::stoull(request.page_token()) + 1;
    for (; id <= last && response->jobs_size() < static_cast<int>(request.page_size()); ++id) {
      if (!running && (id == 1200 || id == 1201)) continue;
      *response->add_jobs() = SmallJob(id, request.states(0));
    }
    if (response->jobs_size() == static_cast<int>(request.page_size())) {
      response->set_next_page_token(std::to_string(id - 1));
    }
    return grpc::Status::OK;
  };
  service->on_get_status = [] {
    v1::GetDaemonStatusResponse status;
    status.set_queued_jobs(1498);
    status.set_running_jobs(2);
    return status;
  };
}

size_t CountOf(const std::string& word, const std::string& text) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST_F(Commands, QueueShowsAThousandJobsTheRunningOnesAmongThemAndSaysSo) {
  HoldLongQueue(&service_);
  EXPECT_EQ(Program({"queue"}), 0) << err_.str();
  EXPECT_EQ(CountOf("QUEUED", out_.str()), 998u);
  EXPECT_EQ(CountOf("RUNNING", out_.str()), 2u);
  EXPECT_EQ(err_.str(), "1000 of 1500 jobs are shown; --limit 0 shows all\n");
}

TEST_F(Commands, QueueShowsAsManyJobsAsAskedFor) {
  HoldLongQueue(&service_);
  EXPECT_EQ(Program({"queue", "--limit", "3"}), 0) << err_.str();
  EXPECT_EQ(CountOf("QUEUED", out_.str()), 1u);
  EXPECT_EQ(CountOf("RUNNING", out_.str()), 2u);
  EXPECT_EQ(err_.str(), "3 of 1500 jobs are shown; --limit 0 shows all\n");
}

TEST_F(Commands, QueueShowsAllJobsWithLimit0) {
  HoldLongQueue(&service_);
  EXPECT_EQ(Program({"queue", "--limit", "0"}), 0) << err_.str();
  EXPECT_EQ(CountOf("QUEUED", out_.str()), 1498u);
  EXPECT_EQ(err_.str(), "");
}

TEST_F(Commands, QueueRefusesALimitThatIsNoNumber) {
  for (const char* wrong : {"-1", "x", "1.5", "", "99999999999"}) {
    EXPECT_EQ(Program({"queue", "--limit", wrong}), 1) << wrong;
    EXPECT_EQ(err_.str(), "torchlap: --limit is " + std::string(wrong) +
                              ", must be a whole number; 0 shows all\n");
  }
}

}  // namespace
}  // namespace torchlap::client
