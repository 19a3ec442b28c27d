#include "client/commands/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "client/commands/chosen_results.h"
#include "client/commands/unreadable.h"
#include "client/format/pivot.h"
#include "client/format/runs.h"
#include "client/format/samples.h"
#include "client/format/width.h"
#include "proto/columns.h"
#include "proto/words.h"

namespace torchlap::client {
namespace {

// False: no more is wanted.
using OnPart = std::function<bool(const v1::ExportRunsResponse&)>;

// Hands on each message. A service that went away before the first one is asked once more.
absl::Status ForEachPart(const v1::ExportRunsRequest& request, DaemonChannel* channel,
                         const OnPart& on_part) {
  bool has_begun = false;
  const auto take = [&](const v1::ExportRunsResponse& part) {
    has_begun = true;
    return on_part(part);
  };
  absl::Status status = channel->ExportRuns(request, take);
  if (absl::IsUnavailable(status) && !has_begun && channel->Reopen().ok()) {
    status = channel->ExportRuns(request, take);
  }
  return status;
}

v1::ExportRunsRequest Request(const v1::RunFilter& filter, v1::RowKind kind) {
  v1::ExportRunsRequest request;
  *request.mutable_filter() = filter;
  request.set_rows(kind);
  request.set_with_unfinished(true);
  return request;
}

// `2 warmup OK, 1 warmup QUEUED`
std::string Counted(const std::map<std::string, uint64_t>& counts) {
  std::string text;
  for (const auto& [what, count] : counts) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, what);
  }
  return text;
}

std::string KindOf(const v1::Run& row) {
  const bool is_finished = row.outcome() != v1::OUTCOME_UNSPECIFIED;
  return fmt::format("{} {}{}", Word(row.purpose()),
                     is_finished ? Word(row.outcome()) : Word(row.job_state()),
                     row.invalid_reason().empty() ? "" : " (invalid)");
}

// Of a selector and labels that no run has.
std::string NoneWords(const v1::RunFilter& filter) {
  const bool is_any = filter.selector().all() || filter.selector().ByteSizeLong() == 0;
  if (filter.labels().empty()) {
    return is_any ? "no run matches: there is none yet" : "no run matches the selector";
  }
  std::set<std::string> labels;
  for (const auto& [key, value] : filter.labels()) labels.insert(key + "=" + value);
  return fmt::format("no run{} has the label{} {}", is_any ? "" : " of the selector",
                     labels.size() == 1 ? "" : "s", fmt::join(labels, ", "));
}

}  // namespace

absl::Status NothingMatches(const v1::RunFilter& filter, DaemonChannel* channel) {
  // Something does, and cannot be shown.
  if (absl::Status damaged = CheckUnreadable(*channel); !damaged.ok()) return damaged;
  v1::RunFilter chosen;
  *chosen.mutable_selector() = filter.selector();
  *chosen.mutable_labels() = filter.labels();
  chosen.set_include_invalid(true);
  std::map<std::string, uint64_t> counts;
  const absl::Status status = ForEachPart(Request(chosen, v1::ROW_KIND_RUN), channel,
                                          [&counts](const v1::ExportRunsResponse& part) {
                                            for (const v1::Run& row : part.rows())
                                              ++counts[KindOf(row)];
                                            return true;
                                          });
  if (!status.ok()) return status;
  if (counts.empty()) return absl::NotFoundError(NoneWords(filter));
  return absl::NotFoundError(
      fmt::format("no run matches; without the filters there are: {}", Counted(counts)));
}

namespace {

// Rows that are asked for when the format takes them.
format::Rows RowsAsTheyCome(const v1::RunFilter& filter, const std::vector<RunColumn>& columns,
                            DaemonChannel* channel) {
  format::Rows rows;
  for (const RunColumn& column : columns) rows.names.push_back(column.shown_name);
  rows.each = [filter, columns, channel](const format::Rows::Take& take) {
    format::RunValues values(columns);
    bool is_empty = true;
    const auto take_part = [&](const v1::ExportRunsResponse& part) {
      is_empty = is_empty && part.rows().empty();
      return std::all_of(part.rows().begin(), part.rows().end(),
                         [&](const v1::Run& run) { return take(values.Of(run)); });
    };
    v1::ExportRunsRequest request = Request(filter, v1::ROW_KIND_RUN);
    request.set_without_assessment(true);  // it is no column
    const absl::Status status = ForEachPart(request, channel, take_part);
    return status.ok() && is_empty ? NothingMatches(filter, channel) : status;
  };
  return rows;
}

bool IsForPeople(const Output& output) { return output.format->rows == v1::ROW_KIND_CELL; }

bool IsExperiment(v1::Purpose purpose) {
  return purpose == v1::PURPOSE_WARMUP || purpose == v1::PURPOSE_FIT ||
         purpose == v1::PURPOSE_CALIBRATE;
}

// By its first job, as the jobs of a submit are of one purpose. A selector without jobs (all,
// labels, runs) is none.
bool BeginsWithExperiment(const v1::RunFilter& filter, DaemonChannel* channel) {
  v1::ListJobsRequest request;
  *request.mutable_selector() = filter.selector();
  if (filter.selector().all() || request.selector().ByteSizeLong() == 0) return false;
  request.set_page_size(1);
  const auto jobs = channel->ListJobs(request);
  return jobs.ok() && jobs->jobs_size() > 0 && IsExperiment(jobs->jobs(0).spec().purpose());
}

// NOT_FOUND where there is none.
absl::StatusOr<std::vector<v1::Run>> FetchCells(const v1::RunFilter& filter,
                                                DaemonChannel* channel) {
  auto cells = FetchRows(Request(filter, v1::ROW_KIND_CELL), channel);
  if (cells.ok() && cells->empty()) return NothingMatches(filter, channel);
  return cells;
}

// `17.1`, `17.7 (of 7 launches)`
std::string SourceOf(const v1::Run& cell) {
  if (cell.pooled_launches() <= 1) return cell.run_id();
  return fmt::format("{} (of {} launches)", cell.run_id(), cell.pooled_launches());
}

// Where each number of a text can be looked up again.
std::function<format::Lines()> SourcesOf(const std::vector<v1::Run>& cells) {
  constexpr size_t kWidth = 98;
  std::vector<std::string> sources;
  for (const v1::Run& cell : cells) {
    if (!cell.run_id().empty()) sources.push_back(SourceOf(cell));
  }
  return [sources] { return format::Wrapped("runs:", sources, kWidth); };
}

absl::StatusOr<format::Document> Gathered(const v1::RunFilter& filter, DaemonChannel* channel) {
  const auto rows = FetchCells(filter, channel);
  if (!rows.ok()) return rows.status();
  auto results = SortResults(*rows, channel);
  if (!results.ok()) return results.status();
  results->find_devices = [channel](const std::vector<v1::Run>& table) {
    return FetchDeviceNotes(table, channel);
  };
  format::Document document = format::ShowResults(*results);
  document.sources = SourcesOf(*rows);
  return document;
}

void Sort(const PlaceOf& place, std::vector<v1::Run>* rows) {
  std::stable_sort(rows->begin(), rows->end(),
                   [&place](const v1::Run& a, const v1::Run& b) { return place(a) < place(b); });
}

// Gathered: what is sorted has no row before the last has come.
format::Rows SortedRows(const v1::RunFilter& filter, const PlaceOf& place, DaemonChannel* channel) {
  format::Rows rows;
  const std::vector<RunColumn>& columns = RunColumns();
  for (const RunColumn& column : columns) rows.names.push_back(column.shown_name);
  rows.each = [filter, place, channel](const format::Rows::Take& take) {
    v1::ExportRunsRequest request = Request(filter, v1::ROW_KIND_RUN);
    request.set_without_assessment(true);  // it is no column
    auto runs = FetchRows(request, channel);
    if (!runs.ok()) return runs.status();
    if (runs->empty()) return NothingMatches(filter, channel);
    Sort(place, &*runs);
    format::RunValues values(RunColumns());
    for (const v1::Run& run : *runs) {
      if (!take(values.Of(run))) break;
    }
    return absl::OkStatus();
  };
  return rows;
}

void AddNote(const format::Lines& note, format::Document* document) {
  if (note.empty()) return;
  document->blocks = [blocks = std::move(document->blocks), note] {
    std::vector<format::Block> all = blocks();
    all.emplace_back(note);
    return all;
  };
  document->paragraphs = [paragraphs = std::move(document->paragraphs), note] {
    std::vector<format::Lines> all = paragraphs();
    all.push_back(note);
    return all;
  };
}

absl::Status WriteAndSay(const Output& output, const Console& console, format::Document document,
                         const DaemonChannel& channel, const Adapt& adapt = nullptr) {
  if (adapt) document = adapt(std::move(document));
  const absl::Status written = WriteOutput(output, console, document);
  if (written.ok()) SayUnreadable(channel, console);
  return written;
}

}  // namespace

absl::StatusOr<std::vector<v1::Run>> FetchRows(const v1::ExportRunsRequest& request,
                                               DaemonChannel* channel) {
  std::vector<v1::Run> rows;
  const absl::Status status =
      ForEachPart(request, channel, [&rows](const v1::ExportRunsResponse& part) {
        rows.insert(rows.end(), part.rows().begin(), part.rows().end());
        return true;
      });
  if (!status.ok()) return status;
  return rows;
}

std::vector<format::DeviceNote> FetchDeviceNotes(const std::vector<v1::Run>& rows,
                                                 DaemonChannel* channel) {
  std::vector<format::DeviceNote> notes = format::NotesOf(format::RowOfEachDevice(rows));
  for (format::DeviceNote& note : notes) {
    v1::GetRunRequest request;
    request.set_run_id(note.run.run_id());
    const absl::Status ignored = channel->GetRun(request, [&note](const v1::GetRunResponse& part) {
      if (part.has_detail()) note.environment = part.detail().environment();
    });
  }
  return notes;
}

// A long history goes through as it comes; what people read is gathered.
absl::Status PrintResults(const v1::RunFilter& filter, const Output& output, const Console& console,
                          DaemonChannel* channel, const Adapt& adapt) {
  format::Document document;
  if (IsForPeople(output) || BeginsWithExperiment(filter, channel)) {
    auto gathered = Gathered(filter, channel);
    if (!gathered.ok()) return gathered.status();
    document = *std::move(gathered);
  }
  document.rows = RowsAsTheyCome(filter, RunColumns(), channel);
  return WriteAndSay(output, console, std::move(document), *channel, adapt);
}

absl::Status PrintResultsAndTable(const v1::RunFilter& filter, const Output& output,
                                  const Console& console, DaemonChannel* channel) {
  if (!ShowsTableToo(output, console)) return PrintResults(filter, output, console, channel);
  const absl::Status printed = PrintResults(filter, WithoutAdvice(output), console, channel);
  return printed.ok() ? PrintResults(filter, Output{}, console, channel) : printed;
}

absl::Status PrintInOrder(const v1::RunFilter& filter, const PlaceOf& place,
                          const format::Lines& note, const Output& output, const Console& console,
                          DaemonChannel* channel) {
  auto cells = FetchCells(filter, channel);
  if (!cells.ok()) return cells.status();
  Sort(place, &*cells);
  format::Document document = format::ShowResults(
      *cells, [cells = *cells, channel] { return FetchDeviceNotes(cells, channel); });
  document.sources = SourcesOf(*cells);
  document.rows = SortedRows(filter, place, channel);
  AddNote(note, &document);
  const absl::Status written = WriteOutputAndTable(output, console, document);
  if (written.ok()) SayUnreadable(*channel, console);
  return written;
}

absl::Status PrintColumns(const v1::RunFilter& filter, const std::vector<RunColumn>& columns,
                          const Output& output, const Console& console, DaemonChannel* channel,
                          const Adapt& adapt) {
  format::Document document;
  if (IsForPeople(output)) {
    const auto cells = FetchCells(filter, channel);
    if (!cells.ok()) return cells.status();
    document = format::ShowColumns(
        *cells, columns, [cells = *cells, channel] { return FetchDeviceNotes(cells, channel); });
    document.sources = SourcesOf(*cells);
  }
  document.rows = RowsAsTheyCome(filter, columns, channel);
  return WriteAndSay(output, console, std::move(document), *channel, adapt);
}

absl::Status PrintPivot(const v1::RunFilter& filter, const Pivot& pivot, const Output& output,
                        const Console& console, DaemonChannel* channel, const Adapt& adapt) {
  const auto cells = FetchCells(filter, channel);
  if (!cells.ok()) return cells.status();
  auto document = format::ShowPivot(
      *cells, pivot, [cells = *cells, channel] { return FetchDeviceNotes(cells, channel); });
  if (!document.ok()) return document.status();
  document->sources = SourcesOf(*cells);
  return WriteAndSay(output, console, *std::move(document), *channel, adapt);
}

absl::Status PrintSamples(const v1::RunFilter& filter, const Output& output, const Console& console,
                          DaemonChannel* channel) {
  format::Document document;
  document.rows.names = format::SampleNames();
  document.rows.each = [filter, channel](const format::Rows::Take& take) {
    v1::ExportRunsRequest request = Request(filter, v1::ROW_KIND_RUN);
    request.set_with_unfinished(false);
    request.set_with_samples(true);
    format::SampleRows rows(take);
    const absl::Status status = ForEachPart(
        request, channel, [&rows](const v1::ExportRunsResponse& part) { return rows.Take(part); });
    if (!status.ok() || rows.count() > 0) return status;
    if (rows.runs() == 0) return NothingMatches(filter, channel);
    return absl::NotFoundError(fmt::format("no steps were measured in the {} run{} chosen",
                                           rows.runs(), rows.runs() == 1 ? "" : "s"));
  };
  return WriteAndSay(output, console, std::move(document), *channel);
}

}  // namespace torchlap::client
