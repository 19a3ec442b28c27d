#include "client/format/submitted.h"

#include <fmt/format.h>

namespace torchlap::client::format {
namespace {

Sheet SubmittedSheet(const v1::SubmitJobsResponse& response) {
  Sheet sheet;
  sheet.names = {"sweep_id", "job_id"};
  for (const uint64_t id : response.job_ids()) {
    sheet.rows.push_back({uint64_t{response.sweep_id()}, uint64_t{id}});
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

}  // namespace

Document ShowSubmitted(const v1::SubmitJobsResponse& response) {
  Document document;
  document.blocks = [response] { return std::vector<Block>{Lines{SubmittedLine(response)}}; };
  document.paragraphs = [response] { return std::vector<Lines>{{SubmittedLine(response)}}; };
  document.rows = RowsOf(SubmittedSheet(response));
  document.object = SubmittedObject(response);
  document.object_is_short = true;
  return document;
}

}  // namespace torchlap::client::format
