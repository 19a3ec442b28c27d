// What a caller learns of the jobs of others. Everything, unless the daemon is private (`private =
// true`) and the caller neither an admin nor the owner (storage::Caller::sees_all). Then:
//
//   ListJobs          outlines of what others have in the queue; with a selector: one's own alone
//   ListDevices       whose run is on a device, and its id: as outlines say it
//   GetDaemonStatus   how many jobs are queued and running; finished runs: one's own
//   GetJob, GetRun, ReadTrace, ReadLog, CompareWarmups: another's is PERMISSION_DENIED
//   ListRuns, ExportRuns, ListSweeps: one's own alone; another's by its id is PERMISSION_DENIED
//   WatchJobs, CancelJobs, LabelRuns, NoteRuns, InvalidateRuns: the same
//   CompareRuns: the same; differences are learned from one's own runs
//   GetTrend, SetBaseline, ClearBaseline: the same; of a baseline the caller's own runs
//   ListBaselines: the caller's; another user's is PERMISSION_DENIED
//   SubmitJobs, AddSuite, ListPresets: nothing of jobs
//   Doctor            nothing of jobs, but when the daemon's own canary took a step, and its run
//   ForecastJobs      times, memory and runs to reuse: from one's own runs alone; what changed in
//                     the environment is told of the device's newest run, whoever's
//   ListSuites: the caller's alone
//   RemoveSuite: another's is PERMISSION_DENIED, also where there is none
//   ListFindings, GetDigest: one's own alone; how many jobs are queued and running: everyone's
//   SetFinding: another's is PERMISSION_DENIED, in any daemon
//   QuerySql          nothing: PERMISSION_DENIED, as its views have everyone's runs
//   BackupDatabase, PruneRuns, ImportRuns: nothing: an admin's alone in any daemon
//
// What is shown is bound to the owner where it is read (storage/visibility.h), so that pages and
// counts are those of what is shown. A run is compared with its owner's runs
// (storage::RunStore::History), but for calibrations, which are the device's. Processes that
// disturbed a run are named as `ps` names them: the daemon's workers by program and account, not by
// job.
#pragma once

#include <vector>

#include "storage/records.h"
#include "torchlap/v1/job.pb.h"

namespace torchlap::rpc {

// Whether the caller may see the whole job.
bool MaySee(const storage::Caller& caller, const v1::Job& job);

// Leaves of each job that the caller may not see an outline: its id, owner, state, device, times
// and why it waits. It has no spec.
void LeaveOutlines(const storage::Caller& caller, std::vector<v1::Job>* jobs);

}  // namespace torchlap::rpc
