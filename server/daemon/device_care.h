// Clocks and limits that a daemon has set on GPUs and did not live to restore.
#pragma once

#include "server/daemon/database_care.h"
#include "server/host/configuration.h"
#include "server/host/device_settings_journal.h"
#include "server/host/settled_device.h"

namespace torchlap::daemon {

// Restores what the journal has, by the library that is named; opens it only if there is something.
host::RestoreReport RestoreLeft(const std::string& nvml_library,
                                host::DeviceSettingsJournal* journal);

// torchlapd --restore-devices. Refused while a daemon has the state folder: it restores them itself
// when it stops. kCareFailed: something could not be restored, and stays in the journal.
CareReport RestoreDevices(const host::Configuration& configuration, const std::string& boot_id);

}  // namespace torchlap::daemon
