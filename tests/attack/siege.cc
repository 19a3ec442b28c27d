#include "tests/attack/siege.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <sstream>

#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

using nlohmann::json;
using std::chrono::seconds;

// Threads and descriptors that come and go with gRPC and SQLite.
constexpr uint64_t kSlack = 8;

// A loaded machine of two cores is no quiet one.
double LatencyLimitMs(const Limits& limits, const Choice& choice) {
  return choice.large ? limits.most_ms : 5000;
}

seconds LongestAttack(const Choice& choice) { return seconds(choice.large ? 1800 : 200); }

// Whatever is in it.
std::string Printed(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ToJson(const Usage& usage) {
  return {{"rss_mib", usage.rss_kib / 1024},
          {"threads", usage.threads},
          {"descriptors", usage.descriptors}};
}

// Some finished runs with samples, and `jobs` cancelled ones. False: the daemon would not.
bool Store(Target* target, int jobs) {
  constexpr int kRuns = 20;
  constexpr uint32_t kSteps = 2000;
  constexpr seconds kPatience{60};
  const auto stub = StubOf(target->world().socket());
  const auto submit = [&stub](const v1::SubmitJobsRequest& sweep) {
    grpc::ClientContext context;
    v1::SubmitJobsResponse submitted;
    v1::Selector selector;
    if (stub->SubmitJobs(&context, sweep, &submitted).ok()) {
      selector.add_sweep_ids(submitted.sweep_id());
    }
    return selector;
  };
  if (!AwaitEnds(stub.get(), submit(TinySweep(kRuns, kSteps)), kPatience).ok()) return false;
  v1::CancelJobsRequest cancel;
  *cancel.mutable_selector() = submit(TinySweep(jobs));
  grpc::ClientContext context;
  v1::CancelJobsResponse cancelled;
  return stub->CancelJobs(&context, cancel, &cancelled).ok() &&
         AwaitEnds(stub.get(), cancel.selector(), kPatience).ok();
}

json SaidBy(const e2e::Process& role) {
  json said = json::parse(role.out(), nullptr, false);
  if (said.is_object()) return said;
  return {{"error", "it said nothing: " + role.err().substr(0, 500)}};
}

// Both users have been there once: a daemon keeps something for each.
void WarmUp(Target* target) {
  for (const uid_t uid : {kBystander, kAttacker}) {
    target->StartRole("bystander", uid, {"--rounds", "5"})->Wait();
  }
}

// What every user may look at. `meanwhile`: only what shows who computes now.
std::vector<std::vector<std::string>> Looks(bool meanwhile) {
  std::vector<std::vector<std::string>> looks = {{"doctor"}, {"queue"}, {"devices"}};
  if (meanwhile) return looks;
  for (const char* command : {"doctor", "queue", "devices", "sweeps", "runs", "export"}) {
    for (const char* format : {"table", "markdown", "csv", "json"}) {
      looks.push_back({command, "--format", format});
      if (std::string(command) == "export") looks.back().insert(looks.back().begin() + 1, "all");
    }
  }
  looks.push_back({"status"});
  for (int job = 1; job <= 80; job += 7) looks.push_back({"show", std::to_string(job)});
  return looks;
}

bool HasFormula(const std::string& csv) {
  for (const char* begin : {",=", "\n=", ",@", "\n@", ",\"=", "\n\"=", ",\"@", "\n\"@"}) {
    if (csv.find(begin) != std::string::npos) return true;
  }
  return false;
}

void LookForDirt(Target* target, bool meanwhile, std::vector<std::string>* harm) {
  for (const std::vector<std::string>& look : Looks(meanwhile)) {
    const e2e::Finished shown = target->world().Client(look);
    std::string dirt = Dirt(shown.out + shown.err);
    if (look.back() == "csv" && HasFormula(shown.out)) dirt = "a formula in a CSV cell";
    if (!dirt.empty()) harm->push_back("torchlap " + look[0] + " prints " + dirt);
  }
}

class Siege {
 public:
  explicit Siege(Target* target) : target_(target) {
    WarmUp(target);
    before_ = UsageOf(target->daemon().pid());
    watch_.emplace(target->daemon().pid());
    bystander_ = target->StartRole("bystander", kBystander, {});
  }

  // The attack is over.
  Report Lift(json tally, const Choice& choice, const Limits& limits = {}) {
    bystander_->Signal(SIGTERM);
    bystander_->Wait(LongestAttack(choice));
    const Usage peak = watch_->Peak();
    const Usage after = AwaitPeace();
    Report report;
    report.measure = {{"attacker", std::move(tally)},
                      {"before", ToJson(before_)},
                      {"peak", ToJson(peak)},
                      {"after", ToJson(after)},
                      {"bystander", SaidBy(*bystander_)},
                      {"users_apart", AreUsersApart()}};
    JudgeDaemon(peak, after, limits.most_mib, &report.harm);
    // One user has no right to be spared from its own doing.
    if (AreUsersApart()) {
      JudgeBystander(report.measure["bystander"], LatencyLimitMs(limits, choice), &report.harm);
    }
    return report;
  }

 private:
  bool IsAsBefore(const Usage& now) const {
    return now.threads <= before_.threads + kSlack &&
           now.descriptors <= before_.descriptors + kSlack;
  }

  // What was taken comes back, in its time.
  Usage AwaitPeace() {
    Usage now;
    e2e::Eventually(
        [&] {
          now = UsageOf(target_->daemon().pid());
          return IsAsBefore(now);
        },
        seconds(20));
    return now;
  }

  void JudgeDaemon(const Usage& peak, const Usage& after, uint64_t most_mib,
                   std::vector<std::string>* harm) {
    if (!target_->is_alive()) harm->push_back("the daemon ended");
    if (!kIsSanitized && peak.rss_kib > most_mib * 1024) {
      harm->push_back(fmt::format("the daemon had {} MiB, must have at most {}",
                                  peak.rss_kib / 1024, most_mib));
    }
    if (IsAsBefore(after)) return;
    harm->push_back(fmt::format("{} threads and {} descriptors stayed, must be at most {} and {}",
                                after.threads, after.descriptors, before_.threads + kSlack,
                                before_.descriptors + kSlack));
  }

  static void JudgeBystander(const json& said, double most_ms, std::vector<std::string>* harm) {
    if (!said.contains("status")) {
      harm->push_back("bystander: " + Printed(said));
      return;
    }
    for (const char* call : {"status", "submit"}) {
      const json& times = said[call];
      if (times["errors"] != 0) harm->push_back(fmt::format("{}: {}", call, Printed(times)));
      if (times["p99_ms"].get<double>() <= most_ms) continue;
      harm->push_back(fmt::format("p99 of {} is {:.0f} ms, must be at most {:.0f}", call,
                                  times["p99_ms"].get<double>(), most_ms));
    }
    if (said["failed"] == 0 && said["unfinished"] == 0) return;
    harm->push_back(fmt::format("of the bystander's {} jobs {} failed and {} did not end",
                                said["jobs"].dump(), said["failed"].dump(),
                                said["unfinished"].dump()));
  }

  Target* const target_;
  Usage before_;
  std::optional<Watch> watch_;
  std::unique_ptr<e2e::Process> bystander_;
};

Report NotStarted(Target* target) {
  return {json::object(), {"the daemon did not start: " + target->daemon().err()}};
}

json Attacked(Target* target, const Attack& attack, const Choice& choice,
              std::vector<std::string>* harm) {
  const uint64_t count = choice.count.value_or(choice.large ? attack.large : attack.small);
  const auto attacker = target->StartRole(
      attack.name, kAttacker,
      {"--count", std::to_string(count), "--hold", std::to_string(choice.hold.count())});
  const bool is_about_texts = attack.run == SayHostileTexts;
  while (is_about_texts && !attacker->Wait(seconds(0))) LookForDirt(target, true, harm);
  attacker->Wait(LongestAttack(choice));
  if (is_about_texts) LookForDirt(target, false, harm);
  json tally = SaidBy(*attacker);
  if (!tally.contains("sent")) harm->push_back("the attack did not run: " + Printed(tally));
  tally["count"] = count;
  return tally;
}

std::string Triple(const json& measure, const char* key) {
  const auto one = [&](const char* when) {
    return measure.contains(when) ? measure[when][key].dump() : std::string("?");
  };
  return one("before") + " / " + one("peak") + " / " + one("after");
}

std::string Latency(const json& measure, const char* call) {
  const json said = measure.value("bystander", json::object());
  if (!said.contains(call)) return "?";
  return fmt::format("{:.1f} / {:.1f} / {:.1f}", said[call]["p50_ms"].get<double>(),
                     said[call]["p99_ms"].get<double>(), said[call]["max_ms"].get<double>());
}

}  // namespace

std::vector<std::string> AllNames() {
  std::vector<std::string> names;
  for (const Attack& attack : Attacks()) names.emplace_back(attack.name);
  names.insert(names.end(), {"claims", "links", "kill-under-load"});
  return names;
}

Report Besiege(const std::string& name, const Choice& choice) {
  if (name == "claims") return BesiegeClaims(choice);
  if (name == "links") return PlantLinks(choice);
  if (name == "kill-under-load") return KillUnderLoad(choice);
  const Attack& attack = *FindAttack(name);
  Target target;
  if (!target.Start()) return NotStarted(&target);
  if (attack.stored_jobs > 0 && !Store(&target, attack.stored_jobs)) {
    return {json::object(), {"the daemon did not store what the attack needs"}};
  }
  std::vector<std::string> harm;
  Siege siege(&target);
  json tally = Attacked(&target, attack, choice, &harm);
  if (attack.refusal_is_harm && tally.value("refused", 0) != 0) {
    harm.push_back("watchers were refused: " + Printed(tally));
  }
  Report report = siege.Lift(std::move(tally), choice, attack.limits);
  report.harm.insert(report.harm.end(), harm.begin(), harm.end());
  const std::string log = target.daemon().err();
  if (const std::string dirt = Dirt(log); !dirt.empty()) {
    report.harm.push_back("the log has " + dirt);
  }
  if (const std::string line = ForgedLine(log); !line.empty()) {
    report.harm.push_back("the log has a line that is not the daemon's: " + line);
  }
  if (target.is_alive() && target.Stop() != 0) report.harm.push_back("the daemon ended badly");
  return report;
}

Report BesiegeClaims(const Choice& choice) {
  constexpr seconds kSlowStart{10};
  Target target;
  const std::string scope = target.world().variables().at("TORCHLAP_CLAIM_SCOPE");
  const auto squatter = target.StartRole("squatter", kAttacker, {"--scope", scope});
  e2e::Eventually([&] { return !squatter->out().empty(); });
  const auto began = std::chrono::steady_clock::now();
  if (!target.Start()) return NotStarted(&target);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  Report report;
  if (AreUsersApart()) {
    Siege siege(&target);
    std::this_thread::sleep_for(choice.hold);
    report = siege.Lift({{"sent", 1}}, choice);
  }
  report.measure["start_seconds"] = took.count();
  if (took <= kSlowStart) return report;
  report.harm.push_back(fmt::format("the start took {:.1f} s", took.count()));
  return report;
}

std::string Dirt(const std::string& text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_control = (at(i) < 0x20 && text[i] != '\n') || at(i) == 0x7F;
    if (is_control) return fmt::format("the byte {:#04x}", at(i));
    if (at(i) == 0xC2 && at(i + 1) >= 0x80 && at(i + 1) < 0xA0) return "a C1 control character";
    if (at(i) != 0xE2) continue;
    const bool turns = (at(i + 1) == 0x80 && at(i + 2) >= 0xAA && at(i + 2) <= 0xAE) ||
                       (at(i + 1) == 0x81 && at(i + 2) >= 0xA6 && at(i + 2) <= 0xA9);
    if (turns) return "a character that turns the direction of writing";
  }
  return "";
}

std::string ForgedLine(const std::string& log) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    const bool has_stamp = line.size() > 24 && line[4] == '-' && line[10] == 'T' && line[19] == '.';
    // The attack's own words at the place of the daemon's.
    const bool is_forged = line.substr(has_stamp ? 24 : 0).find("info forged") == 0;
    if (line.empty()) return "(an empty line)";
    if (!has_stamp || is_forged) return line.substr(0, 200);
  }
  return "";
}

std::string TableHead() {
  return "| attack | sent, answered, refused | RSS MiB before / peak / after | threads "
         "| descriptors | status p50 / p99 / max ms | submit p50 / p99 / max ms | harm |\n"
         "|---|---|---|---|---|---|---|---|\n";
}

std::string TableRow(const Report& report) {
  const json& measure = report.measure;
  const json tally = measure.value("attacker", json::object());
  return fmt::format(
      "| {} | {}, {}, {} | {} | {} | {} | {} | {} | {} |\n", measure.value("attack", ""),
      tally.value("sent", uint64_t{0}), tally.value("answered", uint64_t{0}),
      tally.value("refused", uint64_t{0}), Triple(measure, "rss_mib"), Triple(measure, "threads"),
      Triple(measure, "descriptors"), Latency(measure, "status"), Latency(measure, "submit"),
      report.harm.empty() ? "none" : fmt::format("{}", report.harm.size()));
}

}  // namespace torchlap::attack
