// Whole commands against a service that the test plays: one sweep of one small job, unless told
// otherwise.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "client/console.h"
#include "tests/client/fake_service.h"

namespace torchlap::client {

v1::WatchJobsResponse Snapshot(const std::vector<v1::Job>& jobs, uint64_t sequence);
v1::WatchJobsResponse Ended(uint64_t sequence, uint64_t job_id, v1::JobState state);

class Commands : public testing::Test {
 protected:
  Commands();

  // Its exit status; out_ and err_ have what it printed.
  int Program(std::vector<std::string> words);
  // Watches that stay open after the snapshot.
  void HoldWatches();

  FakeService service_;
  std::ostringstream out_;
  std::ostringstream err_;
  Console console_;
};

}  // namespace torchlap::client
