#include "client/format/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "client/format/advice.h"
#include "client/format/evidence.h"
#include "client/format/fields.h"
#include "client/format/html.h"
#include "client/format/numbers.h"
#include "client/format/report_charts.h"
#include "client/format/report_style.h"
#include "client/format/run_columns.h"
#include "client/format/runs.h"
#include "client/format/show.h"
#include "client/format/subject.h"
#include "client/format/svg_chart.h"
#include "client/format/words.h"
#include "client/run_command.h"
#include "proto/words.h"

namespace torchlap::client::format {
namespace {

constexpr size_t kMostCommands = 40;

struct Section {
  const char* id;
  const char* heading;
  std::string body;  // empty: there is no such section
};

bool IsOk(const v1::Run& run) { return run.outcome() == v1::OUTCOME_OK; }

// ---- head

std::string Pair(const std::string& name, const std::string& value, const std::string& aside) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd><dd class=\"aside\">{}</dd></div>\n", Html(name),
                     Html(value), Html(aside));
}

// `6 clean, 1 contaminated`, the words in the order of their first rows.
std::string Counted(const std::vector<std::string>& words) {
  std::vector<std::pair<std::string, size_t>> counts;
  for (const std::string& word : words) {
    const auto place = std::find_if(counts.begin(), counts.end(),
                                    [&word](const auto& count) { return count.first == word; });
    if (place == counts.end()) {
      counts.emplace_back(word, 1);
    } else {
      ++place->second;
    }
  }
  std::string text;
  for (const auto& [word, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, word);
  }
  return text;
}

std::string CellsFact(const std::vector<v1::Run>& cells) {
  std::vector<std::string> states;
  for (const v1::Run& cell : cells) states.push_back(StateName(cell));
  return Pair("Cells", std::to_string(cells.size()), Counted(states));
}

std::string VerdictsFact(const std::vector<v1::Run>& cells) {
  std::vector<std::string> others;
  size_t clean = 0;
  size_t judged = 0;
  for (const v1::Run& cell : cells) {
    const std::string verdict = IsOk(cell) ? VerdictWord(cell) : "";
    if (verdict.empty()) continue;
    ++judged;
    if (verdict == Word(v1::VALIDITY_CLEAN)) {
      ++clean;
    } else {
      others.push_back(verdict);
    }
  }
  if (judged == 0) return "";
  return Pair("Clean", fmt::format("{} of {}", clean, judged),
              others.empty() ? "every number is good" : Counted(others));
}

template <typename Value>
const v1::Run* Largest(const std::vector<v1::Run>& cells, Value value) {
  const v1::Run* most = nullptr;
  for (const v1::Run& cell : cells) {
    if (IsOk(cell) && value(cell) > 0 && (most == nullptr || value(cell) > value(*most))) {
      most = &cell;
    }
  }
  return most;
}

std::string NameOf(const v1::Run& cell, const std::vector<v1::Run>& cells) {
  return CellNames(cells)[static_cast<size_t>(&cell - cells.data())];
}

std::string TokensFact(const std::vector<v1::Run>& cells) {
  const v1::Run* fastest = Largest(cells, [](const v1::Run& run) { return run.tokens_per_s(); });
  if (fastest == nullptr) return "";
  return Pair("Most tokens in a second", TokensText(*fastest), NameOf(*fastest, cells));
}

std::string MemoryFact(const std::vector<v1::Run>& cells) {
  const v1::Run* largest = Largest(cells, [](const v1::Run& run) {
    return static_cast<double>(run.memory().peak_allocated_bytes());
  });
  if (largest == nullptr) return "";
  const v1::MemoryUse& memory = largest->memory();
  std::string aside = NameOf(*largest, cells);
  if (memory.has_device_total_bytes()) {
    aside = fmt::format("of {}: {}", BytesShort(memory.device_total_bytes()), aside);
  }
  return Pair("Largest peak of memory", BytesShort(memory.peak_allocated_bytes()), aside);
}

std::string Facts(const std::vector<v1::Run>& cells) {
  if (cells.empty()) return "";
  return "<dl class=\"facts\">\n" + CellsFact(cells) + VerdictsFact(cells) + TokensFact(cells) +
         MemoryFact(cells) + "</dl>\n";
}

// `2026-01-31 12:00 UTC`
std::string MinuteText(int64_t unix_ns) {
  const std::string time = TimeText(unix_ns);
  return time.size() < 16 ? time : time.substr(0, 10) + " " + time.substr(11, 5) + " UTC";
}

// When its cells were measured: a time, or the first and the last.
std::string MeasuredText(const std::vector<v1::Run>& cells) {
  std::set<int64_t> times;
  for (const v1::Run& cell : cells) {
    if (cell.started_at_ns() > 0) times.insert(cell.started_at_ns());
  }
  if (times.empty()) return "";
  const std::string first = MinuteText(*times.begin());
  const std::string last = MinuteText(*times.rbegin());
  return "measured " + (first == last ? first : first + " to " + last);
}

std::string MetaLine(const Report& report) {
  std::string line;
  const auto add = [&line](const std::string& before, const std::string& words) {
    if (!words.empty()) line += fmt::format("<span>{}{}</span>", Html(before), Html(words));
  };
  add("", MeasuredText(report.cells));
  add("on ", report.host);
  add("by ", report.user);
  add("torchlap ", report.daemon_version);
  add("", report.selection);
  return "<p class=\"meta\">" + line + "</p>\n";
}

// ---- sections

// The words of a note without those at its beginning that the badge above it says.
std::string Behind(const std::string& word, const std::string& note) {
  if (note.rfind(word, 0) != 0) return note;
  const size_t begin = note.find_first_not_of(": ", word.size());
  return begin == std::string::npos ? "" : note.substr(begin);
}

// The verdict, or why there is none, and below it what the row has to say.
std::string VerdictCell(const v1::Run& cell) {
  std::string word = IsOk(cell) ? VerdictWord(cell) : "";
  if (word.empty()) word = StateName(cell);
  const std::string note = Behind(word, NoteWords(cell));
  return note.empty() ? word : word + "\n" + note;
}

// The result table, with verdicts and notes in one column: narrow, and beside each other.
Grid VerdictGrid(const std::vector<v1::Run>& cells) {
  Grid grid = CellGrid(cells);
  const bool has_notes = !grid.titles.empty() && grid.titles.back() == "note";
  if (has_notes) {
    grid.titles.back() = "verdict";
  } else {
    grid.titles.emplace_back("verdict");
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    grid.rows[i].resize(grid.titles.size());
    grid.rows[i].back() = VerdictCell(cells[i]);
  }
  return grid;
}

std::string AdviceList(const std::vector<v1::Run>& cells) {
  std::string items;
  for (const std::string& line : AdviceLines(cells)) items += "<li>" + Html(line) + "</li>\n";
  return items.empty() ? ""
                       : "<h3>What to do next</h3>\n<ul class=\"advice\">\n" + items + "</ul>\n";
}

// What each device is, by the environments that are known.
std::vector<DeviceNote> NotesFor(const std::vector<v1::Run>& table, const Report& report) {
  std::vector<DeviceNote> notes = NotesOf(RowOfEachDevice(table));
  for (DeviceNote& note : notes) {
    for (const DeviceNote& known : report.environments) {
      if (known.run.environment_hash() == note.run.environment_hash()) {
        note.environment = known.environment;
      }
    }
  }
  return notes;
}

std::string ResultsBody(const Report& report) {
  std::string html;
  for (const std::vector<v1::Run>& table : Tables(report.cells)) {
    html += HtmlTable(VerdictGrid(table));
    const std::string legend = LegendLine(table, NotesFor(table, report));
    if (!legend.empty()) html += "<p class=\"aside\">" + Html(legend) + "</p>\n";
  }
  for (const Block& block : report.experiments) html += HtmlBlock(block);
  return html + AdviceList(report.cells);
}

std::string PhasesBody(const Report& report) { return PhaseCharts(report.cells); }

std::string StepsKey() {
  return R"(<ul class="key" aria-label="Key">
<li><svg width="14" height="12" viewBox="-7 -6 14 12" aria-hidden="true"><circle r="3" class="point"/></svg>measured step</li>
<li><svg width="22" height="12" viewBox="-11 -6 22 12" aria-hidden="true"><rect x="-11" y="-6" width="22" height="12" class="band warmup"/><circle r="3" class="point warmup"/></svg>warm-up</li>
<li><svg width="22" height="12" viewBox="-11 -6 22 12" aria-hidden="true"><rect x="-11" y="-6" width="22" height="12" class="band disturbed"/><rect x="-3.5" y="-3.5" width="7" height="7" class="point disturbed"/></svg>disturbed</li>
<li><svg width="14" height="12" viewBox="-7 -6 14 12" aria-hidden="true"><path d="M-4.5 4 L0 -3 L4.5 4 Z" class="point"/></svg>beyond the plot</li>
</ul>
)";
}

std::vector<std::string> NamesOf(const std::vector<ReportRun>& runs) {
  std::vector<v1::Run> bare;
  bare.reserve(runs.size());
  for (const ReportRun& run : runs) bare.push_back(run.run);
  return CellNames(bare);
}

// Words that no line tears apart.
std::string Unbroken(const std::string& words) {
  return "<span class=\"whole\">" + Html(words) + "</span>";
}

// `median 482.3 ms, CV 2.9 %`, as HTML.
std::string StepsSummary(const v1::Run& run) {
  const v1::PhaseSummary& step = run.step();
  if (!step.has_median_ns()) return "";
  const std::string median = "median " + Significant(step.median_ns() / 1e6, 5) + " ms";
  return step.has_cv() ? Unbroken(median + ",") + " " + Unbroken("CV " + Percent(step.cv()))
                       : Unbroken(median);
}

std::string StepsCard(const ReportRun& run, const std::string& name) {
  const std::string chart = StepChart(run);
  if (chart.empty()) return "";
  const std::string verdict = IsOk(run.run) ? VerdictWord(run.run) : StateName(run.run);
  const std::string aside = StepsSummary(run.run);
  return fmt::format("<article><h3>{} {}</h3>\n<p class=\"aside\">{}{}{}</p>\n{}</article>\n",
                     Html(run.run.run_id()), Html(name), verdict.empty() ? "" : HtmlBadge(verdict),
                     aside.empty() ? "" : " ", aside, chart);
}

std::string StepsBody(const Report& report) {
  const std::vector<std::string> names = NamesOf(report.runs);
  std::string cards;
  size_t shown = 0;
  for (; shown < std::min(report.runs.size(), kMostStepCharts); ++shown) {
    cards += StepsCard(report.runs[shown], names[shown]);
  }
  if (cards.empty()) return "";
  const uint64_t more = report.more_runs + (report.runs.size() - shown);
  std::string html = StepsKey() + "<div class=\"cards\">\n" + cards + "</div>\n";
  if (more > 0) {
    html += fmt::format(
        "<p class=\"aside\">{} more run{} with steps: <code>torchlap export --samples</code> has "
        "all of them.</p>\n",
        more, more == 1 ? "" : "s");
  }
  return html;
}

std::string MemoryBody(const Report& report) { return MemoryCharts(report.cells); }

std::string BaselineBody(const Report& report) {
  return report.compared.empty() ? "" : BaselineChart(report.compared);
}

std::string TrendBody(const Report& report) { return TrendCharts(report.trends); }

// ---- device

std::string Rounded(bool known, double value) {
  return known ? fmt::format("{:.0f}", value) : kNotApplicable;
}

std::string Short(bool known, double value) {
  return known ? Significant(value, 3) : kNotApplicable;
}

std::vector<std::string> DeviceRow(const std::string& name, const v1::DeviceSummary& device) {
  std::string energy = Short(device.has_energy_per_step_j(), device.energy_per_step_j());
  if (device.energy_source() == v1::ENERGY_SOURCE_INTEGRATED) energy += " (integrated)";
  return {name,
          energy,
          Short(device.has_energy_per_token_mj(), device.energy_per_token_mj()),
          Rounded(device.has_power_mean_watts(), device.power_mean_watts()),
          Rounded(device.has_power_peak_watts(), device.power_peak_watts()),
          Rounded(device.has_sm_clock_mean_mhz(), device.sm_clock_mean_mhz()),
          Rounded(device.has_sm_clock_peak_mhz(), device.sm_clock_peak_mhz()),
          Rounded(device.has_temperature_mean_celsius(), device.temperature_mean_celsius()),
          Rounded(device.has_temperature_peak_celsius(), device.temperature_peak_celsius())};
}

std::string DeviceBody(const Report& report) {
  const std::vector<std::string> names = CellNames(report.cells);
  Grid grid;
  grid.caption = "Readings of the device over the measured steps";
  grid.titles = {"cell",           "J a step",   "mJ a token", "power (W)", "peak (W)",
                 "SM clock (MHz)", "peak (MHz)", "°C",         "peak (°C)"};
  for (size_t i = 0; i < report.cells.size(); ++i) {
    const v1::DeviceSummary& device = report.cells[i].device_summary();
    if (device.ByteSizeLong() > 0) grid.rows.push_back(DeviceRow(names[i], device));
  }
  return HtmlTable(grid);
}

// ---- environment

std::string EnvironmentName(const DeviceNote& note) {
  const std::string hash = note.run.environment_hash().substr(0, 8);
  return note.run.device() + (hash.empty() ? "" : " (" + hash + ")");
}

// Names of all environments in the order in which they come.
std::vector<std::string> FieldNames(const std::vector<Fields>& all) {
  std::vector<std::string> names;
  for (const Fields& fields : all) {
    for (const auto& [name, value] : fields.values) {
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

std::string ValueOf(const Fields& fields, const std::string& name) {
  for (const auto& [other, value] : fields.values) {
    if (other == name) return value;
  }
  return "";
}

std::string EnvironmentRow(const std::vector<Fields>& all, const std::string& name) {
  bool differs = false;
  std::string cells;
  for (const Fields& fields : all) {
    const std::string value = ValueOf(fields, name);
    differs = differs || value != ValueOf(all.front(), name);
    cells += "<td>" + (value.empty() ? "–" : Html(value)) + "</td>";
  }
  return fmt::format("<tr{}><th scope=\"row\">{}</th>{}</tr>\n",
                     differs ? " class=\"differs\"" : "", Html(name), cells);
}

std::string EnvironmentBody(const Report& report) {
  if (report.environments.empty()) return "";
  std::vector<Fields> all;
  std::string heads;
  for (const DeviceNote& note : report.environments) {
    all.push_back(EnvironmentFields(note.environment));
    heads += "<th scope=\"col\">" + Html(EnvironmentName(note)) + "</th>";
  }
  std::string rows;
  for (const std::string& name : FieldNames(all)) rows += EnvironmentRow(all, name);
  return fmt::format(
      "<div class=\"scroll\" tabindex=\"0\"><table class=\"fields\">\n<caption><span>What was "
      "stable "
      "around the runs{}</span></caption>\n<thead><tr><th "
      "scope=\"col\">what</th>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
      all.size() > 1 ? "; ≠: it differs between them" : "", heads, rows);
}

// ---- again

// Sweeps of the cells, in order.
std::vector<uint64_t> SweepsOf(const std::vector<v1::Run>& cells) {
  std::vector<uint64_t> sweeps;
  for (const v1::Run& cell : cells) {
    const bool is_known = std::find(sweeps.begin(), sweeps.end(), cell.sweep_id()) != sweeps.end();
    if (cell.sweep_id() > 0 && !is_known) sweeps.push_back(cell.sweep_id());
  }
  return sweeps;
}

// A command a cell; cells that differ in nothing that a command says share one.
std::vector<std::string> CellCommands(const std::vector<v1::Run>& cells) {
  std::vector<std::string> commands;
  for (const v1::Run& cell : cells) {
    if (!SubjectOf(cell).has_parameters) continue;
    std::string command = RunCommand(cell);
    if (std::find(commands.begin(), commands.end(), command) == commands.end()) {
      commands.push_back(std::move(command));
    }
  }
  return commands;
}

std::string Commands(const std::vector<std::string>& commands) {
  std::string html = "<pre tabindex=\"0\"><code>";
  for (const std::string& command : commands) html += Html(command) + "\n";
  return html + "</code></pre>\n";
}

std::string AgainBody(const Report& report) {
  std::string html;
  std::vector<std::string> whole;
  for (const uint64_t sweep : SweepsOf(report.cells)) {
    whole.push_back(fmt::format("torchlap rerun sweep:{}", sweep));
    whole.push_back(fmt::format("torchlap export sweep:{0} -o sweep-{0}.csv", sweep));
  }
  if (!whole.empty()) {
    html +=
        "<p>On the machine that has them: all of it again, and all numbers in full "
        "precision.</p>\n" +
        Commands(whole);
  }
  std::vector<std::string> cells = CellCommands(report.cells);
  const size_t all = cells.size();
  cells.resize(std::min(all, kMostCommands));
  if (!cells.empty()) {
    html += "<p>Anywhere, cell by cell" +
            (all > cells.size() ? fmt::format(" (the first {} of {})", cells.size(), all) : "") +
            ":</p>\n" + Commands(cells);
  }
  return html;
}

// ---- page

std::vector<Section> Sections(const Report& report) {
  std::vector<Section> sections = {{"results", "Results", ResultsBody(report)},
                                   {"phases", "Where the time goes", PhasesBody(report)},
                                   {"steps", "Step by step", StepsBody(report)},
                                   {"memory", "Memory", MemoryBody(report)},
                                   {"baseline", "Against your baseline", BaselineBody(report)},
                                   {"trend", "Over time", TrendBody(report)},
                                   {"device", "Power, clock and temperature", DeviceBody(report)},
                                   {"environment", "Environment", EnvironmentBody(report)},
                                   {"again", "How to reproduce", AgainBody(report)}};
  sections.erase(std::remove_if(sections.begin(), sections.end(),
                                [](const Section& section) { return section.body.empty(); }),
                 sections.end());
  return sections;
}

std::string Navigation(const std::vector<Section>& sections) {
  std::string html = "<nav aria-label=\"Sections\"><ul>\n";
  for (const Section& section : sections) {
    html += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", section.id, section.heading);
  }
  return html + "</ul></nav>\n";
}

std::string Whole(const Section& section) {
  return fmt::format(
      "<section id=\"{0}\" aria-labelledby=\"{0}-heading\">\n<h2 "
      "id=\"{0}-heading\">{1}</h2>\n{2}</section>\n",
      section.id, section.heading, section.body);
}

std::string Head(const std::string& title) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; img-src data:\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n"
      "<title>{}</title>\n<style>\n{}{}</style>\n</head>\n",
      Html(title), ReportStyle(), ChartStyle());
}

std::string Footer(const Report& report) {
  return fmt::format(
      "<footer><p>Written by torchlap {}, {}. This page needs no network and no script; ± and "
      "intervals are explained beside each table.</p></footer>\n",
      TORCHLAP_VERSION, Html(MinuteText(report.made_at_ns)));
}

}  // namespace

std::string ReportPage(const Report& report) {
  const std::vector<Section> sections = Sections(report);
  std::string html = Head(report.title);
  html += "<body>\n<a class=\"skip\" href=\"#main\">Skip to the results</a>\n" + ChartPatterns();
  html += "<header>\n<p class=\"eyebrow\">Benchmark report</p>\n<h1>" + Html(report.title) +
          "</h1>\n" + MetaLine(report) + Facts(report.cells) + Navigation(sections) +
          "</header>\n<main id=\"main\" tabindex=\"-1\">\n";
  for (const Section& section : sections) html += Whole(section);
  return html + "</main>\n" + Footer(report) + "</body>\n</html>\n";
}

}  // namespace torchlap::client::format
