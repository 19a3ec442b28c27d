// What `import` sends and says.
#include <gmock/gmock.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "tests/client/commands_fixture.h"

namespace torchlap::client {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ImportCommand : public Commands {
 protected:
  ImportCommand() {
    service_.on_import_runs = [this](const v1::ImportRunsRequest& request,
                                     v1::ImportRunsResponse* response) {
      requests_.push_back(request);
      if (!request.complete()) return grpc::Status::OK;
      response->set_runs(120);
      response->set_jobs(1);
      response->set_known_runs(3);
      response->set_host("lab2");
      return grpc::Status::OK;
    };
  }
  // A file that begins as SQLite's do.
  std::string MakeFile(size_t bytes,
                       const std::string& begin = std::string("SQLite format 3\0", 16)) {
    const std::string path = testing::TempDir() + "imported_" + std::to_string(::getpid()) + ".db";
    std::string content = begin;
    content.resize(bytes, 'x');
    std::ofstream(path, std::ios::binary) << content;
    files_.push_back(path);
    return path;
  }
  ~ImportCommand() override {
    std::error_code ignored;
    for (const std::string& file : files_) std::filesystem::remove(file, ignored);
  }

  std::vector<std::string> files_;
  std::vector<v1::ImportRunsRequest> requests_;
};

TEST_F(ImportCommand, SendsTheFileInPiecesOfOneUpload) {
  const size_t bytes = 1'200'000;
  EXPECT_EQ(Program({"import", MakeFile(bytes), "--host", "lab2"}), kExitOk) << err_.str();
  ASSERT_THAT(requests_, SizeIs(3));
  uint64_t sent = 0;
  for (const v1::ImportRunsRequest& request : requests_) {
    EXPECT_EQ(request.offset(), sent);
    EXPECT_EQ(request.upload_id(), requests_[0].upload_id());
    EXPECT_EQ(request.host(), "lab2");
    sent += request.data().size();
    EXPECT_EQ(request.complete(), sent == bytes);
  }
  EXPECT_EQ(out_.str(), "imported 120 runs of 1 job from lab2; 3 were here already\n");
}

TEST_F(ImportCommand, AFileThatIsNoDatabaseIsNotSent) {
  EXPECT_NE(Program({"import", MakeFile(100, "id,name")}), kExitOk);
  EXPECT_THAT(err_.str(), HasSubstr("is no SQLite file"));
  EXPECT_NE(Program({"import", "/nowhere/x.db"}), kExitOk);
  EXPECT_THAT(err_.str(), HasSubstr("cannot read /nowhere/x.db: No such file"));
  EXPECT_THAT(requests_, IsEmpty());
}

TEST_F(ImportCommand, WithoutAFileItSaysHowOneIsNamed) {
  EXPECT_EQ(Program({"import"}), kExitUsage);
  EXPECT_EQ(err_.str(), "torchlap: import needs a file: torchlap import lab2.db\n");
}

TEST_F(ImportCommand, WhatTheDaemonSaysOfTheFileIsSaidWithItsName) {
  service_.on_import_runs = [](const v1::ImportRunsRequest&, v1::ImportRunsResponse*) {
    return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the file is damaged (page 29)");
  };
  const std::string file = MakeFile(5000);
  EXPECT_NE(Program({"import", file}), kExitOk);
  EXPECT_EQ(err_.str(), "torchlap: " + file + " is damaged (page 29)\n");
}

TEST_F(ImportCommand, AFileInUseIsNotSent) {
  const std::string file = MakeFile(5000);
  std::ofstream(file + "-wal") << "newer";
  files_.push_back(file + "-wal");
  EXPECT_NE(Program({"import", file}), kExitOk);
  EXPECT_THAT(err_.str(), HasSubstr("torchlap backup"));
  EXPECT_THAT(requests_, IsEmpty());
}

// A million runs take minutes, and are taken in whether somebody waits for them or not.
TEST_F(ImportCommand, WaitsForWhatIsTakenInAsLongAsItTakes) {
  const auto channel =
      DaemonChannel::Open(service_.address(), std::chrono::seconds(5),
                          /*call_patience=*/-std::chrono::seconds(1));  // over before it asks
  ASSERT_TRUE(channel.ok()) << channel.status();
  v1::ImportRunsRequest request;
  EXPECT_EQ((*channel)->ImportRuns(request).status().code(), absl::StatusCode::kDeadlineExceeded);
  request.set_complete(true);
  EXPECT_TRUE((*channel)->ImportRuns(request).ok());
  service_.on_prune_runs = [](const v1::PruneRunsRequest&, v1::PruneRunsResponse*) {
    return grpc::Status::OK;
  };
  EXPECT_TRUE((*channel)->PruneRuns(v1::PruneRunsRequest()).ok());
}

}  // namespace
}  // namespace torchlap::client
