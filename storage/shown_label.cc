#include "storage/shown_label.h"

#include <absl/strings/str_cat.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "proto/base/visible_text.h"
#include "storage/sqlite_connection.h"

namespace torchlap::storage {
namespace {

// Keys and values, each once however many jobs have it: some 10 ms.
constexpr int kMostLookedAt = 10'000;
// Jobs of a label that are looked at for one of the owner's.
constexpr int kMostJobs = 10'000;

std::string NameOf(const Label& label) {
  return absl::StrCat("labels is ", label.first, "=", label.second);
}

// For one label.
class Search {
 public:
  Search(SQLite::Database& database, const std::string& only_owner)
      : database_(database), only_owner_(only_owner) {}

  bool IsThere(const Label& label) const {
    if (only_owner_.empty()) {
      return SelectInt(database_, "SELECT 1 FROM label WHERE k = ? AND v = ? LIMIT 1", label.first,
                       label.second)
          .has_value();
    }
    return SelectInt(database_,
                     "SELECT 1 FROM (SELECT job_id FROM label INDEXED BY label_by_value "
                     "WHERE k = ? AND v = ? LIMIT ?) AS of_label "
                     "CROSS JOIN job ON job.id = of_label.job_id "
                     "CROSS JOIN principal ON principal.id = job.owner_id "
                     "WHERE principal.principal = ? LIMIT 1",
                     label.first, label.second, kMostJobs, only_owner_)
        .has_value();
  }

  // Nothing: none is shown so, among those that were looked at.
  std::optional<Label> ShownAs(const Label& shown) {
    const auto next_key = [this](const std::string& behind) {
      Query query(database_, "SELECT min(k) FROM label INDEXED BY label_by_value WHERE k > ?",
                  behind);
      return Word(&query);
    };
    for (const std::string& key : WordsShownAs(shown.first, next_key)) {
      const auto next_value = [this, &key](const std::string& behind) {
        Query query(database_,
                    "SELECT min(v) FROM label INDEXED BY label_by_value WHERE k = ? AND v > ?", key,
                    behind);
        return Word(&query);
      };
      for (const std::string& value : WordsShownAs(shown.second, next_value)) {
        if (IsThere({key, value})) return Label{key, value};
      }
    }
    return std::nullopt;
  }

  bool has_seen_all() const { return looked_at_ <= kMostLookedAt; }

 private:
  using Next = std::function<std::optional<std::string>(const std::string& behind)>;

  static std::optional<std::string> Word(Query* query) {
    if (!query->Step() || query->IsNull(0)) return std::nullopt;
    return query->Text(0);
  }

  // What stands before the first escape is stored as it is shown.
  std::vector<std::string> WordsShownAs(const std::string& shown, const Next& next) {
    const size_t escape = shown.find('\\');
    if (escape == std::string::npos) return {shown};
    std::vector<std::string> words;
    std::string last = shown.substr(0, escape);
    while (std::optional<std::string> word = next(last)) {
      if (!word->starts_with(shown.substr(0, escape))) break;
      if (++looked_at_ > kMostLookedAt) break;
      if (Visible(*word) == shown) words.push_back(*word);
      last = *std::move(word);
    }
    return words;
  }

  SQLite::Database& database_;
  const std::string& only_owner_;
  int looked_at_ = 0;
};

bool MayBeShown(const Label& label) {
  return (label.first + label.second).find('\\') != std::string::npos;
}

}  // namespace

absl::StatusOr<std::vector<Label>> StoredLabels(SQLite::Database& database,
                                                const v1::RunFilter& filter,
                                                const std::string& only_owner) {
  std::vector<Label> labels(filter.labels().begin(), filter.labels().end());
  std::sort(labels.begin(), labels.end());
  bool has_looked = false;
  for (Label& label : labels) {
    Search search(database, only_owner);
    if (!MayBeShown(label) || search.IsThere(label)) continue;
    if (has_looked) {
      return absl::InvalidArgumentError(absl::StrCat(
          NameOf(label), ", which no job has as it is written, must be the only one of that kind"));
    }
    has_looked = true;
    const std::optional<Label> stored = search.ShownAs(label);
    if (!stored && !search.has_seen_all()) {
      return absl::InvalidArgumentError(
          absl::StrCat(NameOf(label), ", which no job has as it is written, and more than ",
                       kMostLookedAt, " labels begin like it, must be the label of a job"));
    }
    // No job has it: nothing can match, whatever the others are.
    if (!stored) break;
    label = *stored;
  }
  return labels;
}

}  // namespace torchlap::storage
