// Who held the memory that a run lacked. Pure; whose fault that was: storage/own_fault.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "server/host/foreign_work.h"
#include "torchlap/v1/run.pb.h"

namespace torchlap::run {

// What others held when memory ran out, from the worker's own numbers at that moment: total less
// free less reserved less its context. The context is what the worker's start took: total less free
// less what others held before it, 2 GiB at most. Where that is not known, or more than a context
// can be, or less than nothing, others came or went meanwhile, and it is what contexts usually
// take: 512 MiB. Nothing: the worker told too little.
std::optional<uint64_t> ForeignAtFailure(const v1::MemoryUse& at_start, const v1::Failure& failure);

// The most that others may hold for the same run to be worth another try: they have given back what
// it lacked, and half a GiB at least, or the next allocation would fail. Of a failure that was not
// its own fault.
uint64_t RoomForOthers(const v1::Failure& failure);

// `python3 (pid 4211, ann), Xorg (pid 900, root)`: three at most. Empty: nobody is there.
std::string HoldersOf(const std::vector<host::ForeignProcess>& holding);

// The failure's line for somebody who did not hold that memory: who does, and, in the phase that
// builds the model, that no smaller size would help. Nothing to say: the line that is there.
std::string OutOfMemoryLine(const v1::Failure& failure, const std::string& device,
                            const std::string& holders);

}  // namespace torchlap::run
