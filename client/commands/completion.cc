#include "client/completion.h"

#include <fmt/format.h>

#include <chrono>

#include "client/commands/commands.h"
#include "client/commands/known_words.h"
#include "client/exit_code.h"

namespace torchlap::client {
namespace {

// Somebody waits for it with a finger on the key.
constexpr std::chrono::milliseconds kPatience{100};

// What is typed may name another daemon.
std::string AddressOf(const CompletionOptions& options, const Invocation& invocation) {
  const auto& words = options.words;
  const bool names_one = words.size() > 2 && words.front() == "--address";
  return names_one ? words[1] : invocation.address;
}

int PrintWords(const CompletionOptions& options, const Invocation& invocation) {
  const std::string address = AddressOf(options, invocation);
  const auto ask = [&address](Known known) { return AskDaemon(address, known, kPatience); };
  for (const std::string& word : CompleteWords(options.words, ask)) {
    *invocation.console.out << word << '\n';
  }
  return kExitOk;
}

}  // namespace

absl::StatusOr<int> Execute(const CompletionOptions& options, const Invocation& invocation) {
  if (options.shell == "words") return PrintWords(options, invocation);
  const auto script = CompletionScript(options.shell);
  if (!script) {
    return absl::InvalidArgumentError(
        options.shell.empty()
            ? "completion needs a shell: bash, zsh or fish"
            : fmt::format("shell is {}, must be bash, zsh or fish", options.shell));
  }
  if (!options.words.empty()) {
    return absl::InvalidArgumentError(fmt::format("completion takes one shell, got {} and {}",
                                                  options.shell, options.words.front()));
  }
  *invocation.console.out << *script;
  return kExitOk;
}

}  // namespace torchlap::client
