// Workers that speak nonsense (hostile_worker.cc) to a real daemon. Holds: it lives, every job and
// every run ends, what is stored of samples and numbers can be what it says, no text of a worker is
// more than text, the database is consistent.
//
//   torchlap-fuzz-streams [--count 2000] [--seed N] [--out FOLDER]
//
// The streams of the runs at which the daemon died are written to --out in hexadecimal digits.
#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>
#include <optional>

#include "tests/attack/mutation.h"
#include "tests/attack/run_main.h"
#include "tests/attack/siege.h"
#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using std::chrono::seconds;

constexpr uint64_t kJobsAtOnce = 500;
constexpr int64_t kTimeLimitNs = 1'000'000'000;

// Different plans, so that each has its own rules.
v1::JobSpec Job(Mutation* mutation) {
  v1::JobSpec job = TinyJob(1 + static_cast<uint32_t>(mutation->Below(20)));
  job.set_device("cpu");
  job.mutable_oom()->set_retry(mutation->OneIn(8));
  v1::TransformerLm* model = job.mutable_workload()->mutable_transformer_lm();
  model->set_pass_type(static_cast<v1::PassType>(1 + mutation->Below(3)));
  v1::Plan* plan = job.mutable_plan();
  plan->set_warmup_steps(static_cast<uint32_t>(mutation->Below(5)));
  plan->set_time_limit_ns(kTimeLimitNs);
  plan->set_warmup_until_settled(mutation->OneIn(8));
  if (mutation->OneIn(8)) {
    plan->set_measure_steps(10);
    plan->set_target_precision(0.1);
  }
  return job;
}

// The first thing in a message that is no number or no text that may be shown; empty: there is
// none.
std::string Flaw(const Message& message) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const auto* reflection = message.GetReflection();
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->is_repeated()) {
      const int entries = is_message ? reflection->FieldSize(message, field) : 0;
      for (int i = 0; i < entries; ++i) {
        const std::string flaw = Flaw(reflection->GetRepeatedMessage(message, field, i));
        if (!flaw.empty()) return field->name() + "." + flaw;
      }
    } else if (is_message) {
      const std::string flaw = Flaw(reflection->GetMessage(message, field));
      if (!flaw.empty()) return field->name() + "." + flaw;
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
      if (!std::isfinite(reflection->GetDouble(message, field))) return field->name() + " is none";
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      const std::string dirt = Dirt(reflection->GetString(message, field));
      if (!dirt.empty()) return field->name() + " has " + dirt;
    }
  }
  return "";
}

// Of the samples of one run, one after the other.
std::string SampleFlaw(const v1::SampleBlock& block) {
  int64_t end_ns = 0;
  for (int i = 0; i < block.step_ns_size(); ++i) {
    if (i >= block.start_ns_size()) return "a step without a start";
    const int64_t step_ns = block.step_ns(i);
    if (step_ns <= 0 || step_ns > kTimeLimitNs) return fmt::format("a step of {} ns", step_ns);
    if (block.start_ns(i) < end_ns) return "a step that begins before the one before has ended";
    end_ns = block.start_ns(i) + step_ns;
    for (const auto* phase :
         {&block.forward_ns(), &block.loss_ns(), &block.backward_ns(), &block.optimizer_ns()}) {
      if (i >= phase->size()) continue;
      if (phase->Get(i) < 0 || phase->Get(i) > step_ns) return "a phase beyond its step";
    }
  }
  return "";
}

struct Words {
  uint64_t count = 2000;
  uint64_t seed = 1;
  std::string out = ".";
};

class Fuzzing {
 public:
  Fuzzing(Target* target, Words words)
      : target_(target),
        words_(std::move(words)),
        mutation_(words_.seed),
        record_(target->world().folder() / "streams"),
        stub_(StubOf(target->world().socket())) {}

  int Run() {
    for (uint64_t done = 0; done < words_.count && findings_ == 0; done += kJobsAtOnce) {
      std::filesystem::create_directory(record_);
      Round(std::min(kJobsAtOnce, words_.count - done));
      if (findings_ > 0) KeepStreams();
      std::filesystem::remove_all(record_);
    }
    if (findings_ == 0) CheckDatabase();
    Print();
    return findings_;
  }

 private:
  void Round(uint64_t jobs) {
    v1::SubmitJobsRequest sweep;
    for (uint64_t i = 0; i < jobs; ++i) *sweep.add_jobs() = Job(&mutation_);
    grpc::ClientContext context;
    v1::SubmitJobsResponse submitted;
    const grpc::Status status = stub_->SubmitJobs(&context, sweep, &submitted);
    if (!status.ok()) return Complain("a submit was refused: " + status.error_message());
    v1::Selector selector;
    selector.add_sweep_ids(submitted.sweep_id());
    const grpc::Status ends = AwaitEnds(stub_.get(), selector, seconds(60 + jobs / 2));
    if (!target_->is_alive()) return Complain("the daemon died: " + EndOfLog());
    if (!ends.ok()) return Complain("some jobs do not end: " + ends.error_message());
    CheckRuns(submitted.sweep_id());
  }

  void CheckRuns(uint64_t sweep) {
    v1::ExportRunsRequest request;
    request.mutable_filter()->mutable_selector()->add_sweep_ids(sweep);
    request.set_with_samples(true);
    grpc::ClientContext context;
    SetDeadline(&context, seconds(120));
    const auto stream = stub_->ExportRuns(&context, request);
    v1::ExportRunsResponse message;
    std::string run_id;
    while (stream->Read(&message)) {
      for (const v1::Run& run : message.rows()) {
        run_id = run.run_id();
        ++outcomes_[v1::Outcome_Name(run.outcome())];
        if (run.outcome() == v1::OUTCOME_UNSPECIFIED) Complain(run_id + " has no outcome");
        if (const std::string flaw = Flaw(run); !flaw.empty()) Complain(run_id + ": " + flaw);
      }
      const std::string flaw = SampleFlaw(message.samples());
      if (!flaw.empty()) Complain(run_id + " has " + flaw);
    }
    const grpc::Status status = stream->Finish();
    if (!status.ok()) Complain("the runs cannot be read: " + status.error_message());
  }

  void CheckDatabase() {
    const e2e::World& world = target_->world();
    if (world.Query("PRAGMA integrity_check") != std::vector<std::string>{"ok"}) {
      Complain("the database is damaged");
    }
    if (!world.Query("PRAGMA foreign_key_check").empty()) Complain("a row has lost its parent");
    const std::optional<int> status = target_->Stop();
    if (status != 0) {
      Complain(fmt::format("the daemon ended with {}: {}", status.value_or(-1), EndOfLog()));
    }
  }

  void KeepStreams() {
    const auto kept = std::filesystem::path(words_.out) / fmt::format("streams-{}", words_.seed);
    std::filesystem::copy(record_, kept,
                          std::filesystem::copy_options::recursive |
                              std::filesystem::copy_options::overwrite_existing);
    std::cout << fmt::format("the streams of the last {} jobs are in {}; runs that had not ended:",
                             kJobsAtOnce, kept.string());
    for (const std::string& run :
         target_->world().Query("SELECT job_id || '.' || number FROM run WHERE outcome IS NULL")) {
      std::cout << " " << run;
    }
    std::cout << "\n";
  }

  std::string EndOfLog() {
    const std::string log = target_->daemon().err();
    return log.substr(log.size() - std::min<size_t>(log.size(), 8000));
  }

  void Complain(const std::string& what) {
    ++findings_;
    std::cout << fmt::format("FOUND with seed {}: {}\n", words_.seed, what);
  }

  void Print() {
    std::cout << fmt::format("{{\"streams\": {}, \"seed\": {}, \"findings\": {}, \"outcomes\": {{",
                             words_.count, words_.seed, findings_);
    const char* between = "";
    for (const auto& [outcome, count] : outcomes_) {
      std::cout << between << fmt::format("\"{}\": {}", outcome, count);
      between = ", ";
    }
    std::cout << "}}\n";
  }

  Target* const target_;
  const Words words_;
  Mutation mutation_;
  const std::filesystem::path record_;
  const std::unique_ptr<v1::Torchlap::Stub> stub_;
  int findings_ = 0;
  std::map<std::string, uint64_t> outcomes_;
};

int Main(int argc, char** argv) {
  CLI::App app("torchlap-fuzz-streams: workers that speak nonsense");
  Words words;
  app.add_option("--count", words.count, "streams");
  app.add_option("--seed", words.seed, "of jobs and streams");
  app.add_option("--out", words.out, "folder for what was found");
  CLI11_PARSE(app, argc, argv);
  std::filesystem::create_directories(words.out);
  const int devices = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 4U));
  Target target("torchlap-hostile-worker", "grace_ms = 100\n", devices);
  target.world().TellFakeWorker(
      {{"seed", words.seed}, {"record", (target.world().folder() / "streams").string()}});
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
  return torchlap::attack::RunMain("torchlap-fuzz-streams", torchlap::attack::Main, argc, argv);
}
