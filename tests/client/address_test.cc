#include "client/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using testing::HasSubstr;

class Address : public testing::Test {
 protected:
  Address() {
    sources_.system_socket = folder_.path() / "system.sock";
    sources_.user_socket = "/run/user/7/torchlap/torchlapd.sock";
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

TEST_F(Address, InAFolderThatOthersMayEnterIsRefused) {
  std::string name = testing::TempDir() + "torchlap-address-XXXXXX";
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  sources_.user_socket = name + "/torchlapd.sock";
  EXPECT_EQ(Chosen(), "unix:" + sources_.user_socket.native());
  ::chmod(name.c_str(), 0755);
  const auto refused = ChooseAddress(sources_).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("0700"));
  ::rmdir(name.c_str());
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

TEST_F(Address, WhereNobodyAnswersIsNamedWithTheCommandThatStartsADaemon) {
  EXPECT_EQ(NoDaemonLine("unix:/x", "Connection refused"),
            "no daemon at unix:/x (Connection refused); start one with: torchlapd");
}

}  // namespace
}  // namespace torchlap::client
