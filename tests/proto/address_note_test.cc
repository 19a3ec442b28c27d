#include "proto/address_note.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace torchlap {
namespace {

class AddressNotes : public testing::Test {
 protected:
  AddressNotes() {
    std::string name = testing::TempDir() + "torchlap-note-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~AddressNotes() override { std::filesystem::remove_all(folder_); }

  void Leave(const std::string& text) const { std::ofstream(AddressNoteFile(folder_)) << text; }

  std::filesystem::path folder_;
};

TEST_F(AddressNotes, WhatWasWrittenIsReadAndReplaced) {
  EXPECT_EQ(ReadAddressNote(folder_), std::nullopt);
  for (const AddressNote& note :
       {AddressNote{"unix:/a b/c.sock", 17}, AddressNote{"unix:/d", 4711}}) {
    ASSERT_TRUE(WriteAddressNote(folder_, note));
    EXPECT_EQ(ReadAddressNote(folder_), note);
  }
  struct stat info = {};
  ASSERT_EQ(::stat(AddressNoteFile(folder_).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(AddressNotes, WithoutTheFolderNothingIsWritten) {
  EXPECT_FALSE(WriteAddressNote(folder_ / "gone", {"unix:/a", 17}));
}

TEST_F(AddressNotes, WhatIsNoNoteIsNone) {
  for (const char* text : {"", "unix:/a", "unix:/a\n", "unix:/a\npid", "unix:/a\npid x", "\npid 7",
                           "unix:/a\npid -7", "unix:/a\nuid 7"}) {
    Leave(text);
    EXPECT_EQ(ReadAddressNote(folder_), std::nullopt) << text;
  }
}

TEST_F(AddressNotes, AnotherUsersNoteOrALinkIsNone) {
  Leave("unix:/a\npid 7\n");
  const std::filesystem::path note = AddressNoteFile(folder_);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(note.c_str(), 65534, 65534), 0);
    EXPECT_EQ(ReadAddressNote(folder_), std::nullopt);
  }
  std::filesystem::rename(note, folder_ / "kept");
  std::filesystem::create_symlink(folder_ / "kept", note);
  EXPECT_EQ(ReadAddressNote(folder_), std::nullopt);
}

TEST_F(AddressNotes, AProcessThatIsGoneOrIsAnotherProgramIsNotAlive) {
  EXPECT_FALSE(IsAlive({"unix:/a", ::getpid()}));
  EXPECT_FALSE(IsAlive({"unix:/a", 2'000'000'000}));
}

}  // namespace
}  // namespace torchlap
