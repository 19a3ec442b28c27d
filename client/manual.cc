#include "client/manual.h"

#include <algorithm>
#include <cctype>

#include "client/arguments.h"
#include "client/help_topics.h"
#include "proto/base/man_page.h"

namespace torchlap::client {
namespace {

// What CLI11 calls the group of flags that were put into none.
constexpr char kNoGroup[] = "Options";

// `exit-codes` -> `EXIT CODES`
std::string SectionTitle(std::string topic) {
  std::transform(topic.begin(), topic.end(), topic.begin(), [](unsigned char c) {
    return c == '-' ? ' ' : static_cast<char>(std::toupper(c));
  });
  return topic;
}

void AddFlags(const CommandWords& command, ManPage* page) {
  std::string group = kNoGroup;
  for (const FlagWords& flag : command.flags) {
    const bool is_told = !command.name.empty() && flag.names.front() == "--help";
    if (is_told) continue;  // by the flags of all commands
    if (flag.group != group) page->Caption(group = flag.group);
    page->Flag(flag.names, flag.type, flag.help);
  }
}

// `torchlap compare [OPTIONS] [A B...]`, as the help's usage has it.
std::string UsageOf(const CommandWords& command) {
  std::string usage = "torchlap " + command.name + " [OPTIONS]";
  for (const FlagWords& word : command.positionals) {
    usage += " [" + word.names.front() + (word.is_list ? "...]" : "]");
  }
  return usage;
}

void AddCommand(const CommandWords& command, ManPage* page) {
  page->Subsection(command.name);
  page->Paragraph(UsageOf(command));
  page->Paragraph(command.description);
  for (const FlagWords& word : command.positionals) {
    page->Placeholder(word.names.front(), word.help);
  }
  AddFlags(command, page);
  if (!command.footer.empty()) page->Paragraph(command.footer);
}

}  // namespace

std::string ManualPage() {
  ManPage page("torchlap", 1, "torchlap " TORCHLAP_VERSION,
               "benchmarks of Transformer language models on a shared machine");
  const std::vector<CommandWords> commands = AllCommands();
  page.Section("SYNOPSIS");
  page.Paragraph("torchlap [--address ADDR] COMMAND [OPTIONS] [WORD...]");
  page.Section("DESCRIPTION");
  page.Paragraph(
      "The client of torchlapd(1), which queues and measures. torchlap help COMMAND, or "
      "COMMAND --help, shows the part of this page that is about a command; torchlap help TOPIC "
      "one of its last sections.");
  page.Section("OPTIONS");
  AddFlags(commands.front(), &page);
  page.Section("COMMANDS");
  for (const CommandWords& command : commands) {
    if (!command.name.empty()) AddCommand(command, &page);
  }
  for (const std::string& topic : HelpTopics()) {
    page.Section(SectionTitle(topic));
    page.Verbatim(HelpOnTopic(topic).value_or(""));
  }
  page.Section("ENVIRONMENT");
  page.Flag({"TORCHLAP_ADDRESS"}, "", "where the daemon is, as --address has it");
  page.Section("SEE ALSO");
  page.Paragraph("torchlapd(1)");
  return page.text();
}

}  // namespace torchlap::client
