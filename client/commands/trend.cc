#include "client/format/trend.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/commands/commands.h"
#include "client/commands/unreadable.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/min_effect.h"
#include "client/parse_words.h"
#include "client/plot_area.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

// More plots than that hide what is between them.
constexpr int kMostPlots = 4;
constexpr char kStep[] = "step";

absl::StatusOr<v1::Phase> ParsePhase(const std::optional<std::string>& text) {
  if (!text || *text == kStep) return v1::PHASE_UNSPECIFIED;
  const auto phase = ParseWord<v1::Phase>(*text);
  if (phase && *phase != v1::PHASE_BUILD) return *phase;
  return Invalid(
      fmt::format("--phase is {}, must be one of step, forward, loss, backward, optimizer", *text));
}

absl::Status CheckFailOn(const std::optional<std::string>& text) {
  if (!text || *text == kStep) return absl::OkStatus();
  return Invalid(fmt::format("--fail-on is {}, must be step", *text));
}

// What says how to treat runs chooses none.
bool ChoosesRuns(v1::RunFilter filter) {
  filter.clear_exclude_contaminated();
  filter.clear_include_invalid();
  return filter.ByteSizeLong() > 0;
}

absl::StatusOr<v1::GetTrendRequest> BuildRequest(const TrendOptions& options) {
  v1::GetTrendRequest request;
  MinEffect min_effect;
  v1::Phase phase = v1::PHASE_UNSPECIFIED;
  const absl::Status parsed = FirstError({
      Assign(BuildFilter(options.filter, UnixNowNs()), request.mutable_filter()),
      Assign(ParsePhase(options.phase), &phase),
      Assign(ParseMinEffect(options.min_effect), &min_effect),
      CheckFailOn(options.fail_on),
  });
  if (!parsed.ok()) return parsed;
  if (!ChoosesRuns(request.filter())) {
    return Invalid(
        "trend needs a selection or filters, such as: torchlap trend --model-size small --since "
        "30d (all: everything)");
  }
  if (options.include_contaminated && options.filter.exclude_contaminated) {
    return Invalid(
        "--include-contaminated and --exclude-contaminated are both given, must be one of them");
  }
  request.set_phase(phase);
  request.set_min_effect(min_effect.share);
  request.set_learn_min_effect(min_effect.learned);
  request.set_include_contaminated(options.include_contaminated);
  return request;
}

bool Draws(const v1::GetTrendResponse& response, const Output& output, const Console& console) {
  // What is put into a text is its tables.
  if (output.format->has_references) return false;
  const bool is_watched = output.file.empty() && console.out_is_terminal;
  return response.series_size() == 1 || (is_watched && response.series_size() <= kMostPlots);
}

format::TrendView ViewOf(const v1::GetTrendRequest& request, const v1::GetTrendResponse& response,
                         const Output& output, const Console& console) {
  format::TrendView view;
  if (request.phase() != v1::PHASE_UNSPECIFIED) view.phase = Word(request.phase());
  if (Draws(response, output, console)) view.plot = PlotAreaOf(console);
  return view;
}

bool HasStep(const v1::GetTrendResponse& response) {
  return std::any_of(response.series().begin(), response.series().end(),
                     [](const v1::TrendSeries& series) { return series.steps_size() > 0; });
}

}  // namespace

absl::StatusOr<int> Execute(const TrendOptions& options, const Invocation& invocation) {
  auto request = BuildRequest(options);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  auto response = (*channel)->GetTrend(*request);
  if (!response.ok()) return response.status();
  if (response->series().empty()) {
    if (absl::Status damaged = CheckUnreadable(**channel); !damaged.ok()) return damaged;
    return absl::NotFoundError(options.filter.purpose
                                   ? "no run that ended OK matches"
                                   : "no run that ended OK and was made to measure matches");
  }
  const Console& console = invocation.console;
  const absl::Status written =
      WriteOutput(*output, console,
                  format::ShowTrend(*response, ViewOf(*request, *response, *output, console)));
  if (!written.ok()) return written;
  SayUnreadable(**channel, console);
  return options.fail_on && HasStep(*response) ? kExitFailOn : kExitOk;
}

}  // namespace torchlap::client
