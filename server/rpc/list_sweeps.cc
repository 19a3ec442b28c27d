#include "server/rpc/list_sweeps.h"

#include <utility>

#include "server/rpc/page_size.h"
#include "server/rpc/text_check.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

constexpr uint32_t kDefaultPage = 50;

}  // namespace

absl::Status ListSweeps::Answer(const storage::Caller& caller, const v1::ListSweepsRequest& request,
                                v1::ListSweepsResponse* response) const {
  if (absl::Status user = CheckText("user", request.user()); !user.ok()) return user;
  const auto size = PageSize(request.page_size(), kDefaultPage);
  if (!size.ok()) return size.status();
  auto page = sweeps_.List(request.user(), *size, request.page_token(), storage::OnlyOwner(caller));
  if (!page.ok()) return page.status();
  for (v1::Sweep& sweep : page->sweeps) *response->add_sweeps() = std::move(sweep);
  response->set_next_page_token(page->next_page_token);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
