#include "client/unanswered.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

namespace fs = std::filesystem;

class UnansweredRequestTest : public testing::Test {
 protected:
  UnansweredRequest Make(const v1::SubmitJobsRequest& request,
                         const std::string& address = "unix:/a") const {
    return UnansweredRequest(folder_.path() / "state" / "unanswered", address, request);
  }
  // Of a program that ends without an answer.
  std::string IdOf(const v1::SubmitJobsRequest& request,
                   const std::string& address = "unix:/a") const {
    return Make(request, address).id();
  }
  std::vector<fs::path> Files() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_.path() / "state" / "unanswered")) {
      files.push_back(entry.path());
    }
    return files;
  }
  static v1::SubmitJobsRequest Named(const std::string& name) {
    v1::SubmitJobsRequest request;
    request.set_sweep_name(name);
    for (const char* key : {"a", "b", "c"}) (*request.add_jobs()->mutable_labels())[key] = "v";
    return request;
  }

  TemporaryFolder folder_;
};

TEST_F(UnansweredRequestTest, TheSameRequestToTheSameDaemonHasTheSameId) {
  const std::string id = IdOf(Named("a"));
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(IdOf(Named("a")), id);
  EXPECT_NE(IdOf(Named("b")), id);
  EXPECT_NE(IdOf(Named("a"), "unix:/b"), id);
  EXPECT_EQ(IdOf(Named("a")), id);
}

TEST_F(UnansweredRequestTest, AnAnswerForgetsIt) {
  UnansweredRequest request = Make(Named("a"));
  const std::string id = request.id();
  EXPECT_TRUE(request.is_kept());
  request.Forget();
  EXPECT_TRUE(Files().empty());
  EXPECT_NE(IdOf(Named("a")), id);
}

TEST_F(UnansweredRequestTest, TwoThatAreSentAtOnceAreTwo) {
  UnansweredRequest one = Make(Named("a"));
  UnansweredRequest other = Make(Named("a"));
  EXPECT_NE(one.id(), other.id());
  EXPECT_TRUE(other.is_kept());
  one.Forget();
  EXPECT_NE(IdOf(Named("a")), other.id()) << "it is still waited for";
}

TEST_F(UnansweredRequestTest, WhatWasLeftADayAgoIsNotUsedAgain) {
  const std::string id = IdOf(Named("a"));
  ASSERT_EQ(Files().size(), 1U);
  const timespec old[2] = {{0, 0}, {::time(nullptr) - 25 * 3600, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, Files()[0].c_str(), old, 0), 0);
  EXPECT_NE(IdOf(Named("a")), id);
}

TEST_F(UnansweredRequestTest, AFileWithAnythingElseIsNoId) {
  for (const char* text : {"", "short", "'; DROP TABLE job; --aaaaaaaaaaaaaaa"}) {
    IdOf(Named("a"));
    std::ofstream(Files()[0]) << text;
    const std::string id = IdOf(Named("a"));
    EXPECT_EQ(id.size(), 32U);
    EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos) << id;
    EXPECT_EQ(IdOf(Named("a")), id);
  }
}

TEST_F(UnansweredRequestTest, WithoutAFolderTheIdIsNewEachTime) {
  std::ofstream(folder_.path() / "file") << "no folder";
  const UnansweredRequest one(folder_.path() / "file" / "x", "unix:/a", Named("a"));
  const UnansweredRequest other(folder_.path() / "file" / "x", "unix:/a", Named("a"));
  EXPECT_FALSE(one.is_kept());
  EXPECT_EQ(one.id().size(), 32U);
  EXPECT_NE(one.id(), other.id());
}

}  // namespace
}  // namespace torchlap::client
