// The views that `torchlap sql` reads, as both sides know them: the daemon lets a query read these
// and nothing else, the client shows them.
#pragma once

#include <string>
#include <vector>

namespace torchlap {

struct SqlColumn {
  std::string name;
  std::string meaning;
};

struct SqlView {
  std::string name;
  std::string meaning;  // one sentence without a full stop
  std::vector<SqlColumn> columns;
};

// `runs`, `phases`, `steps`, `sweeps`, `means`, `daily_means`, each with its columns in order.
// Built once; lives as long as the program.
const std::vector<SqlView>& SqlViews();

}  // namespace torchlap
