// What `digest` asks for and says.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>

#include "client/format/words.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kHourNs = 3'600'000'000'000;

class DigestCommand : public Commands {
 protected:
  DigestCommand() {
    service_.on_get_digest = [this](const v1::GetDigestRequest& request,
                                    v1::GetDigestResponse* response) {
      asked_ = request;
      *response = digest_;
      return grpc::Status::OK;
    };
    digest_.set_since_ns(1'790'856'000'000'000'000);  // 2026-10-01T12:00:00Z
    digest_.set_until_ns(1'790'942'400'000'000'000);
  }
  void AddOutcome(v1::Outcome outcome, uint64_t runs) {
    v1::DigestOutcome* added = digest_.add_outcomes();
    added->set_outcome(outcome);
    added->set_runs(runs);
  }
  void AddUser(const std::string& name, uint64_t runs, uint64_t failed, uint64_t contaminated) {
    v1::DigestUser* user = digest_.add_users();
    user->set_user(name);
    user->set_runs(runs);
    user->set_failed_runs(failed);
    user->set_contaminated_runs(contaminated);
    user->set_device_ns(2 * kHourNs);
  }
  void AddDevice(const std::string& name) {
    v1::DigestDevice* device = digest_.add_devices();
    device->set_device(name);
    device->set_runs(1);
    device->set_busy_ns(kHourNs);
  }
  void AddDisturber(const std::string& name) {
    v1::DigestDisturber* disturber = digest_.add_disturbers();
    disturber->set_process(name);
    disturber->set_runs(3);
  }
  void AddChange(const std::string& name) {
    v1::EnvironmentChange* change = digest_.add_changes();
    change->set_name(name);
    change->set_before("570.86");
    change->set_after("580.1");
  }
  void AddFinding(v1::CellFindingState state) {
    v1::CellFinding* finding = digest_.add_findings();
    finding->set_finding_id(static_cast<uint64_t>(digest_.findings_size()));
    finding->set_state(state);
    *finding->mutable_subject() = SmallRun();
    finding->set_ratio(1.1);
    if (state == v1::CELL_FINDING_FIXED) finding->set_closed_at_ns(1);
  }

  v1::GetDigestRequest asked_;
  v1::GetDigestResponse digest_;
};

TEST_F(DigestCommand, ADayInWhichNothingHappened) {
  EXPECT_EQ(Program({"digest"}), 0) << err_.str();
  EXPECT_EQ(asked_.since_ns(), 0) << "a day";
  EXPECT_EQ(out_.str(),
            "since 2026-10-01 12:00 UTC: 0 runs started, 0 sweeps submitted\n"
            "now: 0 jobs running, 0 queued\n"
            "findings: none opened or closed\n"
            "changes in time: torchlap trend --since 7d\n");
  digest_.set_since_ns(digest_.until_ns() - 30 * 24 * kHourNs);
  EXPECT_EQ(Program({"digest"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nchanges in time: torchlap trend --since 30d\n"));
  digest_.set_since_ns(digest_.until_ns() - 23 * kHourNs);
  EXPECT_EQ(Program({"digest"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), Not(HasSubstr("trend"))) << "less than a day";
}

TEST_F(DigestCommand, FindingsAreCountedByStateAndTheirCellsToldApart) {
  for (const auto state : {v1::CELL_FINDING_FIXED, v1::CELL_FINDING_IGNORED,
                           v1::CELL_FINDING_CONFIRMED, v1::CELL_FINDING_NEW}) {
    AddFinding(state);
  }
  digest_.mutable_findings(1)
      ->mutable_subject()
      ->mutable_workload()
      ->mutable_transformer_lm()
      ->set_precision(v1::PRECISION_BF16);
  EXPECT_EQ(Program({"digest"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nfindings: 1 new, 1 confirmed, 1 ignored, 1 fixed\n"
                                    "size small, pass forward-backward, batch 4, context 256, "));
  EXPECT_THAT(out_.str(), HasSubstr("| 1       | fixed     | fp32      | +10 %  |\n"));
  EXPECT_THAT(out_.str(), HasSubstr("| 2       | ignored   | bf16      | +10 %  |\n"));
}

TEST_F(DigestCommand, SaysWhatHappened) {
  AddOutcome(v1::OUTCOME_OK, 12);
  AddOutcome(v1::OUTCOME_OUT_OF_MEMORY, 1);
  AddUser("ann", 12, 0, 3);
  AddUser("bob", 1, 1, 0);
  AddDevice("cuda0");
  AddDisturber("stress-ng (eve)");
  AddChange("driver");
  AddFinding(v1::CELL_FINDING_NEW);
  AddFinding(v1::CELL_FINDING_FIXED);
  digest_.set_sweeps(1);
  digest_.set_running_jobs(1);
  digest_.set_queued_jobs(4);
  EXPECT_EQ(Program({"digest", "--since", "2026-10-01", "--user", "ann"}), 0) << err_.str();
  EXPECT_EQ(asked_.user(), "ann");
  EXPECT_EQ(asked_.since_ns(), 1'790'812'800'000'000'000);
  EXPECT_THAT(out_.str(),
              HasSubstr("since 2026-10-01 12:00 UTC: 13 runs started, 1 sweep submitted\n"
                        "now: 1 job running, 4 queued\n"
                        "runs: 12 OK (3 contaminated), 1 OUT_OF_MEMORY\n"
                        "users: ann 2 h (12 runs; 3 contaminated), bob 2 h (1 run; 1 not OK)\n"
                        "devices: cuda0 1 h (1 run)\n"
                        "disturbed by: stress-ng (eve) in 3 runs\n"
                        "changed: driver 570.86 -> 580.1\n"
                        "findings: 1 new, 1 fixed\n"));
  EXPECT_THAT(out_.str(), HasSubstr("+10 %"));
}

TEST_F(DigestCommand, MuchOfEverythingFitsOneScreen) {
  for (int outcome = 1; outcome <= 9; ++outcome) {
    AddOutcome(static_cast<v1::Outcome>(outcome), 123'456);
  }
  for (int i = 0; i < 20; ++i) {
    AddUser("a-user-with-a-long-name-" + std::to_string(i), 123'456, 12'345, 12'345);
    AddDevice("cuda" + std::to_string(i));
    AddDisturber(std::string(100, 'x') + std::to_string(i));
    AddChange("cuda0,cuda1,cuda2 power limit " + std::to_string(i));
    AddFinding(v1::CELL_FINDING_CONFIRMED);
  }
  EXPECT_EQ(Program({"digest"}), 0) << err_.str();
  std::istringstream lines(out_.str());
  std::string line;
  size_t count = 0;
  while (std::getline(lines, line)) {
    ++count;
    EXPECT_LE(format::DisplayWidth(line), 80U) << line;
  }
  EXPECT_LE(count, 23U) << out_.str();
  EXPECT_THAT(out_.str(), HasSubstr(" more"));
  EXPECT_THAT(out_.str(), HasSubstr("findings: 20 confirmed; the newest 4"));
}

TEST_F(DigestCommand, ProgramsGetAllOfIt) {
  AddOutcome(v1::OUTCOME_OK, 12);
  AddUser("ann", 12, 0, 3);
  AddDevice("cuda0");
  AddDisturber("stress-ng (eve)");
  AddChange("driver");
  AddFinding(v1::CELL_FINDING_NEW);
  EXPECT_EQ(Program({"digest", "--format", "json"}), 0) << err_.str();
  const auto digest = nlohmann::json::parse(out_.str());
  EXPECT_EQ(digest["since"], "2026-10-01T12:00:00.000000Z");
  EXPECT_EQ(digest["runs_by_outcome"]["OK"], 12);
  EXPECT_EQ(digest["users"][0]["device_s"], 7200.0);
  EXPECT_EQ(digest["devices"][0]["device"], "cuda0");
  EXPECT_EQ(digest["disturbers"][0]["process"], "stress-ng (eve)");
  EXPECT_EQ(digest["changes"][0]["after"], "580.1");
  EXPECT_EQ(digest["findings"][0]["state"], "new");
  EXPECT_EQ(digest["findings"][0]["ratio"], 1.1);
}

TEST_F(DigestCommand, RefusesInOneLineWhatIsNoTimeOrNoFormatOfIt) {
  EXPECT_EQ(Program({"digest", "--since", "soon"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("--since is soon"));
  EXPECT_EQ(Program({"digest", "--since", "2199-01-01"}), 1);
  EXPECT_EQ(err_.str(), "torchlap: --since is 2199-01-01, must not be to come\n");
  EXPECT_EQ(Program({"digest", "--format", "csv"}), 1);
}

TEST_F(DigestCommand, WordsOfOthersAreMadeVisible) {
  AddDisturber("a\x1b[2J");
  EXPECT_EQ(Program({"digest"}), 0);
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace torchlap::client
