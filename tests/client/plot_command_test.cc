// What `plot` asks for, draws and writes.
#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/format/gnuplot.h"
#include "client/format/run_plot.h"
#include "client/format/terminal_plot.h"
#include "client/gnuplot_program.h"
#include "tests/client/commands_fixture.h"
#include "tests/client/made_up_runs.h"
#include "tests/client/temporary_folder.h"

namespace torchlap::client {
namespace {

using format::PlotRuns;
using format::PlotWords;
using format::RunPlot;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

v1::Run Cell(const std::string& size, uint32_t context, v1::Precision precision, double step_ms) {
  v1::Run run = SmallRun();
  v1::TransformerLm* model = run.mutable_workload()->mutable_transformer_lm();
  model->set_preset(size);
  model->set_context_length(context);
  model->set_precision(precision);
  run.set_requested_context_length(context);
  run.set_parameters(size == "small" ? 128'625'408 : 423'183'360);
  SetPhase(step_ms, step_ms / 10, run.mutable_step());
  return run;
}

std::vector<v1::Run> Cells() {
  std::vector<v1::Run> cells;
  for (const auto& [precision, ms] :
       {std::pair(v1::PRECISION_FP32, 100), {v1::PRECISION_BF16, 60}}) {
    for (const uint32_t context : {128U, 256U, 512U}) {
      cells.push_back(Cell("small", context, precision, ms * context / 128.0));
    }
  }
  return cells;
}

RunPlot Plotted(const std::vector<v1::Run>& rows, const PlotWords& words = {}) {
  const auto drawing = PlotRuns(rows, words);
  EXPECT_TRUE(drawing.ok()) << drawing.status();
  return drawing.ok() ? *drawing : RunPlot();
}

std::string Text(const RunPlot& drawing, size_t width = 44, size_t height = 9) {
  std::string text = "\n";
  for (const std::string& line :
       DrawPlot(drawing.plot, {.width = width, .height = height, .is_ascii = true})) {
    text += line + "\n";
  }
  return text;
}

std::vector<std::string> LineNames(const RunPlot& drawing) {
  std::vector<std::string> names;
  for (const auto& line : drawing.plot.lines) names.push_back(line.name);
  return names;
}

std::vector<std::string> TickLabels(const RunPlot& drawing) {
  std::vector<std::string> labels;
  for (const auto& tick : drawing.plot.x.ticks) labels.push_back(tick.label);
  return labels;
}

TEST(PlotLines, OfEagerAndOfReplayedStepsAreTwo) {
  std::vector<v1::Run> cells = Cells();
  cells.resize(3);
  for (int i = 0; i < 3; ++i) {
    v1::Run replayed = cells[static_cast<size_t>(i)];
    replayed.mutable_plan()->set_execution(v1::EXECUTION_CUDA_GRAPH);
    cells.push_back(replayed);
  }
  const RunPlot drawing = Plotted(cells);
  ASSERT_EQ(drawing.plot.lines.size(), 2U);
  EXPECT_EQ(drawing.plot.lines[0].name, "eager");
  EXPECT_EQ(drawing.plot.lines[1].points.size(), 3U);
  EXPECT_THAT(drawing.notes, IsEmpty());
}

TEST(PlotNotes, SayOfWhichMeanPooledLaunchesAre) {
  std::vector<v1::Run> cells = Cells();
  cells.resize(3);
  cells[1].set_pooled_launches(7);
  EXPECT_THAT(Plotted(cells).notes,
              ElementsAre("of several launches it is the median of their medians"));
  PlotWords words;
  words.y = "step_mean";
  EXPECT_THAT(Plotted(cells, words).notes,
              ElementsAre("of several launches it is the mean of their medians"));
  words.y = "tokens_per_s";
  EXPECT_THAT(Plotted(cells, words).notes, IsEmpty());
}

TEST(PlotNotes, SayThatMarksAreOfTheSamePlace) {
  std::vector<v1::Run> cells = Cells();
  cells.push_back(cells.front());
  SetPhase(300, 30, cells.back().mutable_step());
  EXPECT_THAT(Plotted(cells).notes,
              ElementsAre(StartsWith("1 mark stands on a line above or below another")));
}

TEST(RunPlot, DrawsALineForEachValueOfWhatElseVaries) {
  PlotWords words;
  words.title = "speed";
  words.log_x = true;
  EXPECT_EQ(Text(Plotted(Cells(), words)), R"(
speed
step median (ms)
400 +                                  ..o
    |                              ....
300 +                          ....
    |                      ....        ..x
200 +               ....o..      ......
    |       ........       ......
100 +  o....    ........x..
    |  x........
  0 +
    +--+----------------+----------------+--
      128              256              512
             context length (tokens)
o fp32   x bf16
)");
}

TEST(RunPlot, TakesTheAxisWithMostNumbersUnlessItIsTold) {
  EXPECT_EQ(Plotted(Cells()).plot.x.title, "context length (tokens)");
  EXPECT_THAT(TickLabels(Plotted(Cells())), ElementsAre("128", "256", "512"));
  PlotWords words;
  words.x = "precision";
  const RunPlot by_precision = Plotted(Cells(), words);
  EXPECT_THAT(TickLabels(by_precision), ElementsAre("fp32", "bf16"));
  EXPECT_THAT(LineNames(by_precision), ElementsAre("context 128", "context 256", "context 512"));
  words.x.reset();
  words.by = "context";
  EXPECT_EQ(Plotted(Cells(), words).plot.x.title, "precision");
}

TEST(RunPlot, OrdersSizesByTheirParameters) {
  const std::vector<v1::Run> rows = {Cell("medium", 128, v1::PRECISION_FP32, 300),
                                     Cell("small", 128, v1::PRECISION_FP32, 100)};
  const RunPlot drawing = Plotted(rows);
  EXPECT_THAT(TickLabels(drawing), ElementsAre("small", "medium"));
  EXPECT_EQ(drawing.plot.x.title, "model size");
  ASSERT_EQ(drawing.plot.lines.size(), 1U);
  EXPECT_EQ(drawing.plot.lines[0].points[0].y, 100) << "a line goes from left to right";
  EXPECT_THAT(LineNames(drawing), ElementsAre(""));
}

TEST(RunPlot, NamesTheAskedAxisFirstAndTheOthersBehindIt) {
  std::vector<v1::Run> rows = Cells();
  for (v1::Run row : Cells()) {
    row.mutable_workload()->mutable_transformer_lm()->set_batch_size(8);
    rows.push_back(row);
  }
  PlotWords words;
  words.by = "precision";
  EXPECT_THAT(LineNames(Plotted(rows, words)),
              ElementsAre("fp32, batch 4", "bf16, batch 4", "fp32, batch 8", "bf16, batch 8"));
}

TEST(RunPlot, HasIntervalsOfMediansAndDeviationsOfMeans) {
  v1::Run run = Cell("small", 128, v1::PRECISION_FP32, 100);
  EXPECT_FALSE(Plotted({run}).plot.lines[0].points[0].low) << "the median has no interval";
  run.mutable_step()->set_median_low_ns(95e6);
  run.mutable_step()->set_median_high_ns(112e6);
  const auto median = Plotted({run}).plot.lines[0].points[0];
  EXPECT_EQ(median.low, 95);
  EXPECT_EQ(median.high, 112);
  PlotWords words;
  words.y = "step_mean_ms";
  const auto mean = Plotted({run}, words).plot.lines[0].points[0];
  EXPECT_EQ(mean.low, 90);
  EXPECT_EQ(mean.high, 110);
}

TEST(RunPlot, TakesColumnsWithAndWithoutTheirUnits) {
  PlotWords words;
  const auto title_of = [&words](const char* y) {
    words.y = y;
    return Plotted({SmallRun()}, words).plot.y.title;
  };
  EXPECT_EQ(title_of("step_median"), "step median (ms)");
  EXPECT_EQ(title_of("step_median_ms"), "step median (ms)");
  EXPECT_EQ(title_of("tokens_per_s"), "tokens/s");
  EXPECT_EQ(title_of("flops"), "flops/s (T)");
  EXPECT_EQ(title_of("peak_allocated"), "peak allocated (GiB)");
  EXPECT_EQ(title_of("duration"), "duration (s)");
  EXPECT_NEAR(Plotted({SmallRun()}, {.y = "peak_allocated_bytes"}).plot.lines[0].points[0].y,
              1'867'512'345 / 1073741824.0, 1e-9);
}

TEST(RunPlot, TakesAColumnAsX) {
  const std::vector<v1::Run> rows = {Cell("medium", 128, v1::PRECISION_FP32, 300),
                                     Cell("small", 128, v1::PRECISION_FP32, 100)};
  PlotWords words;
  words.x = "parameters";
  const RunPlot drawing = Plotted(rows, words);
  EXPECT_EQ(drawing.plot.x.title, "parameters (M)");
  EXPECT_THAT(LineNames(drawing), ElementsAre("medium", "small")) << "they differ in their size";
}

TEST(RunPlot, NamesWhatItDoesNotDraw) {
  std::vector<v1::Run> rows = {Cell("small", 128, v1::PRECISION_FP32, 100), OutOfMemoryRun(),
                               ShrunkRun(), DisturbedRun()};
  rows[3].mutable_workload()->mutable_transformer_lm()->set_context_length(512);
  rows[3].set_requested_context_length(512);
  v1::Run timeless = SmallRun();
  timeless.clear_step();
  rows.push_back(timeless);
  EXPECT_THAT(Plotted(rows).notes,
              ElementsAre(StartsWith("not drawn: large, context 256: OUT_OF_MEMORY in backward: "
                                     "asked 2.31 GiB"),
                          "not drawn: small, context 256: no step_median_ms",
                          "drawn with a smaller size: xl, context 256: batch 4 -> 2 (OOM)",
                          "contaminated: small, context 512"));
}

TEST(RunPlot, CutsALongListOfNotes) {
  std::vector<v1::Run> rows(15, OutOfMemoryRun());
  rows.push_back(SmallRun());
  const RunPlot drawing = Plotted(rows);
  ASSERT_EQ(drawing.notes.size(), 11U);
  EXPECT_EQ(drawing.notes.back(), "and 5 more");
}

TEST(RunPlot, OfNothingIsAnErrorThatSaysWhy) {
  const auto drawing = PlotRuns({OutOfMemoryRun()}, {});
  EXPECT_TRUE(absl::IsNotFound(drawing.status()));
  EXPECT_THAT(std::string(drawing.status().message()),
              StartsWith("nothing to draw: large: OUT_OF_MEMORY in backward"));
  EXPECT_TRUE(absl::IsNotFound(PlotRuns({}, {}).status()));
}

TEST(RunPlot, LeavesOutWhatALogarithmicAxisHasNoPlaceFor) {
  std::vector<v1::Run> rows = Cells();
  rows[0].mutable_step()->set_median_ns(0);
  PlotWords words;
  words.log_y = true;
  const RunPlot drawing = Plotted(rows, words);
  EXPECT_THAT(
      drawing.notes,
      ElementsAre("not drawn: small, context 128, fp32: has no place on a logarithmic axis"));
}

// The first of them stands at 0.
TEST(RunPlot, LosesNoCategoryToALogarithm) {
  const RunPlot drawing = Plotted(
      {Cell("small", 128, v1::PRECISION_FP32, 100), Cell("medium", 128, v1::PRECISION_FP32, 300)},
      {.log_x = true});
  EXPECT_THAT(TickLabels(drawing), ElementsAre("small", "medium"));
  EXPECT_EQ(drawing.plot.lines[0].points.size(), 2U);
  EXPECT_THAT(drawing.notes,
              ElementsAre("not logarithmic: x is size, whose values are no numbers"));
}

TEST(RunPlot, RefusesOtherWords) {
  const auto error_of = [](const PlotWords& words) {
    return std::string(format::CheckPlotWords(words).message());
  };
  EXPECT_EQ(error_of({.y = "colour"}),
            "--y is colour, must be a column with numbers, such as step_median, tokens_per_s, "
            "peak_allocated (export --format csv shows all)");
  EXPECT_THAT(error_of({.y = "device"}), StartsWith("--y is device, must be"));
  EXPECT_EQ(error_of({.x = "colour"}),
            "--x is colour, must be one of context, batch, warmup, size, precision, attention, "
            "optimizer, pass, timing, execution, device, host, or a column with numbers, such as "
            "parameters");
  EXPECT_EQ(error_of({.by = "step_median"}),
            "--by is step_median, must be one of context, batch, warmup, size, precision, "
            "attention, optimizer, pass, timing, execution, device, host");
  EXPECT_EQ(error_of({.x = "size", .by = "size"}), "--by is size, as --x, must be another axis");
  EXPECT_EQ(error_of({.x = "parameters", .y = "mfu", .by = "device"}), "");
  EXPECT_EQ(error_of({.x = "parameters", .y = "mfu", .by = "host"}), "");
  EXPECT_EQ(error_of({.x = "precision", .log_x = true}),
            "--log-x is given and --x is precision, must be numbers, such as context");
  EXPECT_EQ(error_of({.x = "parameters", .log_x = true}), "");
}

TEST(Gnuplot, ScriptHasDataAxesBarsAndLegend) {
  PlotWords words;
  words.title = "it's speed";
  std::vector<v1::Run> rows = Cells();
  rows[0].mutable_step()->set_median_low_ns(95e6);
  rows[0].mutable_step()->set_median_high_ns(112e6);
  words.log_y = true;
  EXPECT_EQ(format::GnuplotScript(Plotted(rows, words).plot), R"(set encoding utf8
set title 'it''s speed' noenhanced font ',9'
set xlabel 'context length (tokens)' noenhanced
set xtics ('128' 128, '256' 256, '512' 512) noenhanced
set ylabel 'step median (ms)' noenhanced
set logscale y
set key outside top center horizontal noenhanced
set grid ytics
set xrange [108.8:531.2]
$line0 << END
128 100 95 112
256 200 200 200
512 400 400 400
END
$line1 << END
128 60 60 60
256 120 120 120
512 240 240 240
END
plot $line0 using 1:2:3:4 with yerrorlines title 'fp32', \
     $line1 using 1:2 with linespoints title 'bf16'
)");
}

TEST(Gnuplot, ScriptRunsNothingOfWhatOthersWrote) {
  format::Plot plot;
  plot.title = "'; system('touch x'); '`touch x`\n!touch x";
  plot.lines = {{"'\n!touch x\n", format::Pen::kMarks, {{1, 2}}}};
  const std::string script = format::GnuplotScript(plot);
  EXPECT_THAT(script,
              HasSubstr("set title '''; system(''touch x''); ''`touch x`\\n!touch x' noenhanced"));
  EXPECT_THAT(script, HasSubstr("title '''\\n!touch x\\n'\n"));
}

TEST(Gnuplot, DrawsWhereItIsInstalled) {
  const auto program = FindGnuplot();
  if (!program) GTEST_SKIP() << "gnuplot is not installed (Debian package gnuplot-nox)";
  const TemporaryFolder folder;
  const std::string trap = folder.path() / "trap";
  format::Plot plot = Plotted(Cells()).plot;
  plot.title = "`touch " + trap + "`'; system('touch " + trap + "'); '";
  plot.lines[0].name = "{a_b} @x $y \\";
  const std::string script = format::GnuplotScript(plot);
  for (const auto& [kind, beginning] :
       {std::pair("svg", "<?xml"), {"pdf", "%PDF"}, {"png", "\x89PNG"}}) {
    const auto image = RunGnuplot(*program, format::GnuplotTerminal(kind) + script);
    ASSERT_TRUE(image.ok()) << image.status();
    EXPECT_THAT(*image, StartsWith(beginning));
  }
  EXPECT_FALSE(std::filesystem::exists(trap));
  const auto wrong = RunGnuplot(*program, "plot no_such_function(x)\n");
  EXPECT_TRUE(absl::IsFailedPrecondition(wrong.status())) << wrong.status();
}

TEST(Gnuplot, ThatDoesNotStartIsAnError) {
  EXPECT_TRUE(absl::IsFailedPrecondition(RunGnuplot("/nowhere/gnuplot", "").status()));
}

class PlotCommand : public Commands {
 protected:
  PlotCommand() {
    setenv("LC_ALL", "C", 1);
    service_.on_export = [](const v1::ExportRunsRequest&) { return Cells(); };
  }
};

TEST_F(PlotCommand, MeansTheMeasurementsOfTheLatestSweep) {
  EXPECT_EQ(Program({"plot"}), 0) << err_.str();
  const auto request = service_.exports()[0];
  EXPECT_TRUE(request.filter().selector().last());
  EXPECT_THAT(request.filter().purposes(), ElementsAre(v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP));
  EXPECT_EQ(request.rows(), v1::ROW_KIND_CELL);
  EXPECT_TRUE(request.with_unfinished());
  EXPECT_THAT(out_.str(), HasSubstr("\nstep median (ms)\n"));
  EXPECT_THAT(out_.str(), HasSubstr("\no fp32   x bf16\n"));
  EXPECT_THAT(out_.str(), StartsWith("cs336-2025, small (128.6M)")) << "what was measured";
  EXPECT_EQ(Program({"plot", "sweep:3", "--precision", "fp32"}), 0) << err_.str();
  EXPECT_THAT(service_.exports()[1].filter().purposes(), IsEmpty());
  EXPECT_THAT(service_.exports()[1].filter().precisions(), ElementsAre(v1::PRECISION_FP32));
}

TEST_F(PlotCommand, NamesBelowThePlotWhatIsNotDrawn) {
  service_.on_export = [](const v1::ExportRunsRequest&) {
    std::vector<v1::Run> rows = Cells();
    rows.push_back(OutOfMemoryRun());
    return rows;
  };
  EXPECT_EQ(Program({"plot"}), 0) << err_.str();
  EXPECT_THAT(out_.str(), HasSubstr("\nnot drawn: large, context 256, fp32: OUT_OF_MEMORY"));
}

TEST_F(PlotCommand, RefusesWrongWordsBeforeItAsks) {
  EXPECT_EQ(Program({"plot", "--y", "colour"}), 1);
  EXPECT_EQ(Program({"plot", "--by", "colour"}), 1);
  EXPECT_EQ(Program({"plot", "-o", "a.jpg"}), 1);
  EXPECT_EQ(err_.str(),
            "torchlap: -o is a.jpg, must end in .svg, .pdf or .png (drawn by gnuplot), or .gp "
            "(script and data)\n");
  EXPECT_THAT(service_.exports(), IsEmpty());
}

TEST_F(PlotCommand, OfNothingIsAnError) {
  service_.on_export = [](const v1::ExportRunsRequest&) { return std::vector<v1::Run>(); };
  EXPECT_EQ(Program({"plot", "17"}), 4);
  EXPECT_EQ(err_.str(), "torchlap: no run matches\n");
  EXPECT_EQ(out_.str(), "");
}

TEST_F(PlotCommand, WritesTheScriptWithoutGnuplot) {
  const TemporaryFolder folder;
  const std::string file = folder.path() / "fig.gp";
  EXPECT_EQ(Program({"plot", "--title", "speed", "-o", file}), 0) << err_.str();
  EXPECT_EQ(out_.str(), "");
  EXPECT_EQ(err_.str(), "wrote " + file + "\n");
  std::stringstream written;
  written << std::ifstream(file).rdbuf();
  EXPECT_THAT(written.str(), StartsWith("set encoding utf8\nset title 'speed' noenhanced"));
}

TEST_F(PlotCommand, MakesTheFolderOfItsFile) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "new" / "fig.gp";
  EXPECT_EQ(Program({"plot", "-o", file}), 0) << err_.str();
  EXPECT_TRUE(std::filesystem::is_regular_file(file));
  EXPECT_EQ(Program({"plot", "-o", file / "fig.gp"}), 6);
  EXPECT_THAT(err_.str(), HasSubstr("cannot make the folder"));
}

std::string SearchPath() {
  const char* path = std::getenv("PATH");
  return path == nullptr ? "" : path;
}

TEST_F(PlotCommand, SaysWhatToDoWithoutGnuplot) {
  const TemporaryFolder folder;
  const std::string path = SearchPath();
  setenv("PATH", folder.path().c_str(), 1);
  EXPECT_EQ(Program({"plot", "-o", folder.path() / "fig.svg"}), 4);
  setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(err_.str(),
            "torchlap: gnuplot is not installed (Debian package gnuplot-nox); -o fig.gp writes its "
            "script and data\n");
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "fig.svg"));
}

// A program of that name that says what it was given.
TEST_F(PlotCommand, HandsTheScriptToGnuplotAndKeepsWhatItDraws) {
  const TemporaryFolder folder;
  const std::filesystem::path program = folder.path() / "gnuplot";
  std::ofstream(program) << "#!/bin/sh\nread line\necho \"drew with $1: $line\"\n";
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  const std::string path = SearchPath();
  setenv("PATH", (folder.path().native() + ":" + path).c_str(), 1);
  const std::string file = folder.path() / "fig.svg";
  EXPECT_EQ(Program({"plot", "-o", file}), 0) << err_.str();
  std::stringstream written;
  written << std::ifstream(file).rdbuf();
  EXPECT_EQ(written.str(), "drew with -d: set terminal svg size 800,500 background 'white'\n");
  std::ofstream(program) << "#!/bin/sh\necho half\necho 'no font' >&2\nexit 1\n";
  EXPECT_EQ(Program({"plot", "-o", file}), 4);
  EXPECT_EQ(err_.str(), "torchlap: gnuplot failed: no font\n");
  setenv("PATH", path.c_str(), 1);
  std::stringstream kept;
  kept << std::ifstream(file).rdbuf();
  EXPECT_THAT(kept.str(), Not(HasSubstr("half"))) << "the file stays as it was";
}

}  // namespace
}  // namespace torchlap::client
