#include "proto/column_tree.h"

#include <google/protobuf/message.h>

namespace torchlap {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

size_t NodeOf(size_t parent, const FieldDescriptor* field, ColumnTree* tree) {
  for (size_t i = 1; i < tree->nodes.size(); ++i) {
    if (tree->nodes[i].parent == parent && tree->nodes[i].field == field) return i;
  }
  tree->nodes.push_back({parent, field});
  return tree->nodes.size() - 1;
}

}  // namespace

ColumnTree TreeOf(const std::vector<const RunColumn*>& columns) {
  ColumnTree tree;
  tree.nodes.push_back({0, nullptr});
  for (const RunColumn* column : columns) {
    size_t node = 0;
    for (size_t i = 0; i + 1 < column->path.size(); ++i) {
      node = NodeOf(node, column->path[i], &tree);
    }
    tree.columns.push_back({node, column->path.back()});
  }
  return tree;
}

void FindMessages(const ColumnTree& tree, const v1::Run& run,
                  std::vector<const Message*>* messages) {
  messages->resize(tree.nodes.size());
  (*messages)[0] = &run;
  for (size_t i = 1; i < tree.nodes.size(); ++i) {
    const Message* parent = (*messages)[tree.nodes[i].parent];
    const FieldDescriptor* field = tree.nodes[i].field;
    const bool is_set = parent != nullptr && parent->GetReflection()->HasField(*parent, field);
    (*messages)[i] = is_set ? &parent->GetReflection()->GetMessage(*parent, field) : nullptr;
  }
}

}  // namespace torchlap
