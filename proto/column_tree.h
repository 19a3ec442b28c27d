// The messages that the columns of a run lie in, so that who goes through many columns of many runs
// looks each message up once a run and not once a column.
#pragma once

#include <google/protobuf/descriptor.h>

#include <cstddef>
#include <vector>

#include "proto/columns.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap {

struct ColumnTree {
  // Node 0 is the run; each other one is a field of a node before it.
  struct Node {
    size_t parent;
    const google::protobuf::FieldDescriptor* field;  // null: the run
  };
  struct Column {
    size_t node;  // of the message that has it
    const google::protobuf::FieldDescriptor* field;
  };
  std::vector<Node> nodes;
  std::vector<Column> columns;  // in the order of the list that the tree was made for
};

ColumnTree TreeOf(const std::vector<const RunColumn*>& columns);

// The message of each node; null where it, or one around it, is unset.
void FindMessages(const ColumnTree& tree, const v1::Run& run,
                  std::vector<const google::protobuf::Message*>* messages);

}  // namespace torchlap
