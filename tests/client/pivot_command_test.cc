// What `export` does with chosen settings, columns and captions.
#include <gmock/gmock.h>

#include "client/program.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST_F(Commands, ExportPivotsCellsInEveryFormatThatHasTables) {
  for (const char* format : {"table", "markdown", "latex", "typst", "csv", "json", "jsonl"}) {
    EXPECT_EQ(Program({"export", "sweep:3", "--pivot", "rows=size,columns=context,value=step",
                       "--format", format}),
              0)
        << err_.str();
    EXPECT_EQ(service_.exports().back().rows(), v1::ROW_KIND_CELL) << format;
    EXPECT_THAT(out_.str(), AllOf(HasSubstr("small"), HasSubstr("medium"), HasSubstr("458")));
  }
  EXPECT_EQ(Program({"export", "--pivot", "rows=size", "--format", "writeup"}), 1);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: --format is writeup, must be one of table, "));
}

TEST_F(Commands, ExportSaysInAPaperWhatTheNumbersComeFrom) {
  const std::vector<std::string> words = {"export",      "sweep:3", "--pivot",  "rows=size",
                                          "--caption",   "My runs", "--format", "latex",
                                          "--reference", "tab:x"};
  EXPECT_EQ(Program(words), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              HasSubstr("\n% runs: 17.1, 18.1\n% made by: torchlap export sweep:3 --pivot "
                        "rows=size --caption 'My runs' --format latex --reference tab:x\n"));
  EXPECT_THAT(out_.str(), HasSubstr("  \\caption{My runs}\n  \\label{tab:x}\n"));
  EXPECT_THAT(out_.str(), Not(HasSubstr(service_.address())));
  EXPECT_EQ(Program({"export", "--format", "typst"}), 0) << err_.str();
  EXPECT_THAT(out_.str(),
              StartsWith("// runs: 17.1, 18.1\n// made by: torchlap export --format typst\n"));
  out_.str("");
  EXPECT_EQ(
      RunProgram({"export", "--format", "typst", "--address=" + service_.address()}, console_), 0)
      << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("// made by: torchlap export --format typst\n"));
}

TEST_F(Commands, ExportOfCellsThatShareAPlaceIsRefusedOnOneLine) {
  service_.on_export = [](const v1::ExportRunsRequest&) {
    return std::vector<v1::Run>{SmallRun(), ScaledRun("medium", 423'183'360, 18, 3)};
  };
  EXPECT_EQ(Program({"export", "--pivot", "rows=context"}), 1);
  EXPECT_EQ(err_.str(),
            "torchlap: 2 cells fall into context 256: they differ in size; add it to rows or "
            "columns, or narrow with a filter\n");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(Commands, ExportWritesChosenColumnsInTheirOrder) {
  const auto export_as = [&](const char* format) {
    EXPECT_EQ(Program({"export", "--columns", "model_size,run_id", "--format", format}), 0)
        << err_.str();
    return out_.str();
  };
  EXPECT_EQ(export_as("csv"), "model_size,run_id\nsmall,17.1\nmedium,18.1\n");
  EXPECT_EQ(service_.exports().back().rows(), v1::ROW_KIND_RUN);
  EXPECT_EQ(export_as("jsonl"),
            "{\"model_size\":\"small\",\"run_id\":\"17.1\"}\n"
            "{\"model_size\":\"medium\",\"run_id\":\"18.1\"}\n");
  EXPECT_THAT(export_as("table"), HasSubstr("| model size | run id |\n"));
  EXPECT_EQ(service_.exports().back().rows(), v1::ROW_KIND_CELL);
  EXPECT_THAT(export_as("latex"), HasSubstr("    small & 17.1 \\\\\n"));
  EXPECT_EQ(Program({"export", "--columns", "colour"}), 1);
  EXPECT_THAT(err_.str(), StartsWith("torchlap: --columns has colour, must be names such as"));
  EXPECT_THAT(err_.str(), testing::EndsWith("(--format csv shows all)\n"));
  EXPECT_EQ(Program({"export", "--columns", "step_median_ns"}), 1);
  EXPECT_THAT(err_.str(), testing::EndsWith("shows all); close to it: step_median_ms\n"));
}

TEST_F(Commands, ExportOfColumnsIsATableForAPaper) {
  v1::Run doubted = SmallRun();
  Doubt(v1::VALIDITY_SUSPECT, {v1::REASON_DRIFT}, &doubted);
  service_.on_export = [doubted](const v1::ExportRunsRequest&) {
    return std::vector<v1::Run>{doubted, OutOfMemoryRun()};
  };
  const auto export_as = [&](const char* format) {
    EXPECT_EQ(Program({"export", "--columns", "model_size,step_median_ms", "--format", format}), 0)
        << err_.str();
    return out_.str();
  };
  const std::string latex = export_as("latex");
  EXPECT_THAT(latex,
              AllOf(HasSubstr("\n% runs: 17.1, 20.3\n"), HasSubstr("\\caption{cs336-2025, ")));
  EXPECT_THAT(latex, HasSubstr("    model size & {step median (ms)} \\\\\n"));
  EXPECT_THAT(latex, HasSubstr("    large & {OOM} \\\\\n"));
  EXPECT_THAT(latex, HasSubstr("    small & 458 \\\\\n"));
  EXPECT_THAT(latex, HasSubstr("all cells: suspect: drift"));
  EXPECT_THAT(export_as("typst"), AllOf(StartsWith("// runs: 17.1, 20.3\n"), HasSubstr("\"458\"")));
  EXPECT_THAT(export_as("markdown"), HasSubstr("| large      | OOM              |\n"));
  EXPECT_EQ(export_as("csv"), "model_size,step_median_ms\nsmall,458.25\nlarge,\n");
}

TEST_F(Commands, ExportRefusesFlagsThatMeanNothingTogether) {
  const auto refusal = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "export");
    EXPECT_EQ(Program(words), 1);
    return err_.str();
  };
  EXPECT_EQ(refusal({"--relative-to", "precision=fp32"}),
            "torchlap: --relative-to is precision=fp32 without --pivot, must be with --pivot "
            "rows=...,columns=...\n");
  EXPECT_EQ(refusal({"--samples", "--pivot", "rows=size"}),
            "torchlap: --samples and --pivot are both given, must be one of them\n");
  EXPECT_EQ(refusal({"--samples", "--columns", "run_id"}),
            "torchlap: --samples and --columns are both given, must be one of them\n");
  EXPECT_EQ(refusal({"--columns", "run_id", "--pivot", "rows=size"}),
            "torchlap: --pivot and --columns are both given, must be one of them\n");
  EXPECT_EQ(refusal({"--caption", "x", "--format", "csv"}),
            "torchlap: --caption is given, but --format is csv, which has no captions\n");
  EXPECT_EQ(refusal({"--reference", "x", "--format", "table"}),
            "torchlap: --reference is given, but --format is table, must be one to which a text "
            "can refer (latex, typst)\n");
  EXPECT_EQ(refusal({"--reference", "a}b", "--format", "latex"}),
            "torchlap: --reference is a}b, must be of letters, digits and : - _ . as tab:speed\n");
  EXPECT_THAT(service_.exports(), IsEmpty());
}

}  // namespace
}  // namespace torchlap::client
