// Runs in the form that messages hold them.
#pragma once

#include <google/protobuf/repeated_field.h>

#include "torchlap/v1/run.pb.h"

namespace torchlap::storage {

// Read from the database straight into what is sent, so that none is moved or made twice.
using RunRows = google::protobuf::RepeatedPtrField<v1::Run>;

}  // namespace torchlap::storage
