#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "client/column_list.h"
#include "client/commands/commands.h"
#include "client/commands/results.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/format/captions.h"
#include "client/parse_words.h"
#include "client/run_command.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

// The latest sweep is what was measured, not how its steps look in a profiler.
void MeanLatestSweep(v1::RunFilter* filter) {
  filter->mutable_selector()->set_last(true);
  if (!filter->purposes().empty()) return;
  for (const v1::Purpose purpose :
       {v1::PURPOSE_MEASURE, v1::PURPOSE_WARMUP, v1::PURPOSE_FIT, v1::PURPOSE_CALIBRATE}) {
    filter->add_purposes(purpose);
  }
}

// A label selects; the flag --label only narrows. What is named is exported, whatever it was for.
bool NamesRuns(const ExportOptions& options) { return !options.filter.selectors.empty(); }

absl::Status CheckTogether(bool first, const char* first_flag, bool second,
                           const char* second_flag) {
  if (!first || !second) return absl::OkStatus();
  return Invalid(
      fmt::format("{} and {} are both given, must be one of them", first_flag, second_flag));
}

// What would not be part of what is written.
absl::Status CheckFlags(const ExportOptions& options) {
  if (options.relative_to && !options.pivot) {
    return Invalid(fmt::format(
        "--relative-to is {} without --pivot, must be with --pivot rows=...,columns=...",
        *options.relative_to));
  }
  return FirstError({
      CheckTogether(options.samples, "--samples", options.pivot.has_value(), "--pivot"),
      CheckTogether(options.samples, "--samples", options.columns.has_value(), "--columns"),
      CheckTogether(options.pivot.has_value(), "--pivot", options.columns.has_value(), "--columns"),
  });
}

// Ends of words for LaTeX and Typst alike.
absl::Status CheckReference(const std::string& name) {
  const auto is_fit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(":-_.").find(c) != std::string_view::npos;
  };
  if (!name.empty() && std::all_of(name.begin(), name.end(), is_fit)) return absl::OkStatus();
  return Invalid(
      fmt::format("--reference is {}, must be of letters, digits and : - _ . as tab:speed",
                  name.empty() ? "''" : name));
}

absl::Status CheckCaption(const ExportOptions& options, const format::Format& format) {
  const bool is_for_people = format.rows == v1::ROW_KIND_CELL;
  if (options.caption && (!is_for_people || options.samples)) {
    return Invalid(
        fmt::format("--caption is given, but --format is {}, which has no captions", format.name));
  }
  if (!options.reference) return absl::OkStatus();
  if (!format.has_references) {
    return Invalid(fmt::format(
        "--reference is given, but --format is {}, must be one to which a text can refer (latex, "
        "typst)",
        format.name));
  }
  return CheckReference(*options.reference);
}

format::Content ContentOf(const ExportOptions& options) {
  if (options.samples) return format::Content::kSamples;
  const bool is_chosen = options.pivot || options.columns;
  return is_chosen ? format::Content::kTable : format::Content::kRuns;
}

std::string CommandLine(const std::vector<std::string>& words) {
  std::string line = "made by: torchlap";
  for (const std::string& word : words) line += " " + ShellWord(word);
  return line;
}

// The caption of the user's own, and who made it.
Adapt AdaptFor(const ExportOptions& options, const Invocation& invocation) {
  return [caption = options.caption.value_or(""), reference = options.reference.value_or(""),
          line = CommandLine(invocation.words)](format::Document document) {
    document.sources = [sources = std::move(document.sources), line] {
      format::Lines lines = sources ? sources() : format::Lines();
      lines.push_back(line);
      return lines;
    };
    // A document for programs has none.
    if (!document.blocks) return document;
    return format::WithCaption(std::move(document), caption, reference);
  };
}

struct Chosen {
  std::optional<Pivot> pivot;
  std::vector<RunColumn> columns;  // empty: what the format has
};

absl::StatusOr<Chosen> ParseChosen(const ExportOptions& options) {
  Chosen chosen;
  auto columns = ParseColumns(options.columns);
  if (!columns.ok()) return columns.status();
  chosen.columns = *std::move(columns);
  if (!options.pivot) return chosen;
  auto pivot = ParsePivot(*options.pivot, options.relative_to);
  if (!pivot.ok()) return pivot.status();
  chosen.pivot = *std::move(pivot);
  return chosen;
}

}  // namespace

absl::StatusOr<int> Execute(const ExportOptions& options, const Invocation& invocation) {
  if (absl::Status checked = CheckFlags(options); !checked.ok()) return checked;
  auto filter = BuildFilter(options.filter, UnixNowNs());
  if (!filter.ok()) return filter.status();
  if (!NamesRuns(options)) MeanLatestSweep(&*filter);
  LeaveOutCanariesOfAll(&*filter);
  const auto chosen = ParseChosen(options);
  if (!chosen.ok()) return chosen.status();
  auto output = ChooseOutput(options.output, ContentOf(options));
  if (!output.ok()) return output.status();
  if (absl::Status checked = CheckCaption(options, *output->format); !checked.ok()) return checked;
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  const Console& console = invocation.console;
  const Adapt adapt = AdaptFor(options, invocation);
  absl::Status printed;
  if (options.samples) {
    printed = PrintSamples(*filter, *output, console, channel->get());
  } else if (chosen->pivot) {
    printed = PrintPivot(*filter, *chosen->pivot, *output, console, channel->get(), adapt);
  } else if (!chosen->columns.empty()) {
    printed = PrintColumns(*filter, chosen->columns, *output, console, channel->get(), adapt);
  } else {
    printed = PrintResults(*filter, *output, console, channel->get(), adapt);
  }
  if (!printed.ok()) return printed;
  return kExitOk;
}

}  // namespace torchlap::client
