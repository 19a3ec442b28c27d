// The flags of the commands that ask past runs, and of those that keep them.
#pragma once

#include "client/commands/commands.h"

namespace CLI {
class App;
}  // namespace CLI

namespace torchlap::client {

// The filters that commands about runs share.
void AddFilter(CLI::App* app, FilterWords* filter);
// Selectors of runs as positional words.
void AddRunSelectors(CLI::App* app, std::vector<std::string>* words);

// Of each the flags of the command; its name is the app's.
void AddCompareFlags(CLI::App* app, CompareOptions* options);
void AddTrendFlags(CLI::App* app, TrendOptions* options);
void AddBaselineFlags(CLI::App* app, BaselineOptions* options);
void AddLabelFlags(CLI::App* app, LabelOptions* options);
void AddNoteFlags(CLI::App* app, NoteOptions* options);
void AddInvalidateFlags(CLI::App* app, InvalidateOptions* options);
void AddLogsFlags(CLI::App* app, LogsOptions* options);
void AddSqlFlags(CLI::App* app, SqlOptions* options);
void AddBackupFlags(CLI::App* app, BackupOptions* options);
void AddPruneFlags(CLI::App* app, PruneOptions* options);
void AddRerunFlags(CLI::App* app, RerunOptions* options);
void AddPlotFlags(CLI::App* app, PlotOptions* options);
void AddReportFlags(CLI::App* app, ReportOptions* options);
void AddCompletionFlags(CLI::App* app, CompletionOptions* options);
void AddFindingsFlags(CLI::App* app, FindingsOptions* options);
void AddDigestFlags(CLI::App* app, DigestOptions* options);
void AddSuiteFlags(CLI::App* app, SuiteOptions* options);
void AddImportFlags(CLI::App* app, ImportOptions* options);
// Of export: what makes a table for a paper.
void AddPivotFlags(CLI::App* app, ExportOptions* options);

}  // namespace torchlap::client
