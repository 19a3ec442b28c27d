// What stands where a daemon keeps its files, and is none: refused in one line, and left as it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"

namespace torchlap::e2e {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

void ExpectRefusal(World* world, const std::vector<std::string>& arguments,
                   const std::string& words) {
  const auto daemon = world->StartDaemon(arguments, world->variables());
  EXPECT_EQ(daemon->Wait(), 4) << words;
  EXPECT_EQ(LineCount(daemon->err()), 1U) << daemon->err();
  EXPECT_THAT(daemon->err(), HasSubstr(words));
}

void Forget(const fs::path& file) { fs::remove(file); }

TEST(PlantedFilesTest, FilesOfTheDatabaseAreRegularFiles) {
  World world(World::FakeWorker());
  fs::create_directories(world.state_folder());
  fs::permissions(world.state_folder(), fs::perms::owner_all);
  const fs::path target = world.folder() / "target";
  for (const std::string ending : {"", "-wal", "-shm", "-journal", ".lock"}) {
    const fs::path file = world.database().string() + ending;
    fs::create_symlink(target, file);
    ExpectRefusal(&world, {}, file.string() + " is a link, must be a regular file");
    Forget(file);
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    ExpectRefusal(&world, {}, file.string() + " is a FIFO, must be a regular file");
    Forget(file);
  }
  EXPECT_FALSE(fs::exists(target));
  ASSERT_TRUE(world.Start()) << world.daemon_log();
}

TEST(PlantedFilesTest, SoAreTheNoteAndTheLogOfADaemonInTheBackground) {
  World world(World::FakeWorker());
  fs::create_directories(world.state_folder());
  fs::permissions(world.state_folder(), fs::perms::owner_all);
  const fs::path note = world.state_folder() / "torchlapd.address";
  ASSERT_EQ(::mkfifo(note.c_str(), 0600), 0);
  ExpectRefusal(&world, {}, "note " + note.string() + " is a FIFO");
  Forget(note);
  const fs::path log = world.state_folder() / "torchlapd.log";
  ASSERT_EQ(::mkfifo(log.c_str(), 0600), 0);
  ExpectRefusal(&world, {"--detach"}, "log " + log.string() + " is a FIFO");
  Forget(log);
  fs::create_symlink(world.folder() / "target", log);
  ExpectRefusal(&world, {"--detach"}, "log " + log.string() + " is a link");
  EXPECT_FALSE(fs::exists(world.folder() / "target"));
}

TEST(PlantedFilesTest, AFileIsNotRemovedForASocket) {
  World world(World::FakeWorker());
  fs::create_directories(world.socket().parent_path());
  fs::permissions(world.socket().parent_path(), fs::perms::owner_all);
  std::ofstream(world.socket()) << "a thesis";
  ExpectRefusal(&world, {}, "socket " + world.socket().string() + " is a regular file");
  EXPECT_EQ(fs::file_size(world.socket()), 8U);
}

}  // namespace
}  // namespace torchlap::e2e
