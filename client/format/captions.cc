#include "client/format/captions.h"

#include <fmt/format.h>

#include <utility>
#include <variant>

namespace torchlap::client::format {
namespace {

void SetReference(const std::string& reference, int number, Grid* grid) {
  if (reference.empty()) return;
  grid->reference = number == 1 ? reference : fmt::format("{}-{}", reference, number);
}

std::vector<Block> Captioned(std::vector<Block> blocks, const std::string& caption,
                             const std::string& reference) {
  std::vector<Block> all;
  int grids = 0;
  for (Block& block : blocks) {
    auto* grid = std::get_if<Grid>(&block);
    std::string conditions;
    if (grid != nullptr) {
      SetReference(reference, ++grids, grid);
      if (!caption.empty()) conditions = std::exchange(grid->caption, caption);
    }
    all.push_back(std::move(block));
    if (!conditions.empty()) all.emplace_back(Lines{conditions});
  }
  return all;
}

}  // namespace

Document WithCaption(Document document, const std::string& caption, const std::string& reference) {
  document.blocks = [blocks = std::move(document.blocks), caption, reference] {
    return Captioned(blocks(), caption, reference);
  };
  if (document.paragraphs && !caption.empty()) {
    document.paragraphs = [paragraphs = std::move(document.paragraphs), caption] {
      std::vector<Lines> all = paragraphs();
      all.insert(all.begin(), Lines{caption});
      return all;
    };
  }
  return document;
}

}  // namespace torchlap::client::format
