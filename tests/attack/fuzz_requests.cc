// Requests of every RPC, changed field by field by the descriptors and then byte by byte, to a real
// daemon over its socket. Holds: no crash, no answer that says "a bug", nothing stored that cannot
// be read, listed and exported again, a database that is consistent, a daemon that stops and
// starts.
//
//   torchlap-fuzz-requests [--count 20000] [--seed N] [--only INDEX] [--inputs FOLDER] [--out
//   FOLDER]
//
// The input at which the daemon died, or that was answered wrongly, is written to a file of --out:
// the method, and the request in hexadecimal digits. A folder of such files is --inputs, tried
// first.
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "tests/attack/mutation.h"
#include "tests/attack/run_main.h"
#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kThreads = 2;
constexpr uint64_t kCancelEvery = 200;  // so that the queue stays short
constexpr milliseconds kWatchLength{100};
constexpr milliseconds kLongestCall{120'000};

struct Input {
  std::string method;
  std::string bytes;
};

const ServiceDescriptor& TheService() {
  return *v1::SubmitJobsRequest::descriptor()->file()->FindServiceByName("Torchlap");
}

std::unique_ptr<Message> NewRequest(const MethodDescriptor& method) {
  const Message* prototype = MessageFactory::generated_factory()->GetPrototype(method.input_type());
  return std::unique_ptr<Message>(prototype->New());
}

// One in ten of the calls that have nothing to be changed.
const MethodDescriptor& Choose(Mutation* mutation) {
  const ServiceDescriptor& service = TheService();
  for (;;) {
    const auto methods = static_cast<uint64_t>(service.method_count());
    const MethodDescriptor* method = service.method(static_cast<int>(mutation->Below(methods)));
    if (method->input_type()->field_count() > 0 || mutation->OneIn(10)) return *method;
  }
}

// What a sensible client would send, where an empty request is none.
void FillSensibly(Mutation* mutation, Message* request) {
  if (auto* submit = dynamic_cast<v1::SubmitJobsRequest*>(request)) {
    *submit = TinySweep(1 + static_cast<int>(mutation->Below(3)));
  } else if (auto* runs = dynamic_cast<v1::ExportRunsRequest*>(request)) {
    runs->mutable_filter()->mutable_selector()->set_last(true);
    runs->set_with_samples(mutation->OneIn(2));
  } else if (auto* watch = dynamic_cast<v1::WatchJobsRequest*>(request)) {
    watch->mutable_selector()->set_last(true);
  }
}

Input Make(uint64_t seed, uint64_t index) {
  std::seed_seq mix{seed, index};
  std::array<uint64_t, 1> own = {};
  mix.generate(own.begin(), own.end());
  Mutation mutation(own[0] << 32 | index);
  const MethodDescriptor& method = Choose(&mutation);
  const auto request = NewRequest(method);
  FillSensibly(&mutation, request.get());
  for (uint64_t changes = mutation.Below(6); changes > 0; --changes) {
    mutation.ChangeOne(request.get());
  }
  Input input{method.name(), request->SerializePartialAsString()};
  if (mutation.OneIn(4)) {
    for (uint64_t times = 1 + mutation.Below(4); times > 0; --times) {
      input.bytes = mutation.Spoil(std::move(input.bytes));
    }
  }
  return input;
}

Input CancelAll() {
  v1::CancelJobsRequest cancel;
  cancel.mutable_selector()->set_all(true);
  return {"CancelJobs", cancel.SerializeAsString()};
}

// A call of any method with any bytes.
class Caller {
 public:
  explicit Caller(const std::filesystem::path& socket) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    arguments.SetMaxReceiveMessageSize(-1);
    stub_.emplace(grpc::CreateCustomChannel("unix:" + socket.string(),
                                            grpc::InsecureChannelCredentials(), arguments));
  }

  // `answers`: the messages, as they came.
  grpc::Status Ask(const Input& input, milliseconds deadline, std::vector<std::string>* answers) {
    grpc::CompletionQueue queue;
    grpc::Status status;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    const grpc::Slice slice(input.bytes);
    const grpc::ByteBuffer request(&slice, 1);
    const auto call = stub_->PrepareCall(&context, "/torchlap.v1.Torchlap/" + input.method, &queue);
    const auto is_done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    call->StartCall(nullptr);
    if (is_done()) {
      call->WriteLast(request, grpc::WriteOptions(), nullptr);
      is_done();
      grpc::ByteBuffer answer;
      for (call->Read(&answer, nullptr); is_done(); call->Read(&answer, nullptr)) {
        Keep(answer, answers);
        answer.Clear();
      }
    }
    call->Finish(&status, nullptr);
    is_done();
    queue.Shutdown();
    return status;
  }

 private:
  static void Keep(const grpc::ByteBuffer& answer, std::vector<std::string>* answers) {
    if (answers == nullptr) return;
    std::vector<grpc::Slice> slices;
    if (!answer.Dump(&slices).ok()) return;
    answers->emplace_back();
    for (const grpc::Slice& slice : slices) {
      answers->back().append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }

  std::optional<grpc::GenericStub> stub_;
};

bool IsRequest(const Input& input) {
  const MethodDescriptor* method = TheService().FindMethodByName(input.method);
  return method != nullptr && NewRequest(*method)->ParseFromString(input.bytes);
}

bool IsAllowed(const Input& input, const grpc::Status& status) {
  static const std::set<grpc::StatusCode> answers = {grpc::StatusCode::OK,
                                                     grpc::StatusCode::INVALID_ARGUMENT,
                                                     grpc::StatusCode::NOT_FOUND,
                                                     grpc::StatusCode::ALREADY_EXISTS,
                                                     grpc::StatusCode::FAILED_PRECONDITION,
                                                     grpc::StatusCode::PERMISSION_DENIED,
                                                     grpc::StatusCode::RESOURCE_EXHAUSTED,
                                                     grpc::StatusCode::OUT_OF_RANGE};
  if (answers.contains(status.error_code())) return true;
  // It watches for as long as there is something to see.
  if (input.method == "WatchJobs" && status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED) {
    return true;
  }
  // What is no message at all is answered by gRPC.
  return status.error_code() != grpc::StatusCode::UNAVAILABLE &&
         status.error_code() != grpc::StatusCode::DEADLINE_EXCEEDED && !IsRequest(input);
}

milliseconds DeadlineOf(const Input& input) {
  return input.method == "WatchJobs" ? kWatchLength : kLongestCall;
}

struct Words {
  uint64_t count = 20'000;
  uint64_t seed = 1;
  uint64_t only = 0;
  bool has_only = false;
  std::string inputs;
  std::string out = ".";
};

class Fuzzing {
 public:
  Fuzzing(Target* target, Words words) : target_(target), words_(std::move(words)) {}

  // Findings.
  int Run() {
    TryFiles();
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < kThreads; ++i) threads.emplace_back([this] { Work(); });
    }
    if (findings_ == 0) CheckWhatIsStored();
    if (findings_ == 0) CheckDatabase();
    PrintCodes();
    return findings_;
  }

 private:
  void TryFiles() {
    if (words_.inputs.empty()) return;
    Caller caller(target_->world().socket());
    for (const auto& entry : std::filesystem::directory_iterator(words_.inputs)) {
      if (entry.path().extension() != ".hex") continue;
      std::ifstream file(entry.path());
      Input input;
      std::string hex;
      file >> input.method >> hex;
      input.bytes = FromHex(hex);
      Try(&caller, input, entry.path().stem());
    }
  }

  void Work() {
    Caller caller(target_->world().socket());
    while (findings_ == 0) {
      const uint64_t index = words_.has_only ? words_.only : next_++;
      if (index >= words_.count && !words_.has_only) return;
      Try(&caller, Make(words_.seed, index), std::to_string(index));
      if (words_.has_only) return;
      if (index % kCancelEvery == 0) Try(&caller, CancelAll(), "cancel");
    }
  }

  void Try(Caller* caller, const Input& input, const std::string& name) {
    grpc::Status status = caller->Ask(input, DeadlineOf(input), nullptr);
    // A connection may be closed on whoever sends such things; a daemon must not be.
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE && IsAlive()) {
      status = caller->Ask(input, DeadlineOf(input), nullptr);
    }
    {
      const std::lock_guard lock(mutex_);
      ++codes_[status.error_code()];
    }
    if (IsAllowed(input, status)) return;
    Found(input, name,
          fmt::format("{}: {}", static_cast<int>(status.error_code()), status.error_message()));
  }

  bool IsAlive() {
    const std::lock_guard lock(mutex_);
    return target_->is_alive();
  }

  void Found(const Input& input, const std::string& name, const std::string& what) {
    ++findings_;
    const std::string file = fmt::format("{}/{}-{}.hex", words_.out, input.method, name);
    std::ofstream(file) << input.method << " " << ToHex(input.bytes) << "\n";
    const std::lock_guard lock(mutex_);
    std::string line = fmt::format("FOUND {} request {} of seed {}: {}; written to {}",
                                   input.method, name, words_.seed, what, file);
    // It repeats what was sent.
    std::replace_if(
        line.begin(), line.end(), [](unsigned char c) { return c < 0x20; }, '?');
    std::cout << line << "\n";
  }

  void Complain(const std::string& what) {
    ++findings_;
    std::cout << "FOUND " << what << "\n";
  }

  // All jobs page by page, every sixteenth with its runs, and all runs with their samples.
  void CheckWhatIsStored() {
    Caller caller(target_->world().socket());
    Try(&caller, CancelAll(), "cancel");
    v1::ListJobsRequest list;
    list.set_page_size(1000);
    uint64_t jobs = 0;
    do {
      v1::ListJobsResponse page;
      if (!Read(&caller, "ListJobs", list, &page)) return;
      for (const v1::Job& job : page.jobs()) {
        v1::GetJobRequest one;
        one.set_job_id(job.job_id());
        v1::GetJobResponse whole;
        if (++jobs % 16 == 1 && !Read(&caller, "GetJob", one, &whole)) return;
      }
      list.set_page_token(page.next_page_token());
    } while (!list.page_token().empty());
    v1::ExportRunsRequest runs;
    runs.mutable_filter()->mutable_selector()->set_all(true);
    runs.set_with_samples(true);
    v1::ExportRunsResponse last;
    Read(&caller, "ExportRuns", runs, &last);
    std::cout << fmt::format("{} jobs are stored and read again\n", jobs);
  }

  // The last message of the answer; false: a finding.
  bool Read(Caller* caller, const std::string& method, const Message& request, Message* answer) {
    std::vector<std::string> answers;
    const grpc::Status status =
        caller->Ask({method, request.SerializeAsString()}, kLongestCall, &answers);
    bool is_whole = status.ok();
    for (const std::string& each : answers) is_whole = is_whole && answer->ParseFromString(each);
    if (is_whole) return true;
    Complain(
        fmt::format("what is stored cannot be read by {}: {}", method, status.error_message()));
    return false;
  }

  void CheckDatabase() {
    const e2e::World& world = target_->world();
    if (world.Query("PRAGMA integrity_check") != std::vector<std::string>{"ok"}) {
      Complain("the database is damaged");
    }
    if (!world.Query("PRAGMA foreign_key_check").empty()) Complain("a row has lost its parent");
    const std::optional<int> status = target_->Stop();
    if (status != 0) Complain(fmt::format("the daemon ended with {}", status.value_or(-1)));
    if (!target_->Start()) Complain("it does not start again: " + target_->daemon().err());
    if (target_->Stop() != 0) Complain("it did not stop the second time");
  }

  void PrintCodes() {
    if (!target_->is_alive()) {
      const std::string log = target_->daemon().err();
      std::cout << log.substr(log.size() - std::min<size_t>(log.size(), findings_ ? 8000 : 0));
    }
    std::cout << fmt::format("{{\"requests\": {}, \"seed\": {}, \"findings\": {}, \"codes\": {{",
                             words_.count, words_.seed, findings_.load());
    const char* between = "";
    for (const auto& [code, count] : codes_) {
      std::cout << between << fmt::format("\"{}\": {}", static_cast<int>(code), count);
      between = ", ";
    }
    std::cout << "}}\n";
  }

  Target* const target_;
  const Words words_;
  std::atomic<uint64_t> next_ = 0;
  std::atomic<int> findings_ = 0;
  std::mutex mutex_;
  std::map<grpc::StatusCode, uint64_t> codes_;
};

int Main(int argc, char** argv) {
  CLI::App app("torchlap-fuzz-requests: requests that nobody sends by mistake");
  Words words;
  app.add_option("--count", words.count, "requests");
  app.add_option("--seed", words.seed, "of what is changed");
  const auto* only = app.add_option("--only", words.only, "the request of this number alone");
  app.add_option("--inputs", words.inputs, "folder of inputs that are tried first");
  app.add_option("--out", words.out, "folder for what was found");
  CLI11_PARSE(app, argc, argv);
  words.has_only = only->count() > 0;
  std::filesystem::create_directories(words.out);
  Target target("torchlap-fake-worker", "grace_ms = 100\n");
  // Long runs end early, so that the queue moves on.
  target.world().TellFakeWorker(
      {{"runs",
        {{"*", {{"steps_per_event", 100}, {"at_step", 300}, {"do", "exit"}, {"status", 3}}}}}});
  if (!target.Start()) {
    std::cout << "the daemon does not start: " << target.daemon().err() << "\n";
    return 2;
  }
  std::cout << fmt::format("seed {}\n", words.seed);
  return Fuzzing(&target, words).Run() == 0 ? 0 : 1;
}

}  // namespace
}  // namespace torchlap::attack

int main(int argc, char** argv) {
  return torchlap::attack::RunMain("torchlap-fuzz-requests", torchlap::attack::Main, argc, argv);
}
