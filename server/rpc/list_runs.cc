#include "server/rpc/list_runs.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "server/rpc/job_choice.h"
#include "server/rpc/page_size.h"
#include "server/rpc/text_check.h"

namespace torchlap::rpc {
namespace {

constexpr uint32_t kDefaultPage = 50;

}  // namespace

absl::Status ListRuns::Answer(const storage::Caller& caller, const v1::ListRunsRequest& request,
                              v1::ListRunsResponse* response) const {
  if (absl::Status texts = CheckTexts(request.filter()); !texts.ok()) return texts;
  const auto selected = ChosenOrAll(*jobs_, caller, request.filter().selector());
  if (!selected.ok()) return selected.status();
  const auto size = PageSize(request.page_size(), kDefaultPage);
  if (!size.ok()) return size.status();
  const auto list = [&](uint32_t rows) {
    return runs_->List(request.filter(), *selected, request.ascending(), rows,
                       request.page_token());
  };
  auto page = list(*size);
  if (!page.ok()) return page.status();
  // The token is of the last row: what is cut is listed anew.
  const size_t fitting = RowsThatFit(page->runs);
  if (fitting < static_cast<size_t>(page->runs.size())) page = list(static_cast<uint32_t>(fitting));
  if (!page.ok()) return page.status();
  response->mutable_runs()->Swap(&page->runs);
  response->set_next_page_token(page->next_page_token);
  response->set_unreadable_runs(page->unreadable);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
