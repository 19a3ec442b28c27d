// Finished runs: asking for them. They are written by JobStore::FinishRun, in the transaction that
// ends them.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "storage/database.h"
#include "storage/records.h"
#include "storage/run_row.h"
#include "storage/run_rows.h"
#include "storage/shown_label.h"
#include "torchlap/v1/run.pb.h"
#include "torchlap/v1/service.pb.h"

namespace torchlap::storage {

struct RunPage {
  RunRows runs;
  std::string next_page_token;  // empty: no more
  uint64_t unreadable = 0;      // rows of the page that were left out, as they are damaged
};

// Thread-safe.
class RunStore {
 public:
  // What a run is compared with: everybody's runs, or those of its owner alone.
  enum class History { kEverybodys, kOwners };
  // `database` outlives the store. `history` is of FindFrontier and BestSibling; a calibration is
  // the device's, whoever asked for it.
  explicit RunStore(const Database* database, History history = History::kEverybodys);

  // One page of finished runs by start (or, the same thing, by run id within a job). `selected` is
  // the resolved selector of the filter (JobStore::Resolve); filter.selector itself is read for its
  // run_ids alone. Empty selector: every run. What was declared invalid is left out, unless the
  // filter includes it or names it by run id. INVALID_ARGUMENT: page_token was not made by this
  // call, or the filter names more than filter_limits.h allows.
  absl::StatusOr<RunPage> List(const v1::RunFilter& filter, const JobFilter& selected,
                               bool ascending, uint32_t page_size,
                               const std::string& page_token) const;

  // Runs in the order (job, number), batch by batch of 100 or more; each batch is a short read
  // transaction, so that a stalled consumer does not pin the WAL. `with_unfinished`: where jobs
  // were selected (by number, sweep or label), each of them that has no finished run has a row, too
  // (WithoutRun in run_row.h), if the filter does not speak of outcomes, verdicts or times. Stops
  // with the status that `consume` returns if not OK. Rows that are damaged are left out, and
  // counted in `unreadable` where it is given, before their batch is consumed. INVALID_ARGUMENT as
  // List.
  absl::Status Export(const v1::RunFilter& filter, const JobFilter& selected, bool with_unfinished,
                      const std::function<absl::Status(RunRows)>& consume,
                      uint64_t* unreadable = nullptr) const;

  // The same rows as messages that are ready to be sent: serialized they are those of Export, but
  // `rows` cannot be looked at before they are parsed again. Each says how many of its rows were
  // left out. For exports of any length.
  absl::Status ExportEncoded(
      const v1::RunFilter& filter, const JobFilter& selected, bool with_unfinished, RunParts parts,
      const std::function<absl::Status(v1::ExportRunsResponse)>& consume) const;

  // With environment and readings; also of a run that is not finished. NOT_FOUND; INVALID_ARGUMENT
  // if run_id is not
  // `<job>.<n>`.
  absl::StatusOr<v1::RunDetail> Get(const std::string& run_id) const;
  // PERMISSION_DENIED: it is another's, and the caller may not see it (visibility.h).
  absl::Status CheckMaySee(const std::string& run_id, const Caller& caller) const;
  // LatestCalibration, FindFrontier and BestSibling leave out runs that were declared invalid.
  //
  // The newest run of purpose calibrate on the device that ended OK and was not contaminated, with
  // its result; nothing: no clean calibration yet.
  absl::StatusOr<std::optional<v1::Run>> LatestCalibration(const std::string& device_uuid) const;
  // When the newest finished run of purpose canary on the device began (host clock), whatever
  // became of it; nothing: there was none.
  absl::StatusOr<std::optional<int64_t>> LatestCanaryNs(const std::string& device_uuid) const;
  // What runs of purpose fit have shown of a size: one that is no larger in batch or context ran
  // out of memory, and the largest such one that fitted. Of the same model, pass, precision,
  // attention and optimizer on the same device, by its own fault (own_fault.h). Nothing: no such
  // pair.
  struct Frontier {
    std::string too_big_run_id;
    uint32_t too_big_batch_size = 0;
    uint32_t too_big_context_length = 0;
    uint32_t batch_size = 0;
    uint32_t context_length = 0;
  };
  absl::StatusOr<std::optional<Frontier>> FindFrontier(const v1::Run& run) const;
  // FLOP/s of the fastest among the newest measured runs that compare with `run`: OK, on the same
  // device, of the same pass, precision, attention, optimizer and timing, with no more FLOPs a
  // step, of `fewest_steps` measured steps at least. Nothing: there are none.
  struct Sibling {
    std::string run_id;
    double flops_per_s = 0;
  };
  absl::StatusOr<std::optional<Sibling>> BestSibling(const v1::Run& run,
                                                     uint32_t fewest_steps) const;
  // Every step from step 0; empty if none was stored.
  absl::StatusOr<v1::SampleBlock> Samples(const std::string& run_id) const;

 private:
  template <typename Batch, typename Load>
  absl::Status ForEachBatch(const v1::RunFilter& filter, const JobFilter& selected,
                            bool with_unfinished, const Load& load,
                            const std::function<absl::Status(Batch)>& consume,
                            uint64_t* unreadable) const;

  // As they are stored.
  absl::StatusOr<std::vector<Label>> LabelsOf(const v1::RunFilter& filter,
                                              const JobFilter& selected) const;
  // Whose runs `run` is compared with; 0: everybody's.
  int64_t OwnerToCompareWith(SQLite::Database& database, const v1::Run& run) const;

  const Database* const database_;
  const History history_;
};

}  // namespace torchlap::storage
