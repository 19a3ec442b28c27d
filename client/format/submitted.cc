#include "client/format/submitted.h"

#include <fmt/format.h>

namespace torchlap::client::format {
namespace {

Sheet SubmittedSheet(const std::vector<v1::SubmitJobsResponse>& responses) {
  Sheet sheet;
  sheet.names = {"sweep_id", "job_id"};
  for (const v1::SubmitJobsResponse& response : responses) {
    for (const uint64_t id : response.job_ids()) {
      sheet.rows.push_back({uint64_t{response.sweep_id()}, uint64_t{id}});
    }
  }
  return sheet;
}

// `sweep:3 jobs 17 18 19`.
std::string SubmittedLine(const v1::SubmitJobsResponse& response) {
  std::string line = fmt::format("sweep:{} {}", response.sweep_id(),
                                 response.job_ids_size() == 1 ? "job" : "jobs");
  for (const uint64_t id : response.job_ids()) line += fmt::format(" {}", id);
  return line;
}

Lines SubmittedLines(const std::vector<v1::SubmitJobsResponse>& responses) {
  Lines lines;
  for (const v1::SubmitJobsResponse& response : responses) {
    lines.push_back(SubmittedLine(response));
  }
  return lines;
}

}  // namespace

Document ShowSubmitted(const std::vector<v1::SubmitJobsResponse>& responses) {
  Document document;
  document.blocks = [responses] { return std::vector<Block>{SubmittedLines(responses)}; };
  document.paragraphs = [responses] { return std::vector<Lines>{SubmittedLines(responses)}; };
  document.rows = RowsOf(SubmittedSheet(responses));
  return document;
}

Document ShowSubmitted(const v1::SubmitJobsResponse& response) {
  Document document = ShowSubmitted(std::vector<v1::SubmitJobsResponse>{response});
  document.object = SubmittedObject(response);
  document.object_is_short = true;
  return document;
}

}  // namespace torchlap::client::format
