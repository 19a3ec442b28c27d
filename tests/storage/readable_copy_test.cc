#include "storage/readable_copy.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <set>
#include <string>

#include "tests/storage/store_fixture.h"

namespace torchlap::storage {
namespace {

namespace fs = std::filesystem;

constexpr off_t kSector = 512;

class CopyReadableTest : public testing::Test {
 protected:
  void Write(size_t bytes) {
    std::string content(bytes, 'x');
    for (size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>('a' + i % 23);
    std::ofstream(from_, std::ios::binary) << content;
  }
  // A disk on which these sectors cannot be read.
  absl::StatusOr<int64_t> CopyWithout(const std::set<off_t>& bad) {
    return CopyReadable(from_, to_, [bad](int fd, void* to, size_t bytes, off_t offset) -> ssize_t {
      const auto first = bad.lower_bound(offset / kSector);
      if (first != bad.end() && *first * kSector < offset + static_cast<off_t>(bytes)) {
        errno = EIO;
        return -1;
      }
      return ::pread(fd, to, bytes, offset);
    });
  }
  std::string WithZeros(const std::set<off_t>& bad) {
    std::string content = Contents(from_);
    for (const off_t sector : bad) {
      const auto begin = static_cast<size_t>(sector * kSector);
      const size_t bytes = std::min<size_t>(kSector, content.size() - begin);
      std::fill_n(content.begin() + static_cast<std::ptrdiff_t>(begin), bytes, '\0');
    }
    return content;
  }

  TemporaryFolder folder_;
  const fs::path from_ = folder_.path() / "from";
  const fs::path to_ = folder_.path() / "to";
};

TEST_F(CopyReadableTest, ASoundFileIsCopiedWhole) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{4096}, size_t{3'000'001}}) {
    Write(bytes);
    const auto lost = CopyReadable(from_, to_);
    ASSERT_TRUE(lost.ok()) << lost.status();
    EXPECT_EQ(*lost, 0);
    EXPECT_TRUE(Contents(to_) == Contents(from_)) << bytes;
    EXPECT_EQ(fs::status(to_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
    fs::remove(to_);
  }
}

TEST_F(CopyReadableTest, OnlyTheSectorsThatCannotBeReadAreLost) {
  Write(2'500'100);
  const off_t last = 2'500'100 / kSector;
  for (const std::set<off_t>& bad :
       {std::set<off_t>{0}, {7, 8, 9}, {2047, 2048}, {1, 4000, last}}) {
    const auto lost = CopyWithout(bad);
    ASSERT_TRUE(lost.ok()) << lost.status();
    const int64_t of_last = bad.contains(last) ? kSector - 2'500'100 % kSector : 0;
    EXPECT_EQ(*lost, static_cast<int64_t>(bad.size()) * kSector - of_last);
    EXPECT_TRUE(Contents(to_) == WithZeros(bad));
    fs::remove(to_);
  }
}

TEST_F(CopyReadableTest, WhatIsThereIsNotOverwrittenAndWhatIsNotIsSaid) {
  Write(10);
  std::ofstream(to_) << "kept";
  EXPECT_FALSE(CopyReadable(from_, to_).ok());
  EXPECT_EQ(Contents(to_), "kept");
  EXPECT_EQ(CopyReadable(folder_.path() / "none", folder_.path() / "copy").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace torchlap::storage
