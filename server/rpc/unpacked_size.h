// What a request will take in memory once it is decoded, told from its bytes: two bytes may become
// an object of hundreds, so the length of a request says little.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <cstddef>

namespace torchlap::rpc {

// Counts each message, text and number that decoding would keep, unknown fields too, with what the
// allocator adds; not below what is really taken. Holds nothing of the request, and looks no
// further than `most`. INVALID_ARGUMENT: it takes more, with the field that is being read then; or
// the bytes are no message of that type.
absl::StatusOr<size_t> UnpackedSize(const google::protobuf::Descriptor& type,
                                    google::protobuf::io::ZeroCopyInputStream* bytes, size_t most);

}  // namespace torchlap::rpc
