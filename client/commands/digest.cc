#include "client/format/digest.h"

#include "client/commands/commands.h"
#include "client/daemon_channel.h"
#include "client/exit_code.h"
#include "client/parse_words.h"
#include "client/time_words.h"

namespace torchlap::client {
namespace {

absl::StatusOr<v1::GetDigestRequest> RequestOf(const DigestOptions& options) {
  v1::GetDigestRequest request;
  request.set_user(options.user.value_or(""));
  if (!options.since) return request;
  const int64_t now_ns = UnixNowNs();
  const auto since = ParseTime("--since", *options.since, now_ns);
  if (!since.ok()) return since.status();
  if (*since > now_ns) return Invalid("--since is " + *options.since + ", must not be to come");
  request.set_since_ns(*since);
  return request;
}

}  // namespace

absl::StatusOr<int> Execute(const DigestOptions& options, const Invocation& invocation) {
  const auto request = RequestOf(options);
  if (!request.ok()) return request.status();
  auto output = ChooseOutput(options.output, format::Content::kDetails);
  if (!output.ok()) return output.status();
  auto channel = DaemonChannel::Open(invocation.address);
  if (!channel.ok()) return channel.status();
  const auto response = (*channel)->GetDigest(*request);
  if (!response.ok()) return response.status();
  const absl::Status written =
      WriteOutput(*output, invocation.console, format::ShowDigest(*response));
  if (!written.ok()) return written;
  return kExitOk;
}

}  // namespace torchlap::client
