#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "tests/attack/siege.h"
#include "tests/attack/target.h"

namespace torchlap::attack {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::seconds;

enum class Plant { kLinkToFile, kLinkToFolder, kLinkToNothing, kFifo };

struct Planted {
  const char* name;
  std::string_view place;  // in the world's folder
  Plant plant;
  bool detaches = false;
  bool may_be_replaced = false;  // what is there is taken away, and nothing else is touched
};

constexpr std::string_view kState = "state/torchlap";
constexpr std::string_view kDatabase = "state/torchlap/torchlap.db";
constexpr std::string_view kSocket = "run/torchlap/torchlapd.sock";
constexpr std::string_view kLog = "state/torchlap/torchlapd.log";

constexpr Planted kPlanted[] = {{"state folder, a link", kState, Plant::kLinkToFolder},
                                {"state folder, a FIFO", kState, Plant::kFifo},
                                {"database, a link", kDatabase, Plant::kLinkToFile},
                                {"database, a link to nothing", kDatabase, Plant::kLinkToNothing},
                                {"database, a FIFO", kDatabase, Plant::kFifo},
                                {"socket, a link", kSocket, Plant::kLinkToFile, false, true},
                                {"socket, a FIFO", kSocket, Plant::kFifo, false, true},
                                {"log, a link", kLog, Plant::kLinkToFile, true},
                                {"log, a FIFO", kLog, Plant::kFifo, true}};

constexpr char kPrecious[] = "somebody else's\n";

// What a link leads to.
struct Victim {
  explicit Victim(const fs::path& folder) : file(folder / "victim"), home(folder / "home") {
    std::ofstream(file) << kPrecious;
    fs::create_directory(home);
  }
  bool IsUntouched(const fs::path& nothing) const {
    std::ifstream stream(file);
    std::ostringstream text;
    text << stream.rdbuf();
    return text.str() == kPrecious && fs::is_empty(home) && !fs::exists(nothing);
  }

  const fs::path file;
  const fs::path home;
};

void Put(const Planted& planted, const fs::path& place, const Victim& victim,
         const fs::path& nothing) {
  fs::create_directories(place.parent_path());
  ::chmod(place.parent_path().c_str(), planted.place == kState ? 0755 : 0700);
  if (planted.place == kSocket) ::chmod(place.parent_path().c_str(), 0755);
  switch (planted.plant) {
    case Plant::kLinkToFile:
      fs::create_symlink(victim.file, place);
      break;
    case Plant::kLinkToFolder:
      fs::create_symlink(victim.home, place);
      break;
    case Plant::kLinkToNothing:
      fs::create_symlink(nothing, place);
      break;
    case Plant::kFifo:
      ::mkfifo(place.c_str(), 0600);
      break;
  }
  if (AreUsersApart() && ::lchown(place.c_str(), kAttacker, kAttacker) != 0) {
    throw std::runtime_error("cannot give the link to another user");
  }
}

// A daemon in the background is nobody's child.
void EndDetached(const std::string& said) {
  constexpr char kBefore[] = "runs as process ";
  const size_t at = said.find(kBefore);
  if (at == std::string::npos) return;
  const char* begin = said.data() + at + sizeof kBefore - 1;
  pid_t pid = 0;
  std::from_chars(begin, said.data() + said.size(), pid);
  if (pid > 1) ::kill(pid, SIGKILL);
}

// `refused`, `accepted` or `hangs`.
std::string TryToStart(Target* target, bool detaches) {
  constexpr seconds kPatience{15};
  const bool listens = target->Start(
      detaches ? std::vector<std::string>{"--detach"} : std::vector<std::string>(), kPatience);
  if (listens) return "accepted";
  // After a detached start the first process has ended well.
  const std::optional<int> status = target->daemon().Wait(std::chrono::milliseconds(100));
  EndDetached(target->daemon().out());
  if (!status) return "hangs";
  return *status == 0 ? "accepted" : "refused";
}

}  // namespace

Report PlantLinks(const Choice& /*choice*/) {
  Report report;
  json& found = report.measure["planted"];
  for (const Planted& planted : kPlanted) {
    Target target;
    const fs::path folder = target.world().folder();
    const fs::path nothing = folder / "nothing";
    const Victim victim(folder);
    Put(planted, folder / planted.place, victim, nothing);
    const std::string end = TryToStart(&target, planted.detaches);
    const bool is_untouched = victim.IsUntouched(nothing);
    found[planted.name] = end;
    const bool is_fine = end == "refused" || (end == "accepted" && planted.may_be_replaced) ||
                         (end == "accepted" && !AreUsersApart());
    if (!is_fine) report.harm.push_back(fmt::format("{}: {}", planted.name, end));
    if (!is_untouched && (AreUsersApart() || planted.may_be_replaced)) {
      report.harm.push_back(fmt::format("{}: what it leads to was touched", planted.name));
    }
  }
  return report;
}

}  // namespace torchlap::attack
