// What `findings` asks for and says.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "client/format/findings.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsSupersetOf;
using testing::Not;
using testing::StartsWith;

class FindingsCommand : public Commands {
 protected:
  FindingsCommand() {
    service_.on_list_findings = [this](const v1::ListFindingsRequest& request,
                                       v1::ListFindingsResponse* response) {
      list_ = request;
      *response = listed_;
      return grpc::Status::OK;
    };
    service_.on_set_finding = [this](const v1::SetFindingRequest& request,
                                     v1::SetFindingResponse* response) {
      set_ = request;
      response->mutable_finding()->set_finding_id(request.finding_id());
      response->mutable_finding()->set_state(request.state());
      response->mutable_finding()->set_why(request.why());
      return grpc::Status::OK;
    };
  }
  v1::CellFinding* Add() {
    v1::CellFinding* finding = listed_.add_findings();
    finding->set_finding_id(static_cast<uint64_t>(listed_.findings_size()));
    finding->set_user("ann");
    finding->set_state(v1::CELL_FINDING_NEW);
    *finding->mutable_subject() = SmallRun();
    finding->set_before_ns(458.25e6);
    finding->set_after_ns(504.1e6);
    finding->set_ratio(1.1);
    finding->set_found_at_ns(1'790'856'000'000'000'000);  // 2026-10-01T12:00:00Z
    finding->set_seen_at_ns(1'790'856'000'000'000'000);
    finding->set_suite("night");
    v1::EnvironmentChange* change = finding->add_changes();
    change->set_name("driver");
    change->set_before("580.1");
    return finding;
  }
  // What `findings` shows where it may be 80 columns wide.
  format::Grid InATerminal() const {
    for (format::Block& block : format::FindingBlocks(listed_.findings(), true)) {
      if (auto* grid = std::get_if<format::Grid>(&block)) return std::move(*grid);
    }
    return {};
  }
  std::string ErrorOf(std::vector<std::string> words) {
    words.insert(words.begin(), "findings");
    EXPECT_EQ(Program(words), 1);
    return err_.str();
  }

  v1::ListFindingsRequest list_;
  v1::SetFindingRequest set_;
  v1::ListFindingsResponse listed_;
};

TEST_F(FindingsCommand, ARowAFinding) {
  Add();
  v1::CellFinding* second = Add();
  second->set_state(v1::CELL_FINDING_IGNORED);
  second->set_why("the fan");
  second->set_ratio(0.9);
  second->mutable_subject()->set_invalid_reason("a fan");
  EXPECT_EQ(Program({"findings"}), 0) << err_.str();
  EXPECT_THAT(list_.states(), IsEmpty()) << "all but fixed";
  EXPECT_THAT(out_.str(), StartsWith("size small, pass forward-backward, batch 4, context 256, "
                                     "precision fp32,\nattention explicit, device cpu0"));
  EXPECT_THAT(out_.str(), HasSubstr("458.3 -> 504.1"));
  EXPECT_THAT(out_.str(), HasSubstr("+10 %"));
  EXPECT_THAT(out_.str(), HasSubstr("-10 %"));
  EXPECT_THAT(out_.str(), HasSubstr("driver 580.1 -> unknown"));
  EXPECT_THAT(out_.str(), HasSubstr("ignored, run invalid"));
  EXPECT_THAT(out_.str(), HasSubstr("the fan"));
  EXPECT_THAT(out_.str(), HasSubstr("2026-10-01 12:00"));
  EXPECT_EQ(err_.str(), "");
}

TEST_F(FindingsCommand, ATerminalTellsCellsApart) {
  for (const uint32_t context : {128U, 256U}) {
    for (const auto precision : {v1::PRECISION_FP32, v1::PRECISION_BF16}) {
      v1::CellFinding* finding = Add();
      finding->set_state(v1::CELL_FINDING_IGNORED);
      finding->set_why("a fan that somebody has put beside the machine");
      v1::TransformerLm* model =
          finding->mutable_subject()->mutable_workload()->mutable_transformer_lm();
      model->set_context_length(context);
      model->set_precision(precision);
      finding->mutable_subject()->set_requested_context_length(context);
    }
  }
  Add()->clear_subject();
  const format::Grid grid = InATerminal();
  EXPECT_THAT(grid.titles, IsSupersetOf({"finding", "state", "context", "precision", "change"}));
  const auto cell = [&](size_t row, const std::string& title) {
    const auto place = std::find(grid.titles.begin(), grid.titles.end(), title);
    return grid.rows[row][static_cast<size_t>(place - grid.titles.begin())];
  };
  ASSERT_EQ(grid.rows.size(), 5U);
  EXPECT_EQ(cell(0, "context"), "128");
  EXPECT_EQ(cell(0, "precision"), "fp32");
  EXPECT_EQ(cell(1, "precision"), "bf16");
  EXPECT_EQ(cell(3, "context"), "256");
  EXPECT_EQ(cell(4, "context"), "?") << "its run cannot be read";
}

TEST_F(FindingsCommand, EveryFormatOfAListHasThem) {
  Add();
  EXPECT_EQ(Program({"findings", "--format", "csv"}), 0) << err_.str();
  EXPECT_EQ(out_.str().substr(0, 61),
            "finding_id,state,why,user,suite,workload,precision,attention,");
  EXPECT_THAT(out_.str(), HasSubstr("1,new,,ann,night,\"small, forward-backward, batch 4, context "
                                    "256\",fp32,explicit,cpu0,"));
  EXPECT_THAT(out_.str(), HasSubstr("458.25,504.1,1.1,"));
  for (const char* format : {"table", "markdown", "json", "jsonl"}) {
    EXPECT_EQ(Program({"findings", "--format", format}), 0) << format << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("forward-backward")) << format;
  }
}

TEST_F(FindingsCommand, OnlyATerminalsTableIsCut) {
  for (const char* why : {"a fan that somebody has put beside the machine", "another fan there"}) {
    v1::CellFinding* finding = Add();
    finding->set_state(v1::CELL_FINDING_IGNORED);
    finding->set_why(why);
  }
  const auto printed = [this](const char* format, bool to_terminal) {
    console_.out_is_terminal = to_terminal;
    out_.str("");
    EXPECT_EQ(Program({"findings", "--format", format}), 0) << err_.str();
    return out_.str();
  };
  EXPECT_NE(printed("table", true), printed("table", false));
  for (const char* format : {"markdown", "latex", "typst"}) {
    EXPECT_EQ(printed(format, true), printed(format, false)) << format;
  }
}

TEST_F(FindingsCommand, NothingThatChangedIsAnAnswer) {
  EXPECT_EQ(Program({"findings"}), 0);
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(
      err_.str(),
      "no findings; a cell is judged once its suite has run three times before, or against your "
      "baseline\n");
  EXPECT_EQ(Program({"findings", "--state", "fixed"}), 0);
  EXPECT_EQ(err_.str(), "no such findings\n");
  Add();
  listed_.set_is_cut(true);
  EXPECT_EQ(Program({"findings"}), 0);
  EXPECT_THAT(err_.str(), HasSubstr("the newest 1 findings are shown"));
}

TEST_F(FindingsCommand, StatesUserAndTimeAreAskedFor) {
  EXPECT_EQ(Program({"findings", "--state", "new,fixed", "--user", "ann", "--since", "2026-01-31"}),
            0)
      << err_.str();
  EXPECT_THAT(list_.states(), ElementsAre(v1::CELL_FINDING_NEW, v1::CELL_FINDING_FIXED));
  EXPECT_EQ(list_.user(), "ann");
  EXPECT_EQ(list_.since_ns(), 1'769'817'600'000'000'000);
  EXPECT_EQ(Program({"findings", "--all"}), 0) << err_.str();
  EXPECT_EQ(list_.states_size(), 4);
}

TEST_F(FindingsCommand, SetIsOneLine) {
  EXPECT_EQ(Program({"findings", "set", "3", "ignored", "--why", "the new driver"}), 0)
      << err_.str();
  EXPECT_EQ(set_.finding_id(), 3U);
  EXPECT_EQ(set_.state(), v1::CELL_FINDING_IGNORED);
  EXPECT_EQ(set_.why(), "the new driver");
  EXPECT_EQ(out_.str(), "finding 3 is ignored: the new driver\n");
  EXPECT_EQ(Program({"findings", "set", "3", "fixed"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "finding 3 is fixed\n");
}

TEST_F(FindingsCommand, RefusesInOneLine) {
  EXPECT_EQ(ErrorOf({"put", "3"}),
            "torchlap: findings put 3 is not known, must be findings, or findings set N STATE\n");
  EXPECT_EQ(ErrorOf({"set", "3"}),
            "torchlap: findings set 3 lacks a state: new, ignored, confirmed, fixed\n");
  EXPECT_THAT(ErrorOf({"set"}), HasSubstr("findings set is not known"));
  EXPECT_EQ(ErrorOf({"set", "x", "new"}),
            "torchlap: finding is x, must be a number of `torchlap findings`\n");
  EXPECT_EQ(ErrorOf({"set", "3", "gone"}),
            "torchlap: state is gone, must be one of new, ignored, confirmed, fixed\n");
  EXPECT_THAT(ErrorOf({"set", "3", "new", "--why", "a\nb"}), HasSubstr("--why is \"a\\nb\""));
  EXPECT_THAT(ErrorOf({"set", "3", "new", "--all"}), HasSubstr("findings set takes only --why"));
  EXPECT_THAT(ErrorOf({"--why", "x"}), HasSubstr("findings takes no --why"));
  EXPECT_THAT(ErrorOf({"--all", "--state", "new"}), HasSubstr("--all and --state"));
  EXPECT_THAT(ErrorOf({"--state", "gone"}), HasSubstr("--state is gone"));
  EXPECT_THAT(ErrorOf({"--since", "soon"}), HasSubstr("--since is soon"));
}

TEST_F(FindingsCommand, WordsOfOthersAreMadeVisible) {
  Add()->set_why("a\x1b[2J");
  EXPECT_EQ(Program({"findings"}), 0);
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace torchlap::client
