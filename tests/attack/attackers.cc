#include "tests/attack/attackers.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <future>
#include <memory>
#include <thread>

#include "tests/attack/http2.h"
#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

using std::chrono::seconds;

constexpr seconds kPatience{300};
constexpr uint64_t kCallsOfAConnection = 100;
// What one user has for connections, where it is not the point of the attack.
constexpr uint64_t kConnections = 32;

std::string Path(const std::string& method) { return "/torchlap.v1.Torchlap/" + method; }

void Hold(const Order& order) { std::this_thread::sleep_for(order.hold); }

v1::Selector Everything() {
  v1::Selector all;
  all.set_all(true);
  return all;
}

v1::ListJobsRequest ManyIds(uint64_t ids) {
  v1::ListJobsRequest request;
  for (uint64_t id = 1; id <= ids; ++id) request.mutable_selector()->add_job_ids(id);
  return request;
}

// `order.count` ids each.
Tally LongLists(const Order& order) {
  constexpr int kLists = 24;
  const v1::ListJobsRequest request = ManyIds(order.count);
  std::atomic<uint64_t> answered = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kLists; ++i) {
      callers.emplace_back([&] {
        const auto stub = StubOf(order.socket);
        grpc::ClientContext context;
        SetDeadline(&context, kPatience);
        v1::ListJobsResponse response;
        if (stub->ListJobs(&context, request, &response).ok()) ++answered;
      });
    }
  }
  return {kLists, answered, kLists - answered};
}

// `order.count` KiB of empty jobs in each: two bytes that decoding makes an object of 200.
Tally EmptyJobs(const Order& order) {
  constexpr int kSubmits = 8;
  constexpr char kTag = v1::SubmitJobsRequest::kJobsFieldNumber << 3 | 2;
  std::string jobs(order.count * 1024, '\0');
  for (size_t i = 0; i < jobs.size(); i += 2) jobs[i] = kTag;
  const grpc::Slice slice(jobs);
  std::atomic<uint64_t> answered = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < kSubmits; ++i) {
      callers.emplace_back([&] {
        grpc::GenericStub stub(ChannelTo(order.socket));
        grpc::ClientContext context;
        SetDeadline(&context, kPatience);
        const grpc::ByteBuffer request(&slice, 1);
        grpc::ByteBuffer response;
        std::promise<bool> ended;
        stub.UnaryCall(&context, Path("SubmitJobs"), grpc::StubOptions(), &request, &response,
                       [&](const grpc::Status& status) { ended.set_value(status.ok()); });
        if (ended.get_future().get()) ++answered;
      });
    }
  }
  return {kSubmits, answered, kSubmits - answered};
}

// `order.count` frames on each of two connections: small fields, and a value of almost 2 GiB.
Tally EndlessHeaders(const Order& order) {
  Tally tally;
  std::string fields;
  while (fields.size() < kMostPayload - 64) fields += Literal("x", "y");
  const std::string piece(kMostPayload, 'v');
  // 127 and four bytes of length.
  const std::string endless = Literal("x", "") + std::string("\0\1y\x7F\xFF\xFF\xFF\xFF\x07", 9);
  for (const bool is_one : {false, true}) {
    Wire wire(order.socket);
    bool goes_on = wire.Send(
        Frame(kHeaders, 0, 1, CallFields(Path("GetDaemonStatus")) + (is_one ? endless : "")));
    // Nothing is read: an answer between the frames of a header would end the connection.
    for (uint64_t i = 0; i < order.count && goes_on; ++i) {
      goes_on = wire.Send(Frame(kContinuation, 0, 1, is_one ? piece : fields));
      ++tally.sent;
    }
    if (!goes_on) ++tally.refused;
    Hold(order);
  }
  return tally;
}

// Whole calls whose answers cannot be sent: windows of 0, and nothing is read.
Tally UnreadAnswers(const Order& order) {
  Wire wire(order.socket, Setting(4, 0));
  Tally tally;
  for (uint64_t i = 0; i < order.count; ++i) {
    const auto stream = static_cast<uint32_t>(2 * i + 1);
    if (!wire.Send(WholeCall(stream, Path("ListPresets"), ""))) {
      ++tally.refused;
      break;
    }
    ++tally.sent;
  }
  Hold(order);
  return tally;
}

// Messages that are announced with 64 KiB and begun with one byte.
Tally HalfSentMessages(const Order& order) {
  const std::string begun("\0\0\1\0\0x", 6);
  Wire wire(order.socket);
  Tally tally;
  for (uint64_t i = 0; i < order.count && wire.Read(); ++i) {
    const auto stream = static_cast<uint32_t>(2 * i + 1);
    std::string bytes = Frame(kHeaders, kEndHeaders, stream, CallFields(Path("SubmitJobs")));
    // Without room for it the stream is open all the same.
    if (wire.window() > static_cast<int64_t>(begun.size())) {
      bytes += Frame(kData, 0, stream, begun);
      wire.Sent(static_cast<int64_t>(begun.size()));
    }
    if (!wire.Send(bytes)) break;
    ++tally.sent;
  }
  if (tally.sent < order.count) ++tally.refused;
  Hold(order);
  return tally;
}

Tally IdleConnections(const Order& order) {
  std::vector<Wire> idle;
  Tally tally;
  for (; tally.sent < order.count; ++tally.sent) {
    idle.push_back(tally.sent % 2 == 0 ? Wire(order.socket) : Wire::Silent(order.socket));
    if (!idle.back().is_open()) idle.pop_back();
  }
  Hold(order);
  for (Wire& wire : idle) {
    if (wire.Read()) ++tally.answered;
  }
  tally.refused = tally.sent - tally.answered;
  return tally;
}

// Calls that are begun on many connections at once and not ended.
Tally OpenStreams(const Order& order, const std::string& path, const std::string& message) {
  std::vector<Wire> wires;
  Tally tally;
  for (; tally.sent < order.count; ++tally.sent) {
    if (tally.sent % kCallsOfAConnection == 0) wires.emplace_back(order.socket);
    const auto stream = static_cast<uint32_t>(2 * (tally.sent % kCallsOfAConnection) + 1);
    const std::string begun = Frame(kHeaders, kEndHeaders, stream, CallFields(path)) +
                              Frame(kData, 0, stream, Prefixed(message));
    if (!wires.back().Send(begun)) ++tally.refused;
  }
  Hold(order);
  return tally;
}

Tally ReflectionStreams(const Order& order) {
  // ServerReflectionRequest{list_services: ""}.
  return OpenStreams(order, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                     std::string("\x3A\0", 2));
}

// Lists of all jobs, as many at once as the connections take.
Tally OutstandingLists(const Order& order) {
  struct Call {
    grpc::ClientContext context;
    v1::ListJobsResponse response;
  };
  std::vector<std::unique_ptr<v1::Torchlap::Stub>> stubs;
  for (uint64_t i = 0; i < kConnections; ++i) stubs.push_back(StubOf(order.socket));
  v1::ListJobsRequest request;
  request.set_page_size(1000);
  std::vector<std::unique_ptr<Call>> calls;
  std::atomic<uint64_t> answered = 0;
  std::atomic<uint64_t> ended = 0;
  for (uint64_t i = 0; i < order.count; ++i) {
    calls.push_back(std::make_unique<Call>());
    SetDeadline(&calls.back()->context, kPatience);
    stubs[i % kConnections]->async()->ListJobs(&calls.back()->context, &request,
                                               &calls.back()->response,
                                               [&answered, &ended](const grpc::Status& status) {
                                                 if (status.ok()) ++answered;
                                                 ++ended;
                                                 ended.notify_all();
                                               });
  }
  for (uint64_t seen = ended; seen < order.count; seen = ended) ended.wait(seen);
  return {order.count, answered, order.count - answered};
}

// Exports and watches whose reader has gone to sleep, each on a connection of its own.
Tally UnreadStreams(const Order& order) {
  v1::ExportRunsRequest runs;
  *runs.mutable_filter()->mutable_selector() = Everything();
  runs.set_with_samples(true);
  v1::WatchJobsRequest jobs;
  *jobs.mutable_selector() = Everything();
  std::vector<Wire> wires;
  Tally tally;
  for (; tally.sent < order.count; ++tally.sent) {
    wires.emplace_back(order.socket);
    const bool is_export = tally.sent % 2 == 0;
    const std::string call = is_export ? WholeCall(1, Path("ExportRuns"), runs.SerializeAsString())
                                       : WholeCall(1, Path("WatchJobs"), jobs.SerializeAsString());
    if (!wires.back().Send(call)) ++tally.refused;
  }
  Hold(order);
  return tally;
}

// Reads all that comes, as fast as it comes.
class Watcher : public grpc::ClientReadReactor<v1::WatchJobsResponse> {
 public:
  Watcher(v1::Torchlap::Stub* stub, const v1::WatchJobsRequest& request) {
    SetDeadline(&context_, kPatience);
    stub->async()->WatchJobs(&context_, &request, this);
    StartRead(&message_);
    StartCall();
  }
  void OnReadDone(bool has_more) override {
    if (has_more) StartRead(&message_);
  }
  void OnDone(const grpc::Status& status) override { ended_.set_value(status.ok()); }
  bool SawTheEnd() { return ended_.get_future().get(); }

 private:
  grpc::ClientContext context_;
  v1::WatchJobsResponse message_;
  std::promise<bool> ended_;
};

// From the submit of 200 jobs until each of the watchers knows that all have ended.
double WatchSweep(const std::filesystem::path& socket, uint64_t watchers, Tally* tally) {
  constexpr uint64_t kWatchersOfAConnection = 20;
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::unique_ptr<v1::Torchlap::Stub>> stubs;
  v1::WatchJobsRequest sweep;
  stubs.push_back(StubOf(socket));
  {
    grpc::ClientContext context;
    v1::SubmitJobsResponse submitted;
    stubs.back()->SubmitJobs(&context, TinySweep(200), &submitted);
    sweep.mutable_selector()->add_sweep_ids(submitted.sweep_id());
  }
  std::vector<std::unique_ptr<Watcher>> readers;
  for (uint64_t i = 0; i < watchers; ++i) {
    if (i % kWatchersOfAConnection == 0) stubs.push_back(StubOf(socket));
    readers.push_back(std::make_unique<Watcher>(stubs.back().get(), sweep));
  }
  for (const auto& reader : readers) ++(reader->SawTheEnd() ? tally->answered : tally->refused);
  tally->sent += watchers;
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

// `order.count` of them watch a sweep, after one has watched another.
Tally Watchers(const Order& order) {
  Tally tally;
  tally.seconds["one watcher"] = WatchSweep(order.socket, 1, &tally);
  tally.seconds["all watchers"] = WatchSweep(order.socket, order.count, &tally);
  return tally;
}

// `order.count` jobs of 1,000 launches.
Tally HugeSubmit(const Order& order) {
  v1::SubmitJobsRequest request = TinySweep(static_cast<int>(order.count));
  for (v1::JobSpec& job : *request.mutable_jobs()) job.mutable_plan()->set_launches(1000);
  request.set_shuffle(true);
  const auto stub = StubOf(order.socket);
  grpc::ClientContext context;
  SetDeadline(&context, kPatience);
  v1::SubmitJobsResponse response;
  const bool is_taken = stub->SubmitJobs(&context, request, &response).ok();
  Hold(order);
  if (!is_taken) return {1, 0, 1};
  // They would be in the way of everybody for hours.
  v1::CancelJobsRequest cancel;
  cancel.mutable_selector()->add_sweep_ids(response.sweep_id());
  grpc::ClientContext again;
  SetDeadline(&again, kPatience);
  v1::CancelJobsResponse cancelled;
  stub->CancelJobs(&again, cancel, &cancelled);
  return {1, 1, 0};
}

void SubmitListAndCancel(const std::filesystem::path& socket) {
  const auto stub = StubOf(socket);
  const v1::ListJobsRequest list = ManyIds(20'000);
  const v1::SubmitJobsRequest sweep = TinySweep(3);
  for (;;) {
    grpc::ClientContext first;
    SetDeadline(&first, seconds(5));
    v1::SubmitJobsResponse submitted;
    stub->SubmitJobs(&first, sweep, &submitted);
    grpc::ClientContext second;
    SetDeadline(&second, seconds(5));
    v1::ListJobsResponse listed;
    stub->ListJobs(&second, list, &listed);
    v1::CancelJobsRequest cancel;
    cancel.mutable_selector()->add_sweep_ids(submitted.sweep_id());
    grpc::ClientContext third;
    SetDeadline(&third, seconds(5));
    v1::CancelJobsResponse cancelled;
    if (submitted.sweep_id() != 0) stub->CancelJobs(&third, cancel, &cancelled);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void SendHalves(const std::filesystem::path& socket) {
  const seconds none{0};
  for (;;) {
    HalfSentMessages({socket, 200, none});
    UnreadAnswers({socket, 200, none});
    EndlessHeaders({socket, 20, none});
    UnreadStreams({socket, 8, none});
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

const char kEscape[] = "\x1b]0;owned\x07\x1b[2J";

std::vector<std::string> HostileTexts() {
  return {kEscape,
          "two\nlines",
          "back\rspace\b\b",
          "\xC2\x9Bm",
          "\x7F",
          "\xE2\x80\xAEtxt.exe",
          "\xE2\x81\xA6isolated",
          "=cmd|' /C calc'!A0",
          "@SUM(1+1)",
          "<script>alert(1)</script>",
          "a|b|c",
          std::string(100, 'w')};
}

// Everywhere where a job has a text; most are refused, and one clean job shall pass.
void SubmitHostileJobs(v1::Torchlap::Stub* stub, Tally* tally) {
  const auto submit = [&](const v1::SubmitJobsRequest& request) {
    grpc::ClientContext context;
    SetDeadline(&context, seconds(20));
    v1::SubmitJobsResponse response;
    ++tally->sent;
    ++(stub->SubmitJobs(&context, request, &response).ok() ? tally->answered : tally->refused);
  };
  for (const std::string& text : HostileTexts()) {
    v1::SubmitJobsRequest name = TinySweep(1);
    name.set_sweep_name(text);
    submit(name);
    v1::SubmitJobsRequest label = TinySweep(1);
    (*label.mutable_jobs(0)->mutable_labels())["label"] = text;
    submit(label);
    v1::SubmitJobsRequest key = TinySweep(1);
    (*key.mutable_jobs(0)->mutable_labels())[text] = "value";
    submit(key);
    v1::SubmitJobsRequest device = TinySweep(1);
    device.mutable_jobs(0)->set_device(text);
    submit(device);
    v1::SubmitJobsRequest preset = TinySweep(1);
    preset.mutable_jobs(0)->mutable_workload()->mutable_transformer_lm()->set_preset(text);
    submit(preset);
    v1::SubmitJobsRequest identity = TinySweep(1);
    identity.set_request_id(text);
    submit(identity);
  }
}

// What gRPC's own log repeats of a header that it does not like.
void SendForgedHeaders(const std::filesystem::path& socket, Tally* tally) {
  std::string forged = "x\r\n2026-01-01T00:00:00.000 info forged line\n";
  forged += kEscape;
  const std::string path = Path("GetDaemonStatus");
  const std::vector<std::string> fields = {CallFields(path) + Literal("x-" + forged, "value"),
                                           CallFields(path) + Literal("x-value", forged),
                                           CallFields(path) + Literal("grpc-timeout", forged),
                                           CallFields(path) + Literal("grpc-encoding", forged),
                                           CallFields(path) + Literal("user-agent", forged),
                                           CallFields(path) + Literal("te", forged),
                                           CallFields(path) + Literal("content-type", forged),
                                           CallFields(path) + Literal("x-raw-bin", forged),
                                           CallFields(forged),
                                           Literal(":method", forged) + CallFields(path),
                                           Literal(":" + forged, forged)};
  for (const std::string& each : fields) {
    Wire wire(socket);
    wire.Send(Frame(kHeaders, kEndHeaders | kEndStream, 1, each));
    ++tally->sent;
    if (wire.ClosesWithin(20)) ++tally->refused;
  }
  Wire garbage = Wire::Silent(socket);
  garbage.Send("GET /" + forged + " HTTP/1.1\r\n\r\n");
  ++tally->sent;
}

void ComputeOnCore0(seconds length) {
  cpu_set_t core;
  CPU_ZERO(&core);
  CPU_SET(0, &core);
  ::sched_setaffinity(0, sizeof core, &core);
  const auto end = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < end) {
  }
}

bool HoldName(const std::string& name) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  // A zero byte in front: abstract.
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0 && ::listen(fd, 0) == 0;
}

}  // namespace

const std::vector<Attack>& Attacks() {
  static const std::vector<Attack> attacks = {
      {"long-lists", "ids in each of 24 ListJobs", LongLists, 400'000, 4'000'000, 0},
      {"empty-jobs", "KiB of empty jobs in each of 8 submits", EmptyJobs, 4'096, 65'500, 0},
      {"endless-headers", "CONTINUATION frames of 16 KiB, twice", EndlessHeaders, 4'096, 100'000,
       0},
      {"unread-answers", "calls of one connection", UnreadAnswers, 3'000, 31'000, 0},
      {"half-sent", "messages of one connection", HalfSentMessages, 3'000, 73'000, 0},
      {"idle-connections", "connections", IdleConnections, 1'300, 1'300, 0},
      {"reflection", "streams", ReflectionStreams, 600, 3'000, 0},
      {"outstanding-lists", "lists of 1,000 jobs at once", OutstandingLists, 400, 2'000, 1'000},
      {"unread-streams", "exports and watches", UnreadStreams, 8, 50, 5'000},
      {"watchers", "watchers of a sweep of 200 jobs", Watchers, 100, 500, 0, {60, 200}, true},
      {"huge-submit", "jobs of 1,000 launches", HugeSubmit, 2'000, 10'000, 0},
      {"hostile-texts", "rounds", SayHostileTexts, 1, 20, 0}};
  return attacks;
}

const Attack* FindAttack(const std::string& name) {
  const auto& all = Attacks();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Attack& attack) { return name == attack.name; });
  return found == all.end() ? nullptr : &*found;
}

void AttackForEver(const std::filesystem::path& socket) {
  std::jthread calls([&] { SubmitListAndCancel(socket); });
  SendHalves(socket);
  std::_Exit(0);
}

void SquatClaims(const std::string& scope) {
  for (unsigned core = 0; core < std::max(1U, std::thread::hardware_concurrency()); ++core) {
    HoldName("torchlap/" + scope + "/cpu-core-" + std::to_string(core));
  }
  std::puts("holds");
  std::fflush(stdout);
  for (;;) ::pause();
}

Tally SayHostileTexts(const Order& order) {
  Tally tally;
  // Of the whole process, as others see it.
  ::prctl(PR_SET_NAME, "\x1b]0;own\x07\nfake");
  const auto stub = StubOf(order.socket);
  std::jthread neighbour([&] { ComputeOnCore0(order.hold); });
  for (uint64_t round = 0; round < order.count; ++round) {
    SubmitHostileJobs(stub.get(), &tally);
    SendForgedHeaders(order.socket, &tally);
  }
  return tally;
}

}  // namespace torchlap::attack
