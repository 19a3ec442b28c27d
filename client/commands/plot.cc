#include <fmt/format.h>

#include <utility>

#include "client/commands/commands.h"
#include "client/commands/results.h"
#include "client/commands/unreadable.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/gnuplot.h"
#include "client/format/run_plot.h"
#include "client/gnuplot_program.h"
#include "client/output.h"
#include "client/parse_words.h"
#include "client/plot_area.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

constexpr char kScript[] = "gp";

// Where a plot goes, and how.
struct Target {
  std::string file;     // empty: the terminal
  std::string kind;     // what the file's name ends in
  std::string gnuplot;  // the program that draws it; empty: none is needed
};

absl::StatusOr<Target> ParseTarget(const std::string& file) {
  Target target{file, format::EndingOfFile(file), ""};
  if (target.kind == kScript) return target;
  if (format::GnuplotTerminal(target.kind).empty()) {
    return Invalid(fmt::format(
        "-o is {}, must end in .svg, .pdf or .png (drawn by gnuplot), or .gp (script and data)",
        file.empty() ? "''" : file));
  }
  const auto gnuplot = FindGnuplot();
  if (!gnuplot) {
    return absl::FailedPreconditionError(
        "gnuplot is not installed (Debian package gnuplot-nox); -o fig.gp writes its script and "
        "data");
  }
  target.gnuplot = *gnuplot;
  return target;
}

// Makes the file's folder.
absl::StatusOr<Target> ChooseTarget(const std::optional<std::string>& file,
                                    const Console& console) {
  if (!file) return Target{};
  auto target = ParseTarget(*file);
  if (!target.ok()) return target.status();
  if (absl::Status status = CheckWritable(*file, console); !status.ok()) return status;
  return target;
}

// Searches and peaks of a device are no points of a measurement: they are drawn where they are
// named.
v1::ExportRunsRequest BuildRequest(const PlotOptions& options, v1::RunFilter filter) {
  if (options.filter.selectors.empty()) filter.mutable_selector()->set_last(true);
  if (options.filter.selectors.empty() && filter.purposes().empty()) {
    filter.add_purposes(v1::PURPOSE_MEASURE);
    filter.add_purposes(v1::PURPOSE_WARMUP);
  }
  v1::ExportRunsRequest request;
  *request.mutable_filter() = std::move(filter);
  request.set_rows(v1::ROW_KIND_CELL);
  request.set_with_unfinished(true);
  return request;
}

absl::Status PrintPlot(const format::RunPlot& drawing, const Console& console) {
  format::Document document;
  document.blocks = [&] {
    std::vector<format::Block> blocks;
    blocks.emplace_back(format::Drawing{format::DrawPlot(drawing.plot, PlotAreaOf(console))});
    blocks.emplace_back(drawing.notes);
    return blocks;
  };
  document.rows = format::RowsOf({});
  return WriteOutput(Output{}, console, document);
}

absl::StatusOr<std::string> Content(const format::Plot& plot, const Target& target) {
  const std::string script = format::GnuplotScript(plot);
  if (target.gnuplot.empty()) return script;
  return RunGnuplot(target.gnuplot, format::GnuplotTerminal(target.kind) + script);
}

absl::Status WritePlot(const format::RunPlot& drawing, const Target& target,
                       const Console& console) {
  const auto content = Content(drawing.plot, target);
  if (!content.ok()) return content.status();
  if (absl::Status status = WriteFileWhole(target.file, *content); !status.ok()) return status;
  SayLine(console, "wrote " + target.file);
  for (const std::string& note : drawing.notes) SayLine(console, note);
  return absl::OkStatus();
}

format::PlotWords WordsOf(const PlotOptions& options) {
  return {options.x, options.y, options.by, options.log_x, options.log_y, options.title};
}

absl::StatusOr<format::RunPlot> Draw(const PlotOptions& options,
                                     const v1::ExportRunsRequest& request, DaemonChannel* channel) {
  const auto rows = FetchRows(request, channel);
  if (!rows.ok()) return rows.status();
  if (rows->empty()) {
    if (absl::Status damaged = CheckUnreadable(*channel); !damaged.ok()) return damaged;
    return absl::NotFoundError("no run matches");
  }
  return format::PlotRuns(*rows, WordsOf(options));
}

}  // namespace

absl::StatusOr<int> Execute(const PlotOptions& options, const Invocation& invocation) {
  if (absl::Status status = format::CheckPlotWords(WordsOf(options)); !status.ok()) return status;
  auto filter = BuildFilter(options.filter, UnixNowNs());
  if (!filter.ok()) return filter.status();
  const auto target = ChooseTarget(options.file, invocation.console);
  if (!target.ok()) return target.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto drawing = Draw(options, BuildRequest(options, *std::move(filter)), channel->get());
  if (!drawing.ok()) return drawing.status();
  const Console& console = invocation.console;
  const absl::Status written =
      target->file.empty() ? PrintPlot(*drawing, console) : WritePlot(*drawing, *target, console);
  if (!written.ok()) return written;
  SayUnreadable(**channel, console);
  return kExitOk;
}

}  // namespace torchlap::client
