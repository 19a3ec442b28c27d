// Cells of suites that changed (table cell_finding), and the sweeps whose cells are to be judged.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "storage/series_points.h"
#include "torchlap/v1/suites.pb.h"

namespace torchlap::storage {

inline constexpr size_t kMostCellRuns = 500;
inline constexpr uint32_t kMostFindings = 1000;

// Within a write transaction, of an IdList of runs: the suites' sweeps that they are of are to be
// judged again, as what they say has changed.
const std::string& JudgeAgainSql();

// A sweep that has ended and is to be judged.
struct EndedSweep {
  uint64_t sweep_id = 0;
  int64_t owner = 0;  // principal.id
  std::string suite;
  int64_t asked = 0;  // how often
};

// A run of a cell: OK, measured, neither contaminated nor invalid.
struct CellPoint {
  SeriesPoint point;
  uint64_t sweep_id = 0;
  bool is_suites = false;
  bool in_baseline = false;  // of the owner
};

struct StoredFinding {
  int64_t id = 0;
  v1::CellFindingState state = v1::CELL_FINDING_STATE_UNSPECIFIED;
  double before_ns = 0;
  double after_ns = 0;
  std::optional<int64_t> closed_at_ns = {};
  bool vanished = false;  // closed by itself
};

// What is known of one cell of a sweep: of its owner's runs alone.
struct CellPast {
  int64_t series = 0;
  std::vector<CellPoint> points;    // by start; the newest kMostCellRuns
  std::vector<double> baseline_ns;  // medians, by start
  std::set<std::string> baseline_environments;
  std::optional<StoredFinding> newest;  // finding of the cell
};

// What becomes of a finding.
struct FindingEdit {
  enum class Kind { kOpen, kSeen, kRenew, kClose };
  Kind kind = Kind::kOpen;
  int64_t id = 0;  // not of kOpen
  // kOpen and kRenew all of it; kSeen: `after_ns` where it is above 0, and `seen_run`.
  int64_t series = 0;
  int64_t run = 0;
  int64_t seen_run = 0;
  double before_ns = 0;
  double after_ns = 0;
  bool against_baseline = false;
  std::vector<v1::EnvironmentChange> changes = {};
};

struct FindingFilter {
  std::vector<v1::CellFindingState> states = {};  // empty: all
  std::string user = {};                          // account name or principal; empty: everyone's
  std::string only_owner = {};                    // OnlyOwner; empty: everyone's
  int64_t since_ns = 0;                           // found, closed or, unless `changed`, seen since
  bool changed = false;
  uint32_t limit = kMostFindings;
};

struct FindingList {
  std::vector<v1::CellFinding> findings;  // newest first
  bool is_cut = false;
};

// Thread-safe.
class FindingStore {
 public:
  // `database` outlives it.
  explicit FindingStore(Database* database) : database_(database) {}

  // Of what is to be judged, the sweeps of which no job waits or runs, by id.
  absl::StatusOr<std::vector<EndedSweep>> Ended() const;
  // Series that the sweep has OK runs of, contaminated and invalid ones too.
  absl::StatusOr<std::vector<int64_t>> SeriesOf(const EndedSweep& sweep) const;
  // `own_baseline`: of the baseline, too, the owner's runs alone. Looks at 2000 runs at most of
  // each kind (run_kind), so that a long history costs no more than a short one.
  absl::StatusOr<CellPast> Past(const EndedSweep& sweep, int64_t series, bool own_baseline) const;
  // In one transaction: the edits, and the sweep is judged, unless it was asked for once more
  // meanwhile. A finding that was closed meanwhile stays as it is, and a cell that has an open one
  // gets no second.
  absl::Status Judged(const EndedSweep& sweep, const std::vector<FindingEdit>& edits,
                      int64_t now_ns);

  // With their subjects, shortened to what says what was run and where. One whose run cannot be
  // read has none.
  absl::StatusOr<FindingList> List(const FindingFilter& filter) const;
  // The finding afterwards. `fixed` closes it, everything else opens it again. An empty
  // `why` leaves the one before. NOT_FOUND.
  // PERMISSION_DENIED: another's, and the caller no admin. FAILED_PRECONDITION: it was closed, and
  // another finding of the cell is open.
  absl::StatusOr<v1::CellFinding> Set(uint64_t id, v1::CellFindingState state,
                                      const std::string& why, const Caller& caller, int64_t now_ns);

 private:
  Database* const database_;
};

}  // namespace torchlap::storage
