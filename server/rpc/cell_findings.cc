#include "server/rpc/cell_findings.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <string>
#include <utility>

#include "proto/words.h"
#include "server/rpc/text_check.h"
#include "storage/finding_store.h"
#include "storage/visibility.h"

namespace torchlap::rpc {
namespace {

constexpr size_t kMostWhy = 500;

absl::Status CheckState(int state) {
  if (state > v1::CELL_FINDING_STATE_UNSPECIFIED && v1::CellFindingState_IsValid(state)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("state is {}, must be one of {}", state, Words<v1::CellFindingState>()));
}

absl::Status CheckWhy(const std::string& why) {
  if (absl::Status text = CheckText("why", why); !text.ok()) return text;
  return CheckLength("why", why, kMostWhy);
}

// All but fixed, unless states are named.
absl::StatusOr<std::vector<v1::CellFindingState>> StatesOf(const v1::ListFindingsRequest& request) {
  std::vector<v1::CellFindingState> states;
  for (const int state : request.states()) {
    if (absl::Status valid = CheckState(state); !valid.ok()) return valid;
    states.push_back(static_cast<v1::CellFindingState>(state));
  }
  if (!states.empty()) return states;
  return std::vector<v1::CellFindingState>{v1::CELL_FINDING_NEW, v1::CELL_FINDING_IGNORED,
                                           v1::CELL_FINDING_CONFIRMED};
}

}  // namespace

absl::Status ListFindings::Answer(const storage::Caller& caller,
                                  const v1::ListFindingsRequest& request,
                                  v1::ListFindingsResponse* response) const {
  if (absl::Status texts = CheckTexts(request); !texts.ok()) return texts;
  auto states = StatesOf(request);
  if (!states.ok()) return states.status();
  storage::FindingFilter filter;
  filter.states = *std::move(states);
  filter.user = request.user();
  filter.only_owner = storage::OnlyOwner(caller);
  filter.since_ns = request.since_ns();
  auto list = storage::FindingStore(database_).List(filter);
  if (!list.ok()) return list.status();
  for (v1::CellFinding& finding : list->findings) *response->add_findings() = std::move(finding);
  response->set_is_cut(list->is_cut);
  return absl::OkStatus();
}

absl::Status SetFinding::Answer(const storage::Caller& caller, const v1::SetFindingRequest& request,
                                v1::SetFindingResponse* response) const {
  if (absl::Status state = CheckState(request.state()); !state.ok()) return state;
  if (absl::Status why = CheckWhy(request.why()); !why.ok()) return why;
  auto finding = storage::FindingStore(database_).Set(request.finding_id(), request.state(),
                                                      request.why(), caller, clock_->WallNs());
  if (!finding.ok()) return finding.status();
  spdlog::info("{} set finding {} to {}", caller.name, request.finding_id(),
               std::string(Word(request.state())));
  *response->mutable_finding() = *std::move(finding);
  return absl::OkStatus();
}

}  // namespace torchlap::rpc
