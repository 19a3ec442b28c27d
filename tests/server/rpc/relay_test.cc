// Real sockets on both sides, no gRPC.
#include "server/rpc/relay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/server/rpc/http2_frames.h"

namespace torchlap::rpc {
namespace {

constexpr std::chrono::seconds kDeadline{60};

// Both ends block; what a test reads comes, or the connection ends.
struct Ends {
  FileDescriptor client;
  FileDescriptor server;
};

void SetBlocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK); }

Ends Connect(Relay* relay, uid_t uid = 1001) {
  std::array<int, 2> fds = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
  FileDescriptor ours(fds[0]);
  ::fcntl(ours.get(), F_SETFL, ::fcntl(ours.get(), F_GETFL) | O_NONBLOCK);
  Ends ends;
  ends.client.reset(fds[1]);
  ends.server = relay->Carry(uid, std::move(ours));
  SetBlocking(ends.server.get());
  return ends;
}

// False: it ended before.
bool SendAll(int fd, const std::string& bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (count <= 0) return false;
    sent += static_cast<size_t>(count);
  }
  return true;
}

// So many bytes, or all until the end.
std::string Read(int fd, size_t bytes) {
  std::string text;
  std::string buffer(1 << 16, ' ');
  while (text.size() < bytes) {
    pollfd readable = {fd, POLLIN, 0};
    if (::poll(&readable, 1, static_cast<int>(std::chrono::milliseconds(kDeadline).count())) <= 0)
      break;
    const ssize_t count = ::read(fd, buffer.data(), std::min(buffer.size(), bytes - text.size()));
    if (count <= 0) break;
    text.append(buffer, 0, static_cast<size_t>(count));
  }
  return text;
}

// Everything until the end of the connection.
std::string ReadToEnd(int fd) { return Read(fd, size_t{1} << 40); }

TEST(Relay, CarriesWhatEachSideSays) {
  Relay relay;
  const Ends ends = Connect(&relay);
  const std::string request = kHttp2Preface + Http2Frame(kSettingsFrame, 0, 0, "") +
                              Http2Frame(kHeadersFrame, kEndHeadersFlag, 1, "headers");
  ASSERT_TRUE(SendAll(ends.client.get(), request));
  EXPECT_EQ(Read(ends.server.get(), request.size()), request);
  const std::string answer = Http2Frame(kHeadersFrame, kEndHeadersFlag | kEndStreamFlag, 1, "ok");
  ASSERT_TRUE(SendAll(ends.server.get(), answer));
  EXPECT_EQ(Read(ends.client.get(), answer.size()), answer);
}

TEST(Relay, CarriesMuchInBothDirectionsAtOnce) {
  Relay relay;
  const Ends ends = Connect(&relay);
  const std::string call = kHttp2Preface + Http2Frame(kHeadersFrame, kEndHeadersFlag, 1, "h");
  std::string request = call;
  std::string answer;
  for (int i = 0; i < 500; ++i) {
    request += Http2Frame(kDataFrame, 0, 1, std::string(16000, static_cast<char>('a' + i % 26)));
    answer += Http2Frame(kDataFrame, 0, 1, std::string(16000, static_cast<char>('A' + i % 26)));
  }
  std::string came;
  std::string went;
  {
    std::jthread server_reads([&] { went = Read(ends.server.get(), request.size()); });
    std::jthread server_writes([&] { SendAll(ends.server.get(), answer); });
    std::jthread client_reads([&] { came = Read(ends.client.get(), answer.size()); });
    EXPECT_TRUE(SendAll(ends.client.get(), request));
  }
  EXPECT_TRUE(went == request);
  EXPECT_TRUE(came == answer);
}

TEST(Relay, WhenOneSideClosesTheOtherIsClosed) {
  Relay relay;
  for (int i = 0; i < 20; ++i) {
    Ends ends = Connect(&relay);
    if (i % 2 == 0) {
      ends.client.reset();
      EXPECT_EQ(ReadToEnd(ends.server.get()), "");
    } else {
      ends.server.reset();
      EXPECT_EQ(ReadToEnd(ends.client.get()), "");
    }
  }
}

TEST(Relay, WhatAServerWroteBeforeItClosedComes) {
  Relay relay;
  Ends ends = Connect(&relay);
  // More than a reading, less than the sockets take on the way.
  const std::string last = Http2Frame(kDataFrame, 0, 1, std::string(100'000, 'x'));
  ASSERT_TRUE(SendAll(ends.server.get(), last));
  ends.server.reset();
  EXPECT_EQ(ReadToEnd(ends.client.get()).size(), last.size());
}

TEST(Relay, WhatAServerWroteBeforeTheStopComes) {
  auto relay = std::make_unique<Relay>();
  const Ends ends = Connect(relay.get());
  // The connection is open when this has come.
  ASSERT_TRUE(SendAll(ends.client.get(), kHttp2Preface));
  Read(ends.server.get(), sizeof kHttp2Preface - 1);
  const std::string last = Http2Frame(kHeadersFrame, kEndHeadersFlag | kEndStreamFlag, 1, "end");
  ASSERT_TRUE(SendAll(ends.server.get(), last));
  relay.reset();
  EXPECT_EQ(ReadToEnd(ends.client.get()), last);
  EXPECT_EQ(ReadToEnd(ends.server.get()), "");
}

TEST(Relay, HeadersWithoutEndEndTheConnectionWithWords) {
  Relay relay;
  const Ends ends = Connect(&relay);
  const Ends other = Connect(&relay, 1002);
  ASSERT_TRUE(SendAll(ends.client.get(), kHttp2Preface + Http2Frame(kHeadersFrame, 0, 1, "h")));
  std::string to_server;
  std::jthread server([&] { to_server = ReadToEnd(ends.server.get()); });
  const std::string more = Http2Frame(kContinuationFrame, 0, 1, std::string(16384, 'h'));
  size_t sent = 0;
  while (sent < (size_t{256} << 20) && SendAll(ends.client.get(), more)) sent += more.size();
  EXPECT_LT(sent, size_t{16} << 20);
  const std::string words = ReadToEnd(ends.client.get());
  EXPECT_NE(words.find("the headers of a call have"), std::string::npos) << words;
  server.join();
  EXPECT_LE(to_server.size(), 2 * FrameGuard::kMostHeaderBytes);
  // Nobody else is touched.
  ASSERT_TRUE(SendAll(other.client.get(), kHttp2Preface));
  EXPECT_EQ(Read(other.server.get(), sizeof kHttp2Preface - 1), kHttp2Preface);
}

TEST(Relay, WhoDoesNotReadHoldsBackItsServerAlone) {
  Relay relay;
  std::vector<Ends> lazy;
  std::vector<std::jthread> servers;
  for (int i = 0; i < 5; ++i) {
    lazy.push_back(Connect(&relay));
    servers.emplace_back([fd = lazy.back().server.get()] {
      const std::string much = Http2Frame(kDataFrame, 0, 1, std::string(16000, 'x'));
      while (SendAll(fd, much)) continue;
    });
  }
  const Ends other = Connect(&relay, 1002);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(SendAll(other.server.get(), Http2Frame(kDataFrame, 0, 1, "answer")));
    EXPECT_EQ(Read(other.client.get(), 15).substr(9), "answer");
  }
  for (Ends& ends : lazy) ends.client.reset();
}

}  // namespace
}  // namespace torchlap::rpc
