// Descriptors 0 to 2 of a program that was started without them (`torchlapd >&- 2>&-`).
#pragma once

namespace torchlap {

// Opens /dev/null for those of the three that are closed, so that no file or socket of the program
// gets their number and receives what is printed. Output is for reading only where `may_write` is
// false: writing to it fails, as it does to a closed one.
//
// To be called before anything else opens a descriptor, and libraries do before main(): from
// .preinit_array, where nothing but system calls may be used.
void OpenStandardStreams(bool may_write);

}  // namespace torchlap
