#include "client/format/sql.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/close_names.h"
#include "client/commands/commands.h"
#include "client/commands/sql_result.h"
#include "client/exit_code.h"
#include "client/value_list.h"
#include "proto/base/visible_text.h"
#include "proto/sql_views.h"

namespace torchlap::client {
namespace {

constexpr uint32_t kUsualLimit = 100'000;
constexpr std::string_view kNoColumn = "no such column: ";
constexpr uint64_t kMostRows = 10'000'000;  // of QuerySqlRequest.max_rows

absl::StatusOr<std::string> QueryOf(const SqlOptions& options) {
  const std::string query = options.query.value_or("");
  if (query.empty()) {
    return absl::InvalidArgumentError(
        "sql needs a query: torchlap sql \"select run_id, step_mean_ns from runs\", or - to read "
        "it; --schema shows the views");
  }
  if (query != "-") return query;
  return std::string(std::istreambuf_iterator<char>(std::cin), {});
}

// A query names its columns as it likes.
std::vector<std::string> VisibleNames(const v1::QuerySqlResponse& first) {
  std::vector<std::string> names;
  for (const std::string& name : first.columns()) names.push_back(Visible(name));
  return names;
}

// The parts of a result, of which the first is there already.
class Answer {
 public:
  Answer(SqlResult* result, v1::QuerySqlResponse first)
      : result_(result), names_(VisibleNames(first)) {
    part_ = std::move(first);
  }

  const std::vector<std::string>& names() const { return names_; }
  bool is_cut() const { return is_cut_; }

  // Calls `take` for each row until it returns false. Once. An error: the parts did not all come.
  template <typename Take>
  absl::Status Each(const Take& take) {
    while (part_) {
      for (const v1::SqlRow& row : part_->rows()) {
        ++rows_;
        if (!take(row)) return absl::OkStatus();
      }
      is_cut_ = part_->is_cut();
      auto next = result_->Next();
      if (!next.ok()) return next.status();
      part_ = *std::move(next);
    }
    return absl::OkStatus();
  }

  uint64_t rows() const { return rows_; }

 private:
  SqlResult* const result_;
  const std::vector<std::string> names_;
  std::optional<v1::QuerySqlResponse> part_;
  uint64_t rows_ = 0;
  bool is_cut_ = false;
};

// A table for people has no row before the last has come: as many as --limit lets through.
absl::StatusOr<format::Document> Gathered(Answer* answer) {
  std::vector<v1::SqlRow> rows;
  const absl::Status status = answer->Each([&rows](const v1::SqlRow& row) {
    rows.push_back(row);
    return true;
  });
  if (!status.ok()) return status;
  format::Document document;
  document.blocks = [names = answer->names(), rows = std::move(rows)] {
    return rows.empty() ? std::vector<format::Block>{format::Lines{"no rows"}}
                        : std::vector<format::Block>{format::ResultGrid(names, rows)};
  };
  return document;
}

absl::Status EachRow(Answer* answer, const format::Rows::Take& take) {
  std::vector<format::Value> values;
  return answer->Each([&](const v1::SqlRow& row) {
    values.clear();
    for (const v1::SqlValue& value : row.values()) values.push_back(format::ValueOf(value));
    values.resize(answer->names().size());
    return take(values);
  });
}

// An error of the answer is one of the rows, so that nothing is written of it.
format::Document AsItComes(Answer* answer) {
  format::Document document;
  document.rows.names = answer->names();
  document.rows.each = [answer](const format::Rows::Take& take) { return EachRow(answer, take); };
  return document;
}

absl::StatusOr<format::Document> DocumentFor(const format::Format& format, Answer* answer) {
  if (format.rows == v1::ROW_KIND_CELL) return Gathered(answer);
  return AsItComes(answer);
}

// `step_median` of `no such column: r.step_median, at character 8`; empty: it says something else.
std::string UnknownColumn(std::string_view message) {
  const size_t at = message.find(kNoColumn);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = message.substr(at + kNoColumn.size());
  const std::string_view name = rest.substr(0, rest.find(','));
  return std::string(name.substr(name.rfind('.') + 1));
}

// Whether the query has it as a word of its own.
bool HasWord(const std::string& query, const std::string& word) {
  const auto is_part = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  for (size_t at = query.find(word); at != std::string::npos; at = query.find(word, at + 1)) {
    const size_t end = at + word.size();
    const bool begins = at == 0 || !is_part(query[at - 1]);
    if (begins && (end == query.size() || !is_part(query[end]))) return true;
  }
  return false;
}

std::vector<const SqlView*> ViewsIn(const std::string& query) {
  const std::string small = absl::AsciiStrToLower(query);
  std::vector<const SqlView*> views;
  for (const SqlView& view : SqlViews()) {
    if (HasWord(small, view.name)) views.push_back(&view);
  }
  return views;
}

// `the query: means has no warmup_steps, at character 8` where one view can be meant.
std::string OfItsView(std::string message, const std::string& unknown,
                      const std::vector<const SqlView*>& views) {
  const size_t at = message.find(kNoColumn);
  if (views.size() != 1 || at == std::string::npos) return message;
  const size_t end = std::min(message.find(',', at), message.size());
  return message.replace(at, end - at, fmt::format("{} has no {}", views.front()->name, unknown));
}

// With the columns that may have been meant: of the views in the query, where it names some.
absl::Status WithCloseColumns(const absl::Status& status, const std::string& query) {
  std::string message(status.message());
  const std::string unknown = UnknownColumn(message);
  if (unknown.empty()) return status;
  const std::vector<const SqlView*> views = ViewsIn(query);
  std::vector<std::string> names;
  for (const SqlView& view : SqlViews()) {
    const bool is_meant =
        views.empty() || std::find(views.begin(), views.end(), &view) != views.end();
    for (const SqlColumn& column : view.columns) {
      if (is_meant && column.name != unknown) names.push_back(column.name);
    }
  }
  message = OfItsView(std::move(message), unknown, views);
  return absl::Status(status.code(), message + CloseNames(unknown, names));
}

absl::Status Write(const std::string& query, SqlResult* result, const Output& output,
                   const Console& console) {
  auto first = result->Next();
  if (!first.ok()) return WithCloseColumns(first.status(), query);
  if (!*first) return absl::InternalError("the daemon ended the answer before it began");
  Answer answer(result, **std::move(first));
  const auto document = DocumentFor(*output.format, &answer);
  if (!document.ok()) return document.status();
  const absl::Status written = WriteOutput(output, console, *document);
  if (!written.ok()) return written;
  if (answer.is_cut()) {
    SayLine(console, fmt::format("{} rows are shown, there are more; --limit {} shows more",
                                 answer.rows(), std::min(10 * answer.rows(), kMostRows)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<int> Execute(const SqlOptions& options, const Invocation& invocation) {
  auto limit = ParseLimit(options.limit, kUsualLimit);
  if (!limit.ok()) return limit.status();
  auto output = ChooseOutput(options.output, format::Content::kList);
  if (!output.ok()) return output.status();
  if (options.schema) {
    const absl::Status shown = WriteOutput(*output, invocation.console, format::ListSqlViews());
    return shown.ok() ? absl::StatusOr<int>(kExitOk) : shown;
  }
  auto query = QueryOf(options);
  if (!query.ok()) return query.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();

  v1::QuerySqlRequest request;
  request.set_sql(*query);
  request.set_max_rows(*limit);
  SqlResult result(channel->get(), std::move(request));
  const absl::Status written = Write(*query, &result, *output, invocation.console);
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
