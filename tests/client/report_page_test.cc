// A report as a page: what it says, and what it must not.
#include "client/format/report_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "client/format/html.h"
#include "client/format/runs.h"
#include "tests/client/made_up_runs.h"

namespace torchlap::client::format {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

ReportRun WithSteps(const v1::Run& run, int steps) {
  ReportRun with_steps{run, {}};
  v1::SampleBlock& block = with_steps.samples.emplace_back();
  block.set_warmup_steps(2);
  for (int64_t i = 0; i < steps; ++i) block.add_step_ns(458'250'000 + i * 1'000'000);
  return with_steps;
}

v1::Run WithSize(uint64_t job_id, uint32_t batch, uint32_t context) {
  v1::Run run = ScaledRun("small", 128'625'408, job_id, 1.0 + batch / 4.0);
  v1::TransformerLm* model = run.mutable_workload()->mutable_transformer_lm();
  model->set_batch_size(batch);
  model->set_context_length(context);
  run.set_requested_batch_size(batch);
  run.set_requested_context_length(context);
  return run;
}

Report SmallReport() {
  Report report;
  report.title = "Sizes";
  report.selection = "sweep:3";
  report.host = "bench-01";
  report.user = "ann";
  report.daemon_version = "0.9.9";
  report.made_at_ns = 1'769'864'400'000'000'000;
  v1::Run disturbed = DisturbedRun();
  disturbed.set_run_id("18.1");
  report.cells = {SmallRun(), disturbed, ScaledRun("large", 969'411'840, 19, 5), OutOfMemoryRun()};
  report.runs = {WithSteps(report.cells[0], 12), WithSteps(report.cells[1], 12)};
  DeviceNote note{SmallRun(), {}};
  note.environment.set_torch_version("2.11.0");
  note.environment.set_kernel("6.1.0");
  report.environments = {note};
  return report;
}

// Tags that have no end.
bool IsVoid(const std::string& tag) {
  static const std::set<std::string> kVoid = {"meta", "br", "!DOCTYPE"};
  return kVoid.count(tag) > 0;
}

// The first place where the page is no tree of tags; empty for one that is.
std::string FirstFault(const std::string& html) {
  std::vector<std::string> open;
  for (size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const size_t end = html.find('>', at);
    if (end == std::string::npos) return "a tag without end: " + html.substr(at, 40);
    const std::string inside = html.substr(at + 1, end - at - 1);
    if (std::count(inside.begin(), inside.end(), '"') % 2 != 0) return "quotes: " + inside;
    if (inside.find('<') != std::string::npos) return "a tag in a tag: " + inside;
    if (inside.front() == '/') {
      if (open.empty() || open.back() != inside.substr(1))
        return "ends what is not open: " + inside;
      open.pop_back();
      continue;
    }
    const std::string tag = inside.substr(0, inside.find_first_of(" \n/"));
    if (!IsVoid(tag) && inside.back() != '/') open.push_back(tag);
  }
  return open.empty() ? "" : "left open: " + open.back();
}

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

v1::ComparedCell Compared() {
  v1::ComparedCell cell;
  *cell.mutable_subject() = SmallRun();
  cell.mutable_a()->set_launches(5);
  cell.mutable_b()->set_launches(4);
  v1::ComparedPhase* step = cell.add_phases();
  step->set_a_ns(500e6);
  step->set_b_ns(470e6);
  step->set_ratio(0.94);
  step->set_low(0.92);
  step->set_high(0.96);
  step->set_verdict(v1::COMPARE_VERDICT_FASTER);
  return cell;
}

v1::TrendSeries Trend(int points) {
  v1::TrendSeries series;
  *series.mutable_subject() = SmallRun();
  for (int i = 0; i < points; ++i) {
    v1::TrendPoint* point = series.add_points();
    point->set_run_id(std::to_string(50 + i) + ".1");
    point->set_median_ns(i < 3 ? 100e6 : 110e6);
    point->set_validity(v1::VALIDITY_CLEAN);
    point->set_started_at_ns(1'769'860'800'000'000'000 + int64_t{i} * 60'000'000'000);
  }
  v1::TrendStep* step = series.add_steps();
  step->set_point(3);
  step->set_before_ns(100e6);
  step->set_after_ns(110e6);
  return series;
}

TEST(Html, EscapesWhatAPageWouldTakeForMoreThanText) {
  EXPECT_EQ(Html("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(Html("\x1b[31m\n"), "\\x1b[31m\\n");
  EXPECT_EQ(Html("152.3 ± 8.5"), "152.3 ± 8.5");
}

TEST(Html, AStateInPlaceOfNumbersIsOneCell) {
  const Grid grid{
      "", {"size", "forward (ms)", "step (ms)"}, {{"xl", "CRASHED", "CRASHED"}, {"l", "5", "5"}}};
  const std::string html = HtmlTable(grid);
  EXPECT_THAT(html, HasSubstr("<td colspan=\"2\">CRASHED</td>"));
  EXPECT_EQ(Count(html, "<td class=\"number\">5</td>"), 2U);
  EXPECT_EQ(HtmlTable({}), "");
}

TEST(Html, NamesThatAreLongMayTakeMoreThanALine) {
  const auto table = [](const std::string& name) { return HtmlTable({"", {"cell"}, {{name}}}); };
  EXPECT_THAT(table("small, context 256, bf16"), HasSubstr("<table class=\"named\">"));
  EXPECT_THAT(table("256"), HasSubstr("<table>"));
}

TEST(Html, BadgesHaveASignBesideTheirColour) {
  const std::set<std::string> badges = {HtmlBadge("clean"), HtmlBadge("suspect"),
                                        HtmlBadge("contaminated"), HtmlBadge("unverified"),
                                        HtmlBadge("TIMED_OUT")};
  std::set<std::string> signs;
  for (const std::string& badge : badges) {
    const size_t at = badge.find("aria-hidden=\"true\">");
    signs.insert(badge.substr(at, badge.find("</span>", at) - at));
  }
  EXPECT_EQ(signs.size(), 5U);
  EXPECT_THAT(HtmlBadge("<b>"), HasSubstr("&lt;b&gt;"));
}

TEST(ReportPage, IsATreeOfTags) {
  Report report = SmallReport();
  report.compared = {Compared()};
  report.trends = {Trend(6)};
  EXPECT_EQ(FirstFault(ReportPage(report)), "");
  EXPECT_EQ(FirstFault(ReportPage({})), "");
  EXPECT_NE(FirstFault("<p><b></p>"), "");
}

TEST(ReportPage, NeedsNoNetworkAndNoScript) {
  const std::string page = ReportPage(SmallReport());
  for (const char* word :
       {"http:", "https:", "<script", "<link", "src=", "@import", "javascript:"}) {
    EXPECT_THAT(page, Not(HasSubstr(word)));
  }
  EXPECT_EQ(Count(page, "url("), Count(page, "url(#"));
  EXPECT_THAT(page, HasSubstr("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
                              "data:\""));
  // What begins with `on` in a tag would run.
  EXPECT_THAT(page, Not(ContainsRegex("<[a-z][^>]* on[a-z]+=")));
}

TEST(ReportPage, WordsOfUsersStayWords) {
  Report report = SmallReport();
  const std::string evil = "</title><script>alert(1)</script>\" onload='x'\xe2\x80\xae";
  report.title = evil;
  report.selection = evil;
  report.host = evil;
  report.user = evil;
  for (v1::Run& cell : report.cells) {
    cell.set_device(evil);
    cell.set_device_model(evil);
    cell.mutable_workload()->mutable_transformer_lm()->set_preset(evil);
    cell.mutable_failure()->set_detail(evil);
  }
  report.runs.front().run = report.cells.front();
  report.cells[1].mutable_assessment()->mutable_evidence(0)->set_process(evil);
  report.environments.front().environment.set_kernel(evil);
  report.experiments = {Lines{evil}, Fields{evil, {{evil, evil}}}, Grid{evil, {evil}, {{evil}}}};
  const std::string page = ReportPage(report);
  EXPECT_EQ(FirstFault(page), "");
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("\xe2\x80\xae")));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
}

TEST(ReportPage, HasTheCellsOfTheResultTable) {
  const Report report = SmallReport();
  const std::string page = ReportPage(report);
  const Grid grid = CellGrid(report.cells);
  EXPECT_THAT(page, HasSubstr("<caption><span>" + Html(grid.caption)));
  for (size_t column = 0; column + 1 < grid.titles.size(); ++column) {
    EXPECT_THAT(page, HasSubstr(">" + Html(grid.titles[column]) + "</th>"));
    for (const auto& row : grid.rows) {
      if (row[column] != "-") {
        EXPECT_THAT(page, HasSubstr(">" + Html(row[column]) + "</t")) << grid.titles[column];
      }
    }
  }
  EXPECT_THAT(page, HasSubstr("152.3 ± 8.5"));
}

TEST(ReportPage, SaysVerdictsAndReasonsOnce) {
  const std::string page = ReportPage(SmallReport());
  EXPECT_THAT(page,
              HasSubstr("contaminated</span><br>foreign-cpu 34 % by stress-ng (pid 812, ann)"));
  EXPECT_THAT(page, HasSubstr("OUT_OF_MEMORY</span><br>in backward: asked 2.31 GiB, free 410 MiB"));
}

TEST(ReportPage, SaysWhereAndWhenAndForWhom) {
  const std::string page = ReportPage(SmallReport());
  for (const char* words :
       {"<title>Sizes</title>", "<h1>Sizes</h1>", "measured 2026-01-31 12:00 UTC", "on bench-01",
        "by ann", "torchlap 0.9.9", "sweep:3", "2026-01-31 13:00 UTC"}) {
    EXPECT_THAT(page, HasSubstr(words));
  }
}

TEST(ReportPage, HeadingsGoDownByOne) {
  Report report = SmallReport();
  report.trends = {Trend(6)};
  const std::string page = ReportPage(report);
  int before = 0;
  for (size_t at = page.find("<h"); at != std::string::npos; at = page.find("<h", at + 1)) {
    if (std::isdigit(static_cast<unsigned char>(page[at + 2])) == 0) continue;
    const int level = page[at + 2] - '0';
    EXPECT_LE(level, before + 1) << page.substr(at, 60);
    before = level;
  }
  EXPECT_EQ(Count(page, "<h1"), 1U);
  EXPECT_EQ(Count(page, "<main "), 1U);
  EXPECT_THAT(page, HasSubstr("<a class=\"skip\" href=\"#main\">"));
}

TEST(ReportPage, EveryPictureHasAName) {
  const std::string page = ReportPage(SmallReport());
  EXPECT_GT(Count(page, "role=\"img\""), 3U);
  EXPECT_EQ(Count(page, "role=\"img\""), Count(page, "role=\"img\" aria-label=\""));
  EXPECT_EQ(Count(page, "aria-label=\"\""), 0U);
}

TEST(ReportPage, LeavesOutWhatIsNotThere) {
  const std::string page = ReportPage(SmallReport());
  for (const char* id : {"results", "phases", "steps", "memory", "environment", "again"}) {
    EXPECT_THAT(page, HasSubstr(std::string("<section id=\"") + id + "\""));
    EXPECT_THAT(page, HasSubstr(std::string("href=\"#") + id + "\""));
  }
  for (const char* id : {"baseline", "trend", "device"}) {
    EXPECT_THAT(page, Not(HasSubstr(std::string("id=\"") + id + "\"")));
  }
  Report bare;
  bare.title = "Nothing";
  EXPECT_THAT(ReportPage(bare), Not(HasSubstr("<section")));
}

TEST(ReportPage, PhasesAreBarsWithWhiskersWhereTheIntervalIsKnown) {
  Report report = SmallReport();
  report.cells.resize(1);
  EXPECT_THAT(ReportPage(report), Not(HasSubstr("class=\"whisker\"")));
  v1::PhaseSummary* step = report.cells.front().mutable_step();
  step->set_median_low_ns(450e6);
  step->set_median_high_ns(466e6);
  const std::string page = ReportPage(report);
  EXPECT_EQ(Count(page, "class=\"whisker\""), 3U);
  EXPECT_THAT(page, HasSubstr("step: median 458.3 [450.0, 466.0] ms, 95 % interval"));
  EXPECT_THAT(page, HasSubstr("forward: median 152.30 ms"));
}

TEST(ReportPage, StepsAreDrawnWithWarmupAndWhatDisturbedThem) {
  const std::string page = ReportPage(SmallReport());
  EXPECT_EQ(Count(page, "class=\"band warmup\"><title>"), 2U);
  EXPECT_EQ(Count(page, "class=\"band disturbed\"><title>foreign-cpu 34 %"), 1U);
  EXPECT_EQ(Count(page, "class=\"point disturbed\"><title>"), 5U);
  EXPECT_THAT(page, HasSubstr("step 11: 469.250 ms"));
  EXPECT_EQ(Count(page, ">469.250</td>"), 2U);
}

TEST(ReportPage, WhatIsAboutTheTimesThemselvesIsNoDisturbance) {
  Report report = SmallReport();
  v1::Run drifting = SmallRun();
  AddEvidence(v1::REASON_DRIFT, 0.06, 0.05, &drifting);
  AddEvidence(v1::REASON_COLD_START, 0.2, 0.1, &drifting);
  report.runs = {WithSteps(drifting, 12)};
  EXPECT_EQ(Count(ReportPage(report), "class=\"band disturbed\"><title>"), 0U);
}

TEST(ReportPage, SaysHowManyRunsItDoesNotDraw) {
  Report report = SmallReport();
  report.runs.assign(kMostStepCharts + 2, WithSteps(SmallRun(), 4));
  report.more_runs = 5;
  const std::string page = ReportPage(report);
  EXPECT_EQ(Count(page, "<article>"), kMostStepCharts);
  EXPECT_THAT(page, HasSubstr("7 more runs with steps"));
}

TEST(ReportPage, OfVeryManyStepsTheLongestIsDrawn) {
  Report report = SmallReport();
  report.runs = {WithSteps(SmallRun(), 5000)};
  report.runs.front().samples.front().set_step_ns(3333, 9'000'000'000);
  const std::string page = ReportPage(report);
  EXPECT_LT(page.size(), 400'000U);
  EXPECT_THAT(page, HasSubstr("not every step is drawn"));
  EXPECT_THAT(page, HasSubstr("the first 200 of 5000 steps; all of them: torchlap export 17.1"));
  // The plot reaches up to it.
  EXPECT_THAT(page, HasSubstr(">10000</text>"));
}

TEST(ReportPage, MemoryStandsAgainstTheSizesThatDiffer) {
  Report report;
  report.title = "Memory";
  report.cells = {WithSize(17, 1, 128), WithSize(18, 2, 128), WithSize(19, 4, 128)};
  std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("Peak of memory against batch"));
  EXPECT_THAT(page, Not(HasSubstr("Peak of memory against context")));
  v1::Run failed = OutOfMemoryRun();
  failed.mutable_workload()->mutable_transformer_lm()->set_context_length(1024);
  failed.set_requested_context_length(1024);
  report.cells.push_back(failed);
  page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("Peak of memory against context"));
  EXPECT_THAT(page, HasSubstr(" cross\"><title>large"));
  EXPECT_THAT(page, HasSubstr("the device has 14.9 GiB"));
}

TEST(ReportPage, ShowsTheBaselineAndTheTrendWhereTheyAreKnown) {
  Report report = SmallReport();
  report.compared = {Compared()};
  report.trends = {Trend(6), Trend(2)};
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("0.940 [0.920, 0.960]"));
  EXPECT_THAT(page, HasSubstr("-6 % faster"));
  EXPECT_THAT(page, HasSubstr("<td class=\"number\">5 / 4</td>"));
  EXPECT_THAT(page, HasSubstr("6 runs, 1 step found"));
  EXPECT_THAT(page, HasSubstr(">+10 %</text>"));
  EXPECT_THAT(page, Not(HasSubstr("2 runs,")));
}

TEST(ReportPage, TrendsSayWhatChangedAtEachStep) {
  Report report = SmallReport();
  report.trends = {Trend(6)};
  EXPECT_THAT(ReportPage(report),
              HasSubstr("<li>2026-01-31 12:03 UTC, from run 53.1: +10 %, 100.0 -&gt; 110.0 ms; "
                        "changed: nothing that torchlap knows of</li>"));
  v1::EnvironmentChange* change = report.trends.front().mutable_steps(0)->add_changes();
  change->set_name("driver");
  change->set_before("580.1");
  change->set_after("<b>580.9");
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("; changed: driver 580.1 -&gt; &lt;b&gt;580.9</li>"));
  EXPECT_EQ(FirstFault(page), "");
  report.trends.front().mutable_steps(0)->set_point(6);
  EXPECT_THAT(ReportPage(report), Not(HasSubstr("<ul class=\"changes\">"))) << "not there";
}

TEST(ReportPage, OfManyStepsTheNewestAreNamed) {
  Report report = SmallReport();
  v1::TrendSeries trend = Trend(60);
  trend.clear_steps();
  for (uint32_t point = 2; point < 50; point += 2) {
    v1::TrendStep* step = trend.add_steps();
    step->set_point(point);
    step->set_before_ns(100e6);
    step->set_after_ns(110e6);
  }
  report.trends = {trend};
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("24 steps found\n<ul class=\"changes\">\n<li>4 earlier</li>\n"
                              "<li>2026-01-31 12:10 UTC"));
  EXPECT_THAT(page, HasSubstr("<li>2026-01-31 12:48 UTC"));
}

TEST(ReportPage, BarsAndTheirTableHaveTheSamePhases) {
  Report report = SmallReport();
  report.cells.resize(1);
  const std::string page = ReportPage(report);
  const size_t forward = page.find("class=\"bar forward\"");
  const size_t loss = page.find("class=\"bar loss\"");
  const size_t backward = page.find("class=\"bar backward\"");
  ASSERT_NE(backward, std::string::npos);
  EXPECT_LT(forward, loss);
  EXPECT_LT(loss, backward);
  EXPECT_THAT(page, HasSubstr("loss: median 0.75000 ms"));
  EXPECT_THAT(page, HasSubstr(">loss</td>"));
  report.cells.front().clear_loss();
  EXPECT_EQ(Count(ReportPage(report), "class=\"bar loss\""), 0U);
}

TEST(ReportPage, ABaselineFarFromTheRunsIsWithinThePlot) {
  Report report = SmallReport();
  report.trends = {Trend(6)};
  report.trends.front().set_baseline_ns(50e6);
  // 50 to 110 ms and a fifth of that on both sides, 168 pixels.
  EXPECT_THAT(ReportPage(report), HasSubstr("y1=\"144\" y2=\"144\" class=\"rule\""));
}

TEST(ReportPage, StrikesTheNumbersOfInvalidRunsAndSaysWhy) {
  Report report = SmallReport();
  report.cells = {SmallRun(), ScaledRun("large", 969'411'840, 19, 5)};
  for (v1::Run& cell : report.cells) cell.set_validity(v1::VALIDITY_CLEAN);
  EXPECT_THAT(ReportPage(report), Not(HasSubstr("<s>")));
  report.cells[0].set_invalid_reason("the fan had failed");
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("<s>458 ± 16</s></td>"));
  EXPECT_THAT(page, HasSubstr("</span> invalid</span><br>the fan had failed"));
  EXPECT_THAT(page, HasSubstr("1 of 2"));
}

TEST(ReportPage, CellsWithoutAVerdictSayWhy) {
  Report report = SmallReport();
  v1::ComparedCell cell = Compared();
  cell.clear_phases();
  cell.set_incomparable(v1::INCOMPARABLE_B_FAILED);
  report.compared = {cell};
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("not comparable</span>"));
  EXPECT_THAT(page, HasSubstr(">failed here</td>"));
}

TEST(ReportPage, CellsThatOnlyOneSideHasAreCountedAndHaveNoRows) {
  Report report = SmallReport();
  v1::ComparedCell only_here = Compared();
  only_here.clear_phases();
  only_here.set_incomparable(v1::INCOMPARABLE_ONLY_B);
  v1::ComparedCell only_there = only_here;
  only_there.set_incomparable(v1::INCOMPARABLE_ONLY_A);
  report.compared = {only_there, Compared(), only_here, only_there};
  std::string page = ReportPage(report);
  EXPECT_EQ(Count(page, "not comparable</span>"), 0U);
  EXPECT_THAT(page, HasSubstr("0.940 [0.920, 0.960]"));
  EXPECT_THAT(page, HasSubstr("<p class=\"aside\">Left out: cells here that the baseline does not "
                              "have: 1; cells of the baseline that are not here: 2.</p>"));
  report.compared = {only_here};
  page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("Left out: cells here that the baseline does not have: 1.</p>"));
  EXPECT_THAT(page, Not(HasSubstr("not here")));
}

TEST(ReportPage, ADeviceFarLargerThanWhatWasNeededIsWordsAndNoLine) {
  Report report;
  report.title = "Memory";
  report.cells = {WithSize(17, 1, 128), WithSize(18, 2, 128)};
  for (v1::Run& cell : report.cells) {
    cell.mutable_memory()->set_peak_allocated_bytes(512ULL << 20);
    cell.mutable_memory()->set_device_total_bytes(4ULL << 30);
  }
  std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr(">the device has 4.00 GiB</text>"));
  EXPECT_THAT(page, Not(HasSubstr("far above")));
  for (v1::Run& cell : report.cells)
    cell.mutable_memory()->set_device_total_bytes((4ULL << 30) + 1);
  page = ReportPage(report);
  EXPECT_THAT(page, Not(HasSubstr("class=\"limit\"")));
  EXPECT_THAT(page, HasSubstr("The device has 4.00 GiB, far above."));
}

TEST(ReportPage, TheHeadHasTheDigitsOfTheTable) {
  Report report = SmallReport();
  report.cells.resize(1);
  report.cells.front().set_tokens_per_s(2234.567);
  report.cells.front().mutable_step()->set_cv(0.03);
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("<dt>Most tokens in a second</dt><dd>2235</dd>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"number\">2235</td>"));
}

TEST(ReportPage, EnvironmentsThatDifferAreMarked) {
  Report report = SmallReport();
  EXPECT_THAT(ReportPage(report), Not(HasSubstr("<tr class=\"differs\">")));
  report.environments.push_back(report.environments.front());
  report.environments.back().environment.set_kernel("6.6.0");
  const std::string page = ReportPage(report);
  EXPECT_EQ(Count(page, "<tr class=\"differs\">"), 1U);
  EXPECT_THAT(page, HasSubstr("<tr class=\"differs\"><th scope=\"row\">kernel</th><td>6.1.0</td>"
                              "<td>6.6.0</td></tr>"));
}

TEST(ReportPage, ReadingsOfTheDeviceAreATable) {
  Report report = SmallReport();
  v1::DeviceSummary* device = report.cells.front().mutable_device_summary();
  device->set_energy_per_step_j(3.8125);
  device->set_power_mean_watts(251.4);
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("<section id=\"device\""));
  EXPECT_THAT(page, HasSubstr("<td class=\"number\">3.81</td>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"number\">251</td>"));
}

TEST(ReportPage, SaysHowToRepeatEachCellOnce) {
  Report report = SmallReport();
  const std::string page = ReportPage(report);
  EXPECT_THAT(page, HasSubstr("torchlap rerun sweep:3\n"));
  // The first two cells are one command.
  EXPECT_EQ(
      Count(page, "\ntorchlap run --model-size") + Count(page, "<code>torchlap run --model-size"),
      2U);
  EXPECT_THAT(page, HasSubstr("--device cpu0"));
}

}  // namespace
}  // namespace torchlap::client::format
