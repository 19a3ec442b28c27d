#include "server/rpc/nameless_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>

#include "tests/storage/store_fixture.h"

namespace torchlap::rpc {
namespace {

template <int kError>
int Fail(const char* /*path*/, int /*flags*/, mode_t /*mode*/) {
  errno = kError;
  return -1;
}

class NamelessFileTest : public testing::Test {
 protected:
  void ExpectNameless(const FileDescriptor& file) {
    ASSERT_TRUE(file);
    EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
    struct stat status = {};
    ASSERT_EQ(::fstat(file.get(), &status), 0);
    EXPECT_EQ(status.st_mode, S_IFREG | 0600U);
    EXPECT_EQ(status.st_nlink, 0U);
    EXPECT_NE(::fcntl(file.get(), F_GETFD) & FD_CLOEXEC, 0);
    ASSERT_EQ(::pwrite(file.get(), "abc", 3, 0), 3);
    std::string back(3, ' ');
    EXPECT_EQ(::pread(file.get(), back.data(), 3, 0), 3);
    EXPECT_EQ(back, "abc");
  }

  const storage::TemporaryFolder folder_;
};

TEST_F(NamelessFileTest, HasNoNameAndIsOfThisUserAlone) {
  ExpectNameless(OpenNameless(folder_.path()));
}

TEST_F(NamelessFileTest, LosesItsNameWhereTheFileSystemOrTheKernelMakesNoneWithout) {
  for (const OpenFile fails : {&Fail<EOPNOTSUPP>, &Fail<EISDIR>, &Fail<ENOENT>}) {
    ExpectNameless(OpenNameless(folder_.path(), fails));
  }
}

TEST_F(NamelessFileTest, OtherErrorsAreSaid) {
  EXPECT_FALSE(OpenNameless(folder_.path(), &Fail<EACCES>));
  EXPECT_EQ(errno, EACCES);
  EXPECT_FALSE(OpenNameless(folder_.path(), &Fail<ENOSPC>));
  EXPECT_EQ(errno, ENOSPC);
  EXPECT_FALSE(OpenNameless(folder_.path() / "none"));
  EXPECT_EQ(errno, ENOENT);
}

}  // namespace
}  // namespace torchlap::rpc
