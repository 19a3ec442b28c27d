#include "client/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "proto/base/file_descriptor.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::HasSubstr;

class Address : public testing::Test {
 protected:
  Address() {
    sources_.system_socket = folder_.path() / "system.sock";
    sources_.user_sockets = {"/run/user/7/torchlap/torchlapd.sock"};
  }

  // A path in a folder of this user alone.
  std::filesystem::path Place(const std::string& name) const {
    std::filesystem::create_directory(folder_.path() / name);
    ::chmod((folder_.path() / name).c_str(), 0700);
    return folder_.path() / name / "torchlapd.sock";
  }

  std::string Chosen() const {
    const auto address = ChooseAddress(sources_);
    EXPECT_TRUE(address.ok()) << address.status();
    return address.value_or("");
  }

  std::string Refusal() const {
    const auto address = ChooseAddress(sources_);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(address.status().message());
  }

  TemporaryFolder folder_;
  AddressSources sources_;
};

TEST_F(Address, IsTheFlagBeforeAllElse) {
  sources_.flag = "unix:/a";
  sources_.environment = "unix:/b";
  std::ofstream(sources_.system_socket) << "";
  EXPECT_EQ(Chosen(), "unix:/a");
}

TEST_F(Address, IsTheVariableWithoutAFlag) {
  sources_.environment = "localhost:7777";
  std::ofstream(sources_.system_socket) << "";
  EXPECT_EQ(Chosen(), "localhost:7777");
}

TEST_F(Address, IsTheSystemsSocketIfItIsThere) {
  sources_.environment = "";
  std::ofstream(sources_.system_socket) << "";
  EXPECT_EQ(Chosen(), "unix:" + sources_.system_socket.native());
}

TEST_F(Address, IsTheUsersSocketAtLast) {
  EXPECT_EQ(Chosen(), "unix:/run/user/7/torchlap/torchlapd.sock");
}

// A socket that somebody listens on, or whose daemon is gone.
FileDescriptor Bound(const std::filesystem::path& path, bool listening) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
  FileDescriptor fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  if (listening) {
    EXPECT_EQ(::listen(fd.get(), 5), 0);
  }
  return fd;
}

TEST_F(Address, IsWhicheverOfTheUsersPlacesHasADaemon) {
  for (size_t listening = 0; listening < 3; ++listening) {
    sources_.user_sockets.clear();
    std::vector<FileDescriptor> sockets;
    for (size_t i = 0; i < 3; ++i) {
      const auto place = Place("place" + std::to_string(listening) + std::to_string(i));
      sources_.user_sockets.push_back(place);
      sockets.push_back(Bound(place, i == listening));
    }
    EXPECT_EQ(Chosen(), "unix:" + sources_.user_sockets[listening].native());
  }
}

TEST_F(Address, IsTheUsersDaemonWhereTheSystemsIsGone) {
  const FileDescriptor gone = Bound(sources_.system_socket, false);
  sources_.user_sockets = {Place("users")};
  EXPECT_EQ(Chosen(), "unix:" + sources_.system_socket.native());
  const FileDescriptor there = Bound(sources_.user_sockets[0], true);
  EXPECT_EQ(Chosen(), "unix:" + sources_.user_sockets[0].native());
}

TEST_F(Address, IsWhatADaemonNotedBesideItsDatabase) {
  const auto noted = Place("elsewhere");
  sources_.note = AddressNote{"unix:" + noted.native(), ::getpid()};
  EXPECT_EQ(Chosen(), "unix:/run/user/7/torchlap/torchlapd.sock") << "nobody is there";
  const FileDescriptor there = Bound(noted, true);
  EXPECT_EQ(Chosen(), "unix:" + noted.native());
  ::chmod(noted.parent_path().c_str(), 0755);
  EXPECT_EQ(Chosen(), "unix:/run/user/7/torchlap/torchlapd.sock") << "a place that others reach";
}

TEST_F(Address, InAFolderThatOthersMayEnterIsRefused) {
  std::string name = testing::TempDir() + "torchlap-address-XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  sources_.user_sockets = {name + "/torchlapd.sock"};
  EXPECT_EQ(Chosen(), "unix:" + sources_.user_sockets[0].native());
  ::chmod(name.c_str(), 0755);
  const auto refused = ChooseAddress(sources_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("0700"));
  ::rmdir(name.c_str());
}

TEST_F(Address, IsThatOfEverybodysDaemonWhereItIsNotRunning) {
  sources_.serves_everybody = true;
  EXPECT_EQ(Chosen(), "unix:" + sources_.system_socket.native());
  EXPECT_EQ(StartAdvice(Chosen(), sources_), "start it with: systemctl start torchlapd");
  // A daemon of one's own that is there is asked all the same.
  sources_.user_sockets = {Place("run")};
  const FileDescriptor own = Bound(sources_.user_sockets[0], true);
  EXPECT_EQ(Chosen(), "unix:" + sources_.user_sockets[0].native());
}

TEST_F(Address, OfAnotherFormIsRefusedByTheNameOfItsSource) {
  for (const char* address :
       {"/run/x.sock", "", "unix:", "host", ":80", "host:", "host:http", "host:99999"}) {
    sources_.flag = address;
    EXPECT_THAT(Refusal(), HasSubstr("--address is ")) << address;
  }
  sources_.flag.reset();
  sources_.environment = "nonsense";
  EXPECT_EQ(Refusal(), "TORCHLAP_ADDRESS is nonsense, must be unix:/path or host:port");
}

TEST_F(Address, WithAPathThatTheKernelDoesNotTakeIsRefused) {
  sources_.flag = "unix:/" + std::string(120, 'x');
  EXPECT_THAT(Refusal(), HasSubstr("must be at most 107"));
}

TEST_F(Address, WhereNobodyAnswersTheAdviceIsWhatStartsADaemonThere) {
  EXPECT_EQ(StartAdvice("unix:/run/user/7/torchlap/torchlapd.sock", sources_),
            "start one with: torchlapd");
  EXPECT_EQ(StartAdvice("unix:/x/y.sock", sources_),
            "start one with: torchlapd --socket /x/y.sock");
  EXPECT_EQ(StartAdvice("unix:" + sources_.system_socket.native(), sources_),
            "start it with: systemctl start torchlapd");
  EXPECT_EQ(StartAdvice("host:7", sources_), "start one there, or give another --address");
  EXPECT_EQ(NoDaemonLine("unix:/x", "Connection refused"),
            "no daemon at unix:/x (Connection refused); start one with: torchlapd --socket /x");
}

TEST_F(Address, WhereTheDaemonOfTheNoteIsGoneItIsToBeStarted) {
  // Alive, but no torchlapd: pids are given again.
  sources_.note = AddressNote{"unix:/run/user/7/torchlap/torchlapd.sock", ::getpid()};
  EXPECT_EQ(StartAdvice(sources_.note->address, sources_), "start one with: torchlapd");
}

TEST_F(Address, WhereTheDaemonOfTheNoteLivesNoSecondOneIsAdvised) {
  char name[16] = {};
  ::prctl(PR_GET_NAME, name);
  ::prctl(PR_SET_NAME, "torchlapd");
  sources_.note = AddressNote{"unix:/elsewhere", ::getpid()};
  const std::string advice = StartAdvice("unix:" + sources_.user_sockets[0].native(), sources_);
  const std::string noted = StartAdvice("unix:/elsewhere", sources_);
  ::prctl(PR_SET_NAME, name);
  EXPECT_EQ(advice, "torchlapd runs (pid " + std::to_string(::getpid()) +
                        ") and makes its socket again within 10 s; if it does not: kill " +
                        std::to_string(::getpid()));
  EXPECT_EQ(noted, advice);
}

}  // namespace
}  // namespace torchlap::client
