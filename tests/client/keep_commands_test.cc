// What `label`, `note`, `invalidate` and `logs` ask for and say.
#include <gmock/gmock.h>

#include <vector>

#include "client/format/words.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class KeepCommands : public Commands {
 protected:
  KeepCommands() {
    service_.on_label_runs = [this](const v1::LabelRunsRequest& request,
                                    v1::LabelRunsResponse* response) {
      labels_.push_back(request);
      response->set_jobs(3);
      return grpc::Status::OK;
    };
    service_.on_note_runs = [this](const v1::NoteRunsRequest& request,
                                   v1::NoteRunsResponse* response) {
      notes_.push_back(request);
      response->set_runs(1);
      return grpc::Status::OK;
    };
    service_.on_invalidate_runs = [this](const v1::InvalidateRunsRequest& request,
                                         v1::InvalidateRunsResponse* response) {
      invalid_.push_back(request);
      response->set_runs(2);
      return grpc::Status::OK;
    };
    service_.on_read_log = [this](const v1::ReadLogRequest& request) {
      logs_.push_back(request.run_id());
      std::vector<v1::ReadLogResponse> parts;
      for (const char* data : {"loading", " weights\n\nred: \x1b[31m\n", "no end"}) {
        parts.emplace_back().set_data(data);
      }
      return parts;
    };
  }

  std::vector<v1::LabelRunsRequest> labels_;
  std::vector<v1::NoteRunsRequest> notes_;
  std::vector<v1::InvalidateRunsRequest> invalid_;
  std::vector<std::string> logs_;
};

TEST_F(KeepCommands, LabelTakesSelectorsAndLabelsMixed) {
  EXPECT_EQ(Program({"label", "17", "card=A", "label:day=1", "sweep:a=b", "why=x=y", "--remove",
                     "old", "--remove", "older"}),
            0)
      << err_.str();
  EXPECT_EQ(out_.str(), "labelled 3 jobs; none of 3 jobs had the labels old, older\n");
  ASSERT_THAT(labels_, SizeIs(1));
  EXPECT_THAT(labels_[0].set(), UnorderedElementsAre(Pair("card", "A"), Pair("why", "x=y")));
  EXPECT_THAT(labels_[0].remove(), ElementsAre("old", "older"));
  EXPECT_THAT(labels_[0].filter().selector().job_ids(), ElementsAre(17));
  EXPECT_THAT(labels_[0].filter().selector().sweep_names(), ElementsAre("a=b"));
  EXPECT_THAT(labels_[0].filter().labels(), UnorderedElementsAre(Pair("day", "1")));
}

TEST_F(KeepCommands, LabelSaysWhereNobodyHasWhatItRemoves) {
  service_.on_export = [](const v1::ExportRunsRequest& request) {
    EXPECT_TRUE(request.with_unfinished());
    EXPECT_TRUE(request.filter().include_invalid());
    std::vector<v1::Run> rows(2, SmallRun());
    (*rows[1].mutable_labels())["card"] = "A";
    return rows;
  };
  EXPECT_EQ(Program({"label", "sweep:3", "--remove", "crad"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "none of 3 jobs had the label crad: nothing is changed\n");
  EXPECT_EQ(Program({"label", "sweep:3", "--remove", "card"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "labelled 3 jobs\n");
  EXPECT_EQ(Program({"label", "sweep:3", "--remove", "card", "--remove", "crad"}), 0);
  EXPECT_EQ(out_.str(), "labelled 3 jobs; none of 3 jobs had the label crad\n");
  EXPECT_EQ(Program({"label", "sweep:3", "why=x", "--remove", "crad", "--remove", "b"}), 0);
  EXPECT_EQ(out_.str(), "labelled 3 jobs; none of 3 jobs had the labels b, crad\n");
  EXPECT_THAT(labels_, SizeIs(4)) << "the daemon is asked all the same";
}

TEST_F(KeepCommands, LabelRefusesWhatMeansNothing) {
  EXPECT_EQ(Program({"label", "card=A"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("label needs a selector: a job (17)"));
  EXPECT_EQ(Program({"label", "17"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("label needs a label: k=v to set it, --remove KEY"));
  EXPECT_EQ(Program({"label", "17", "card=A", "card=B"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("label card is both A and B"));
  EXPECT_EQ(Program({"label", "17", "=A"}), 1);
  EXPECT_EQ(Program({"label", "seventeen", "k=v"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("selector is seventeen"));
  EXPECT_THAT(labels_, IsEmpty());
}

TEST_F(KeepCommands, NoteSetsOrClears) {
  EXPECT_EQ(Program({"note", "17.2", "--text", "two\nlines"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "noted on 1 run\n");
  EXPECT_EQ(Program({"note", "all", "--clear"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "cleared the note of 1 run\n");
  ASSERT_THAT(notes_, SizeIs(2));
  EXPECT_EQ(notes_[0].note(), "two\nlines");
  EXPECT_THAT(notes_[0].filter().selector().run_ids(), ElementsAre("17.2"));
  EXPECT_EQ(notes_[1].note(), "");
  EXPECT_TRUE(notes_[1].filter().selector().all());
}

TEST_F(KeepCommands, NoteRefusesWhatMeansNothing) {
  EXPECT_EQ(Program({"note", "--text", "t"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("note needs a selector"));
  EXPECT_EQ(Program({"note", "17"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("note needs --text T, or --clear"));
  EXPECT_EQ(Program({"note", "17", "--text", "t", "--clear"}), 1);
  EXPECT_EQ(Program({"note", "17", "--text", ""}), 1);
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(KeepCommands, InvalidateDeclaresOrUndoes) {
  EXPECT_EQ(Program({"invalidate", "sweep:3", "--reason", "the fan had failed"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "declared 2 runs invalid\n");
  EXPECT_EQ(Program({"invalidate", "label:k=v", "--undo"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "2 runs are valid again\n");
  ASSERT_THAT(invalid_, SizeIs(2));
  EXPECT_EQ(invalid_[0].reason(), "the fan had failed");
  EXPECT_THAT(invalid_[0].filter().selector().sweep_ids(), ElementsAre(3));
  EXPECT_EQ(invalid_[1].reason(), "");
}

TEST_F(KeepCommands, InvalidateRefusesWhatMeansNothing) {
  EXPECT_EQ(Program({"invalidate", "--reason", "r"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("invalidate needs a selector"));
  EXPECT_EQ(Program({"invalidate", "17"}), 1);
  EXPECT_THAT(err_.str(), HasSubstr("invalidate needs --reason R, or --undo"));
  EXPECT_EQ(Program({"invalidate", "17", "--reason", "r", "--undo"}), 1);
  EXPECT_EQ(Program({"invalidate", "17", "--reason", ""}), 1);
  EXPECT_THAT(invalid_, IsEmpty());
}

TEST_F(KeepCommands, WhatTheDaemonRefusesIsAnErrorAndNothingIsSaidToBeDone) {
  service_.on_note_runs = [](const v1::NoteRunsRequest&, v1::NoteRunsResponse*) {
    return grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "run 17.1 belongs to bob");
  };
  EXPECT_EQ(Program({"note", "17", "--text", "t"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("run 17.1 belongs to bob"));
  EXPECT_EQ(out_.str(), "");
}

TEST_F(KeepCommands, LogsAreBytesInAFileAndVisibleInATerminal) {
  EXPECT_EQ(Program({"logs", "17.2"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "loading weights\n\nred: \x1b[31m\nno end");
  console_.out_is_terminal = true;
  EXPECT_EQ(Program({"logs", "17.2"}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "loading weights\n\nred: \\x1b[31m\nno end\n");
  EXPECT_THAT(logs_, ElementsAre("17.2", "17.2"));
}

TEST_F(KeepCommands, LogsOfAJobAreThoseOfItsLastRun) {
  service_.on_get_job = [](const v1::GetJobRequest& request, v1::GetJobResponse* response) {
    response->mutable_job()->set_job_id(request.job_id());
    if (request.job_id() == 18) return grpc::Status::OK;
    response->mutable_job()->add_runs()->set_run_id("17.1");
    response->mutable_job()->add_runs()->set_run_id("17.2");
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"logs", "17"}), 0) << err_.str();
  EXPECT_THAT(logs_, ElementsAre("17.2"));
  EXPECT_EQ(Program({"logs", "18"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("job 18 has no run yet"));
  for (const char* word : {"sweep:3", "last", "x", ""}) {
    EXPECT_EQ(Program({"logs", word}), 1) << word;
    EXPECT_THAT(err_.str(), HasSubstr("must be a run (17.2) or a job (17)")) << word;
  }
}

TEST_F(KeepCommands, AnEmptyLogIsSaid) {
  service_.on_read_log = [](const v1::ReadLogRequest&) {
    return std::vector<v1::ReadLogResponse>();
  };
  EXPECT_EQ(Program({"logs", "17.2"}), 0);
  EXPECT_EQ(out_.str(), "");
  EXPECT_THAT(err_.str(), HasSubstr("the worker of run 17.2 wrote nothing"));
}

v1::Run InvalidRun() {
  v1::Run run = SmallRun();
  run.set_invalid_reason("the fan had failed");
  run.set_note("seen at night\n\nask Ann");
  return run;
}

TEST_F(KeepCommands, TablesSayOfAnInvalidRunWhy) {
  service_.on_list_runs = [](const v1::ListRunsRequest& request, v1::ListRunsResponse* response) {
    EXPECT_TRUE(request.filter().include_invalid());
    *response->add_runs() = InvalidRun();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"runs", "--include-invalid"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("invalid: the fan had failed"));
  service_.on_export = [](const v1::ExportRunsRequest&) {
    return std::vector<v1::Run>{InvalidRun()};
  };
  EXPECT_EQ(Program({"export", "--include-invalid"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("invalid: the fan had failed"));
  EXPECT_TRUE(service_.exports().back().filter().include_invalid());
}

TEST_F(KeepCommands, ANarrowListMarksInvalidRunsWithoutTheirNote) {
  service_.on_list_runs = [](const v1::ListRunsRequest&, v1::ListRunsResponse* response) {
    v1::Run run = InvalidRun();
    run.set_invalid_reason(std::string(200, 'x'));
    *response->add_runs() = run;
    run.clear_invalid_reason();
    run.set_validity(v1::VALIDITY_CLEAN);
    *response->add_runs() = run;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"runs", "--include-invalid"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("| invalid "));
  EXPECT_THAT(out_.str(), HasSubstr("| clean "));
}

// An invalid run that was clean, and one beside it that nobody doubts.
std::vector<v1::Run> InvalidAndClean() {
  v1::Run invalid = InvalidRun();
  invalid.set_validity(v1::VALIDITY_CLEAN);
  v1::Run clean = ScaledRun("medium", 423'183'360, 18, 3);
  clean.set_validity(v1::VALIDITY_CLEAN);
  return {invalid, clean};
}

TEST_F(KeepCommands, AWideListSaysInvalidWhereTheVerdictStands) {
  service_.on_list_runs = [](const v1::ListRunsRequest&, v1::ListRunsResponse* response) {
    for (const v1::Run& run : InvalidAndClean()) *response->add_runs() = run;
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"runs", "--include-invalid", "--wide"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("| 458 ± 16  | invalid | invalid: the fan had failed |\n"));
  EXPECT_THAT(out_.str(), HasSubstr("| clean   |"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("~~"))) << "a table in a terminal has no such sign";
}

TEST_F(KeepCommands, MarkdownStrikesTheNumbersOfInvalidRuns) {
  service_.on_list_runs = [](const v1::ListRunsRequest&, v1::ListRunsResponse* response) {
    for (const v1::Run& run : InvalidAndClean()) *response->add_runs() = run;
    return grpc::Status::OK;
  };
  service_.on_export = [](const v1::ExportRunsRequest&) { return InvalidAndClean(); };
  const std::vector<std::vector<std::string>> lines = {
      {"runs"},
      {"runs", "--wide"},
      {"export"},
      {"export", "--columns", "model_size,step_mean_ms"},
      {"export", "--pivot", "rows=size,value=step"}};
  for (std::vector<std::string> words : lines) {
    words.insert(words.end(), {"--include-invalid", "--format", "markdown"});
    EXPECT_EQ(Program(words), 0) << err_.str();
    EXPECT_THAT(out_.str(), HasSubstr("| ~~458")) << out_.str();
    EXPECT_THAT(out_.str(), HasSubstr("invalid: the fan"));
    EXPECT_THAT(out_.str(), Not(HasSubstr("~~1375"))) << out_.str();
    EXPECT_THAT(out_.str(), Not(HasSubstr("~~small"))) << out_.str();
    EXPECT_THAT(out_.str(), Not(HasSubstr("failed; clean"))) << out_.str();
  }
}

TEST_F(KeepCommands, AnExportOfInvalidRunsAloneSaysWhatThereIs) {
  service_.on_export = [](const v1::ExportRunsRequest& request) {
    if (!request.filter().include_invalid()) return std::vector<v1::Run>();
    return std::vector<v1::Run>{InvalidRun()};
  };
  EXPECT_EQ(Program({"export", "17", "--format", "csv"}), 4);
  EXPECT_THAT(err_.str(), HasSubstr("no run matches; without the filters there are: 1 measure OK "
                                    "(invalid)"));
}

TEST_F(KeepCommands, ShowHasTheNoteLineByLine) {
  service_.on_get_run = [](const v1::GetRunRequest&) {
    std::vector<v1::GetRunResponse> parts(1);
    *parts[0].mutable_detail()->mutable_run() = InvalidRun();
    return parts;
  };
  EXPECT_EQ(Program({"show", "17.1"}), 0) << err_.str();
  for (const char* words : {"the fan had failed", "seen at night", "ask Ann"}) {
    EXPECT_THAT(out_.str(), HasSubstr(words));
  }
  EXPECT_THAT(out_.str(), Not(HasSubstr("\\n")));
  service_.on_get_job = [](const v1::GetJobRequest&, v1::GetJobResponse* response) {
    *response->mutable_job() = SmallJob(17, v1::JOB_STATE_SUCCEEDED);
    *response->mutable_job()->add_runs() = InvalidRun();
    return grpc::Status::OK;
  };
  EXPECT_EQ(Program({"show", "17"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr(": invalid: the fan had failed"));
  EXPECT_THAT(out_.str(), HasSubstr(": note: ask Ann"));
}

TEST(NoteLines, AreThoseThatAreNotEmpty) {
  v1::Run run;
  EXPECT_THAT(format::NoteLines(run), IsEmpty());
  run.set_note("\na\n\nb\n");
  EXPECT_THAT(format::NoteLines(run), ElementsAre("a", "b"));
  run.set_note("one");
  EXPECT_THAT(format::NoteLines(run), ElementsAre("one"));
}

TEST(ShrinkWords, SayNothingOfWhatASearchTries) {
  v1::Run run = ShrunkRun();
  EXPECT_EQ(format::ShrinkWords(run), "batch 4 -> 2 (OOM)");
  run.set_purpose(v1::PURPOSE_FIT);
  EXPECT_EQ(format::ShrinkWords(run), "");
}

TEST(InvalidWords, ComeBeforeWhatElseARowSays) {
  v1::Run run = ShrunkRun();
  EXPECT_EQ(format::InvalidWords(run), "");
  run.set_invalid_reason("why");
  EXPECT_THAT(format::NoteWords(run), testing::StartsWith("invalid: why; batch 4 -> 2 (OOM)"));
}

}  // namespace
}  // namespace torchlap::client
