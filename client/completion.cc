#include "client/completion.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <string_view>
#include <utility>

#include "client/arguments.h"
#include "client/column_list.h"
#include "client/commands/compare_words.h"
#include "client/format/run_plot.h"
#include "client/help_topics.h"
#include "client/pivot.h"
#include "client/value_list.h"

namespace torchlap::client {
namespace {

using Words = std::vector<std::string>;

constexpr char kLabelSelector[] = "label:";

bool IsFlag(const std::string& word) { return word.size() > 1 && word.front() == '-'; }

bool IsPlain(const std::string& word) {
  const bool has_letter =
      std::any_of(word.begin(), word.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
  return has_letter && std::all_of(word.begin(), word.end(), [](unsigned char c) {
           return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
         });
}

// `newest (default)` -> `newest`
std::string WithoutRemark(std::string text) {
  const size_t remark = text.rfind(" (");
  if (remark != std::string::npos && text.back() == ')') text.resize(remark);
  return text;
}

// `fp32, tf32, bf16`, also behind `what it is: ` and before ` (remark)` or `; remark`: the parts. A
// remark in brackets that has commas itself is gone with them.
Words ListOf(const std::string& help) {
  std::string text = help.substr(0, help.find("; "));
  if (const size_t colon = text.rfind(": "); colon != std::string::npos) text.erase(0, colon + 2);
  text = WithoutRemark(std::move(text));
  Words parts;
  for (std::string part : SplitAt(',', text)) {
    if (!part.empty() && part.front() == ' ') part.erase(0, 1);
    parts.push_back(WithoutRemark(std::move(part)));
  }
  return parts;
}

// The words that a flag takes, where its help is the list of them.
Words ListedValues(const std::string& help) {
  Words values = ListOf(help);
  const bool is_list = values.size() > 1 && std::all_of(values.begin(), values.end(), IsPlain);
  return is_list ? values : Words();
}

void Append(const Words& more, Words* words) {
  words->insert(words->end(), more.begin(), more.end());
}

// `label:k=v`. There may be many, and to know them takes a call of its own: only for whoever has
// begun one.
Words LabelSelectors(const AskKnown& ask) {
  Words words = ask(Known::kLabels);
  for (std::string& word : words) word = kLabelSelector + word;
  return words;
}

// As help lists them; where it has no sweep among them, as of one run, there is none.
Words SelectorWords(const std::string& help, const std::string& begun, const AskKnown& ask) {
  if (help.find("sweep:") == std::string::npos) return {};
  if (begun.rfind(kLabelSelector, 0) == 0) return LabelSelectors(ask);
  Words words = ask(Known::kSelectors);
  for (const std::string& part : ListOf(help)) {
    const bool is_word =
        std::all_of(part.begin(), part.end(), [](unsigned char c) { return std::islower(c) != 0; });
    if (is_word && !part.empty()) words.push_back(part);
  }
  return words;
}

bool HasName(const FlagWords& flag, const std::string& name) {
  return std::find(flag.names.begin(), flag.names.end(), name) != flag.names.end();
}

// `label:card`, as compare takes it.
Words LabelAxes(const AskKnown& ask) {
  Words axes;
  for (const std::string& label : ask(Known::kLabels)) {
    std::string axis = kLabelSelector + label.substr(0, label.find('='));
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) axes.push_back(std::move(axis));
  }
  return axes;
}

Words AxesOf(const std::string& command, const std::string& begun, const AskKnown& ask) {
  if (command == "plot") return format::PlotAxisNames();
  return begun.rfind(kLabelSelector, 0) == 0 ? LabelAxes(ask) : CompareAxisNames();
}

Words AxesAndColumns() {
  Words names = format::PlotAxisNames();
  Append(format::PlotColumnNames(), &names);
  return names;
}

// Of flags whose values are more than a line of help has room for, or stand within its words.
Words UnlistedValues(const std::string& command, const FlagWords& flag, const std::string& begun,
                     const AskKnown& ask) {
  if (HasName(flag, "--by")) return AxesOf(command, begun, ask);
  if (HasName(flag, "--x")) return AxesAndColumns();
  if (HasName(flag, "--y")) return format::PlotColumnNames();
  if (HasName(flag, "--pivot")) return PivotParts();
  if (HasName(flag, "--columns")) return ColumnNames();
  if (HasName(flag, "--min-effect")) return {"learned"};
  return {};
}

// What stands in small letters in a usage is typed as it is.
bool IsLiteral(const std::string& word) {
  return !word.empty() && std::islower(static_cast<unsigned char>(word.front())) != 0;
}

Words ValuesOf(const std::string& command, const FlagWords& flag, const std::string& begun,
               const AskKnown& ask) {
  if (HasName(flag, "--model-size")) return ask(Known::kPresets);
  if (HasName(flag, "--label")) return ask(Known::kLabels);
  if (flag.type == "SELECTOR") return SelectorWords("sweep:3, last", begun, ask);
  if (IsLiteral(flag.type)) return {flag.type};
  Words values = ListedValues(flag.help);
  if (values.empty()) values = UnlistedValues(command, flag, begun, ask);
  if (HasName(flag, "--device")) {
    values = ask(Known::kDevices);
    Append({"cpu", "cuda", "any"}, &values);
  }
  return values;
}

// The name of a positional word tells what it may be.
bool IsSelector(const std::string& name) {
  return name.rfind("SELECTOR", 0) == 0 || name == "ID" || name.rfind("A ", 0) == 0;
}

// ` add FILE `: its words.
Words FormOf(const std::string& text) {
  Words words;
  for (std::string& word : SplitAt(' ', text)) {
    if (!word.empty()) words.push_back(std::move(word));
  }
  return words;
}

// Whether the words can be the first ones of the form, and it has one more.
bool GoesOn(const Words& form, const Words& before) {
  if (before.size() >= form.size()) return false;
  return std::equal(before.begin(), before.end(), form.begin(),
                    [](const std::string& word, const std::string& place) {
                      return !IsLiteral(place) || word == place;
                    });
}

// `check FILE | add FILE | list | remove NAME`: what may stand behind the words before. The list
// in the help is of the last place of a form.
Words FormValues(const FlagWords& usage, const Words& before, const AskKnown& ask) {
  Words values;
  for (const std::string& text : SplitAt('|', usage.names.front())) {
    const Words form = FormOf(text);
    if (!GoesOn(form, before)) continue;
    const std::string& next = form[before.size()];
    if (IsLiteral(next)) {
      values.push_back(next);
    } else if (next == "NAME") {
      Append(ask(Known::kSuites), &values);
    } else if (before.size() + 1 == form.size()) {
      Append(ListedValues(usage.help), &values);
    }
  }
  return values;
}

Words PositionalValues(const CommandWords& command, const Words& before, const std::string& begun,
                       const AskKnown& ask) {
  size_t place = before.size();
  for (const FlagWords& one : command.positionals) {
    if (IsLiteral(one.names.front())) return FormValues(one, before, ask);
    if (!one.is_list && place > 0) {
      --place;
      continue;
    }
    return IsSelector(one.names.front()) ? SelectorWords(one.help, begun, ask)
                                         : ListedValues(one.help);
  }
  return {};
}

const FlagWords* FlagOf(const CommandWords& command, const std::string& name) {
  const auto place = std::find_if(command.flags.begin(), command.flags.end(),
                                  [&name](const FlagWords& flag) { return HasName(flag, name); });
  return place == command.flags.end() ? nullptr : &*place;
}

// Those that begin with the word; of a comma list with its last part.
Words Begun(const Words& candidates, const std::string& word) {
  const size_t comma = word.rfind(',');
  const size_t kept = comma == std::string::npos ? 0 : comma + 1;
  Words begun;
  for (const std::string& candidate : candidates) {
    if (candidate.rfind(word.substr(kept), 0) == 0) {
      begun.push_back(word.substr(0, kept) + candidate);
    }
  }
  return begun;
}

// The words before the last that are neither flags nor their values.
Words PlainBefore(const CommandWords& command, const Words& words) {
  Words plain;
  bool is_value = false;
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const FlagWords* flag = IsFlag(words[i]) ? FlagOf(command, words[i]) : nullptr;
    if (!is_value && !IsFlag(words[i])) plain.push_back(words[i]);
    is_value = !is_value && flag != nullptr && !flag->type.empty();
  }
  return plain;
}

// The flag whose value the last word is: the one before it, or, of a flag that takes several, the
// last one before it. Null: none.
const FlagWords* FlagInForce(const CommandWords& command, const Words& words) {
  for (size_t i = words.size() - 1; i-- > 0;) {
    if (!IsFlag(words[i])) continue;
    const FlagWords* flag = FlagOf(command, words[i]);
    if (flag == nullptr || flag->type.empty()) return nullptr;
    const bool is_next = i + 2 == words.size();
    return is_next || flag->type == "VALUE..." ? flag : nullptr;
  }
  return nullptr;
}

Words FlagNames(const CommandWords& command) {
  Words names;
  for (const FlagWords& flag : command.flags) {
    names.insert(names.end(), flag.names.begin(), flag.names.end());
  }
  return names;
}

// `--format=c`
Words CompleteAssignment(const CommandWords& command, const std::string& word,
                         const AskKnown& ask) {
  const size_t equals = word.find('=');
  const FlagWords* flag = FlagOf(command, word.substr(0, equals));
  if (flag == nullptr) return {};
  const std::string begun = word.substr(equals + 1);
  Words words = Begun(ValuesOf(command.name, *flag, begun, ask), begun);
  for (std::string& value : words) value = word.substr(0, equals + 1) + value;
  return words;
}

Words CompleteOf(const CommandWords& command, const Words& words, const AskKnown& ask) {
  const std::string& word = words.back();
  const FlagWords* flag = FlagInForce(command, words);
  const bool is_flag = !word.empty() && word.front() == '-';
  if (is_flag && (flag == nullptr || flag->type == "VALUE...")) {
    return word.find('=') == std::string::npos ? Begun(FlagNames(command), word)
                                               : CompleteAssignment(command, word, ask);
  }
  const Words values = flag == nullptr
                           ? PositionalValues(command, PlainBefore(command, words), word, ask)
                           : ValuesOf(command.name, *flag, word, ask);
  return Begun(values, word);
}

// Where the command stands, or would: behind the words that are there, one further where a flag
// still waits for its value.
size_t CommandPlace(const CommandWords& globals, const Words& words) {
  size_t place = 0;
  while (place < words.size() && IsFlag(words[place])) {
    const FlagWords* flag = FlagOf(globals, words[place]);
    place += flag != nullptr && !flag->type.empty() ? 2 : 1;
  }
  return place;
}

Words NamesOf(const std::vector<CommandWords>& commands) {
  Words names;
  for (const CommandWords& command : commands) {
    if (!command.name.empty()) names.push_back(command.name);
  }
  return names;
}

Words HelpWords(const std::vector<CommandWords>& commands) {
  Words names = NamesOf(commands);
  const Words topics = HelpTopics();
  names.insert(names.end(), topics.begin(), topics.end());
  return names;
}

constexpr char kBash[] = R"(# The words of torchlap for bash.
#   once:    source <(torchlap completion bash)
#   always:  torchlap completion bash > ~/.local/share/bash-completion/completions/torchlap
#            (the folder is made by mkdir -p)
_torchlap() {
  local line="${COMP_LINE:0:COMP_POINT}" word current before="" sign
  local -a words
  # COMP_WORDS is split at `:` and `=` too, which are parts of words here.
  read -r -a words <<< "$line"
  if [[ $line == *[[:space:]] ]]; then words+=(""); fi
  current="${words[${#words[@]}-1]}"
  # readline replaces only what follows such a sign.
  for sign in : =; do
    if [[ $COMP_WORDBREAKS == *"$sign"* && ${current#"$before"} == *"$sign"* ]]; then
      before="${current%"${current##*"$sign"}"}"
    fi
  done
  COMPREPLY=()
  while IFS= read -r word; do
    COMPREPLY+=("${word#"$before"}")
  done < <(torchlap completion words -- "${words[@]:1}" 2>/dev/null)
}
complete -o default -o nosort -F _torchlap torchlap
)";

constexpr char kZsh[] = R"(#compdef torchlap
# The words of torchlap for zsh.
#   once:    source <(torchlap completion zsh)
#   always:  torchlap completion zsh > "${fpath[1]}/_torchlap", and start a new shell
_torchlap() {
  local -a found
  # Without the quotes that they stand in.
  found=("${(@f)$(torchlap completion words -- "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  found=("${(@)found:#}")
  if (( ${#found} )); then
    compadd -V torchlap -- "${found[@]}"
  else
    compset -P '--[a-z-]#='
    _files
  fi
}
if [[ ${funcstack[1]} == _torchlap ]]; then
  _torchlap "$@"
else
  compdef _torchlap torchlap
fi
)";

constexpr char kFish[] = R"(# The words of torchlap for fish.
#   once:    torchlap completion fish | source
#   always:  torchlap completion fish > ~/.config/fish/completions/torchlap.fish
function __torchlap_words
    set -l words (commandline -opc)
    # Without the quote that it stands in.
    set -l current (commandline -ct | string trim -l -c \'\")
    set -l found (torchlap completion words -- $words[2..-1] "$current" 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path "$current"
    end
end
complete -c torchlap -f -k -a '(__torchlap_words)'
complete -c torchlap -s o -l output -r -F
)";

}  // namespace

std::vector<std::string> CompleteWords(const Words& words, const AskKnown& ask) {
  if (words.empty()) return {};
  const std::vector<CommandWords> commands = AllCommands();
  const CommandWords& globals = commands.front();
  const std::string& word = words.back();
  const Words before(words.begin(), words.end() - 1);
  const size_t place = CommandPlace(globals, before);
  if (place >= before.size()) {
    const bool is_of_flag = place > before.size() || (!word.empty() && word.front() == '-');
    return is_of_flag ? CompleteOf(globals, words, ask) : Begun(NamesOf(commands), word);
  }
  if (before[place] == "help") return Begun(HelpWords(commands), word);
  const auto command = std::find_if(commands.begin(), commands.end(), [&](const CommandWords& one) {
    return one.name == before[place];
  });
  if (command == commands.end()) return {};
  const auto first = words.begin() + static_cast<std::ptrdiff_t>(place) + 1;
  return CompleteOf(*command, Words(first, words.end()), ask);
}

std::optional<std::string> CompletionScript(const std::string& shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return std::nullopt;
}

}  // namespace torchlap::client
