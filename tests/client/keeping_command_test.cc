// What `backup` and `prune` ask for, write and say.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/client/commands_fixture.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string Contents(const std::string& file) {
  std::ostringstream bytes;
  bytes << std::ifstream(file, std::ios::binary).rdbuf();
  return bytes.str();
}

class BackupCommand : public Commands {
 protected:
  void Answer(const std::vector<std::string>& pieces, uint64_t total_bytes) {
    service_.on_backup_database = [pieces, total_bytes](const v1::BackupDatabaseRequest&) {
      std::vector<v1::BackupDatabaseResponse> parts;
      for (const std::string& piece : pieces) parts.emplace_back().set_data(piece);
      if (!parts.empty()) parts.front().set_total_bytes(total_bytes);
      return parts;
    };
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  const TemporaryFolder folder_;
  const std::string file_ = folder_.path() / "runs.db";
};

TEST_F(BackupCommand, WritesAFileForItsOwnerAloneAndSaysHowToGoBack) {
  Answer({std::string("\0one", 4), "two"}, 7);
  EXPECT_EQ(Program({"backup", file_}), 0) << err_.str();
  EXPECT_EQ(Contents(file_), std::string("\0onetwo", 7));
  struct stat facts = {};
  ASSERT_EQ(stat(file_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_THAT(Files(), ElementsAre("runs.db"));
  EXPECT_THAT(err_.str(), HasSubstr(" to " + file_ + "; to go back to it: stop torchlapd"));
}

TEST_F(BackupCommand, SaysWhichFolderItMade) {
  Answer({"new"}, 3);
  const std::string folder = folder_.path() / "typo";
  EXPECT_EQ(Program({"backup", folder + "/runs.db"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), HasSubstr("made the folder " + folder + "\n"));
  EXPECT_EQ(Program({"backup", folder + "/more.db"}), 0) << err_.str();
  EXPECT_EQ(err_.str().find("made the folder"), std::string::npos);
}

TEST_F(BackupCommand, ReplacesNoFile) {
  Answer({"new"}, 3);
  std::ofstream(file_) << "old";
  EXPECT_EQ(Program({"backup", file_}), 6);
  EXPECT_EQ(err_.str(), "torchlap: " + file_ + " is there already, must be a file that is not\n");
  EXPECT_EQ(Contents(file_), "old");
  std::filesystem::remove(file_);
  std::filesystem::create_symlink(folder_.path() / "elsewhere", file_);
  EXPECT_EQ(Program({"backup", file_}), 6);
  std::filesystem::remove(file_);
  std::ofstream(file_ + ".part") << "another's";
  EXPECT_EQ(Program({"backup", file_}), 6);
  EXPECT_EQ(Contents(file_ + ".part"), "another's");
}

TEST_F(BackupCommand, WhatIsNotWholeIsNotKept) {
  for (const uint64_t total : {4, 2, 0}) {
    Answer({"abc"}, total);
    EXPECT_EQ(Program({"backup", file_}), 4) << total;
    EXPECT_THAT(err_.str(), HasSubstr("the backup has 3 of "));
    EXPECT_THAT(Files(), IsEmpty());
  }
  Answer({}, 0);
  EXPECT_EQ(Program({"backup", file_}), 4);
  service_.on_backup_database = nullptr;
  EXPECT_EQ(Program({"backup", file_}), 4) << "the daemon said no";
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(BackupCommand, NeedsAPlaceForTheFile) {
  Answer({"abc"}, 3);
  EXPECT_EQ(Program({"backup"}), 1);
  std::ofstream(file_) << "no folder";
  EXPECT_EQ(Program({"backup", file_ + "/runs.db"}), 6);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: cannot make the folder " + file_ + ": "));
}

TEST_F(BackupCommand, MakesTheFoldersOfTheFile) {
  Answer({"abc"}, 3);
  const std::string file = folder_.path() / "new" / "deep" / "runs.db";
  EXPECT_EQ(Program({"backup", file}), 0) << err_.str();
  EXPECT_EQ(Contents(file), "abc");
}

class PruneCommand : public Commands {
 protected:
  PruneCommand() {
    service_.on_prune_runs = [this](const v1::PruneRunsRequest& request,
                                    v1::PruneRunsResponse* response) {
      asked_.push_back(request);
      *response = answer_;
      return grpc::Status::OK;
    };
    answer_.set_runs(1234);
    answer_.set_database_bytes_before(uint64_t{40} << 20);
    answer_.set_database_bytes_after(uint64_t{4} << 20);
  }
  std::vector<v1::PruneRunsRequest> asked_;
  v1::PruneRunsResponse answer_;
};

TEST_F(PruneCommand, DeletesWhatItIsTold) {
  EXPECT_EQ(Program({"prune", "--runs", "17.2", "--runs", "sweep:3", "--yes"}), 0) << err_.str();
  EXPECT_EQ(err_.str(), "deleted 1,234 runs; the database had 40.0 MiB, has 4.00 MiB\n");
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_THAT(asked_[0].runs().selector().run_ids(), ElementsAre("17.2"));
  EXPECT_THAT(asked_[0].runs().selector().sweep_ids(), ElementsAre(3));
  EXPECT_TRUE(asked_[0].runs().include_invalid());
  EXPECT_FALSE(asked_[0].dry_run());
  EXPECT_EQ(asked_[0].samples_before_ns(), 0);
}

TEST_F(PruneCommand, CountsOnlyWhereItIsTold) {
  answer_.set_samples(1);
  EXPECT_EQ(
      Program({"prune", "--runs", "label:k=v", "--samples-older-than", "2026-01-31", "--dry-run"}),
      0)
      << err_.str();
  EXPECT_EQ(out_.str(), "would delete 1,234 runs and the steps of 1 run\n");
  ASSERT_EQ(asked_.size(), 1U);
  EXPECT_TRUE(asked_[0].dry_run());
  EXPECT_EQ(asked_[0].runs().labels().at("k"), "v");
  EXPECT_EQ(asked_[0].samples_before_ns(), 1'769'817'600'000'000'000);
}

TEST_F(PruneCommand, SamplesAloneNameNoRuns) {
  answer_.set_runs(0);
  answer_.set_samples(3);
  EXPECT_EQ(Program({"prune", "--samples-older-than", "180d", "--yes"}), 0) << err_.str();
  EXPECT_THAT(err_.str(), StartsWith("deleted the steps of 3 runs; "));
  EXPECT_FALSE(asked_[0].has_runs());
  EXPECT_GT(asked_[0].samples_before_ns(), 0);
}

TEST_F(PruneCommand, NothingIsNothing) {
  answer_ = {};
  EXPECT_EQ(Program({"prune", "--runs", "last", "--dry-run"}), 0);
  EXPECT_EQ(out_.str(), "would delete nothing\n");
  EXPECT_EQ(Program({"prune", "--runs", "last", "--yes"}), 0);
  EXPECT_EQ(err_.str(), "nothing was deleted\n");
}

// Tests have no terminal that a question could be put to.
TEST_F(PruneCommand, WithoutATerminalItNeedsAWord) {
  EXPECT_EQ(Program({"prune", "--runs", "17"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--yes deletes, --dry-run only counts"));
  EXPECT_EQ(Program({"prune", "--yes"}), 1);
  EXPECT_EQ(err_.str(),
            "torchlap: prune needs --samples-older-than 180d, --runs SELECTOR, or both\n");
  EXPECT_EQ(Program({"prune", "--samples-older-than", "soon", "--yes"}), 1);
  EXPECT_EQ(Program({"prune", "--runs", "x y", "--yes"}), 1);
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(PruneCommand, SaysWhyItMayNot) {
  service_.on_prune_runs = [](const v1::PruneRunsRequest&, v1::PruneRunsResponse*) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "ann may not delete runs");
  };
  EXPECT_EQ(Program({"prune", "--runs", "17", "--yes"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: ann may not delete runs\n");
}

}  // namespace
}  // namespace torchlap::client
