#!/usr/bin/env python3
"""The counters of NVIDIA's driver as they come, a JSON line a look: what a fake of that GPU is made from.

Asks libnvidia-ml alone, as torchlapd does: process utilisation since the newest stamp, violation times, reasons of the
clocks, clocks, power (mean and of the moment), energy, temperature, utilisation, memory, processes. Each answer has the
function's result beside it (0 good, 3 not supported, 6 nothing found), so that what a GPU does not tell is seen too.
Changes nothing. Ends after --seconds, or with SIGTERM. Exit status: 0, 1 there is no driver or no such GPU, 2 usage.
"""
import argparse
import ctypes
import json
import signal
import sys
import time

GOOD = 0
MOST_ENTRIES = 1024


class Utilisation(ctypes.Structure):
    _fields_ = [("gpu", ctypes.c_uint), ("memory", ctypes.c_uint)]


class Memory(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint), ("total", ctypes.c_ulonglong), ("reserved", ctypes.c_ulonglong),
                ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class FieldValue(ctypes.Structure):
    _fields_ = [("field", ctypes.c_uint), ("scope", ctypes.c_uint), ("stamp_us", ctypes.c_longlong),
                ("latency_us", ctypes.c_longlong), ("type", ctypes.c_uint), ("result", ctypes.c_int),
                ("value", ctypes.c_ulonglong)]


class Violation(ctypes.Structure):
    _fields_ = [("reference_us", ctypes.c_ulonglong), ("violation_ns", ctypes.c_ulonglong)]


class Process(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("used_bytes", ctypes.c_ulonglong), ("gpu_instance", ctypes.c_uint),
                ("compute_instance", ctypes.c_uint)]


class Sample(ctypes.Structure):
    _fields_ = [("pid", ctypes.c_uint), ("stamp_us", ctypes.c_ulonglong), ("sm", ctypes.c_uint),
                ("memory", ctypes.c_uint), ("encoder", ctypes.c_uint), ("decoder", ctypes.c_uint)]


def as_dict(structure):
    return {name: getattr(structure, name) for name, _ in structure._fields_}


# nvmlPerfPolicyType_t
POLICIES = {"power": 0, "thermal": 1, "sync_boost": 2, "board_limit": 3, "low_utilisation": 4, "reliability": 5,
            "application_clocks": 10, "base_clocks": 11}
# One number each: name, functions of a new and of an old driver, what stands before the pointer, its type.
NUMBERS = [
    ("clock_reasons", ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"), (),
     ctypes.c_ulonglong),
    ("sm_mhz", ("nvmlDeviceGetClockInfo",), (1,), ctypes.c_uint),
    ("memory_mhz", ("nvmlDeviceGetClockInfo",), (2,), ctypes.c_uint),
    ("performance_state", ("nvmlDeviceGetPerformanceState",), (), ctypes.c_uint),
    ("power_mw", ("nvmlDeviceGetPowerUsage",), (), ctypes.c_uint),
    ("power_limit_mw", ("nvmlDeviceGetEnforcedPowerLimit",), (), ctypes.c_uint),
    ("energy_mj", ("nvmlDeviceGetTotalEnergyConsumption",), (), ctypes.c_ulonglong),
    ("celsius", ("nvmlDeviceGetTemperature",), (0,), ctypes.c_uint),
    ("slowdown_celsius", ("nvmlDeviceGetTemperatureThreshold",), (1,), ctypes.c_uint),
]
# NVML_FI_DEV_*: power_mw is a mean over a second from Ampere on, this is of the moment.
FIELDS = {"power_instant_mw": 186}


class Gpu:
    def __init__(self, library, uuid):
        self.library = library
        self.stamp_us = 0  # of the newest sample that can be one
        result = library.nvmlInit_v2()
        if result != GOOD:
            sys.exit(f"raw_counters.py: NVML does not start: error {result}")
        self.handle = ctypes.c_void_p()
        result = library.nvmlDeviceGetHandleByUUID(uuid.encode(), ctypes.byref(self.handle))
        if result != GOOD:
            sys.exit(f"raw_counters.py: the driver has no GPU {uuid}: error {result}")

    def ask(self, names, *arguments):
        """The result of the first of these functions that the library has; None: it has none of them."""
        for name in names:
            try:
                function = getattr(self.library, name)
            except AttributeError:
                continue
            return function(self.handle, *arguments)
        return None

    def number(self, names, before, kind):
        value = kind()
        result = self.ask(names, *map(ctypes.c_uint, before), ctypes.byref(value))
        return {"result": result, "value": value.value if result == GOOD else None}

    def field(self, number):
        """Of nvmlDeviceGetFieldValues; the numbers that are asked for here are whole and small."""
        value = FieldValue(field=number)
        result = self.ask(("nvmlDeviceGetFieldValues",), ctypes.c_int(1), ctypes.byref(value))
        if result == GOOD:
            result = value.result
        return {"result": result, "value": value.value & 0xffffffff if result == GOOD else None}

    def structure(self, names, before, value):
        result = self.ask(names, *map(ctypes.c_uint, before), ctypes.byref(value))
        return {"result": result, "value": as_dict(value) if result == GOOD else None}

    def processes(self, names):
        entries, count = (Process * MOST_ENTRIES)(), ctypes.c_uint(MOST_ENTRIES)
        result = self.ask(names, ctypes.byref(count), entries)
        found = [as_dict(entry) for entry in entries[:count.value]]
        return {"result": result, "value": found if result == GOOD else None}

    def samples(self):
        """What the driver tells since the last look, one entry a process (its newest stamp, and the mean since then), and
        garbage; the next look begins behind the newest stamp that is none: one from the future would end the
        recording."""
        entries, count = (Sample * MOST_ENTRIES)(), ctypes.c_uint(MOST_ENTRIES)
        since = self.stamp_us
        result = self.ask(("nvmlDeviceGetProcessUtilization",), entries, ctypes.byref(count), ctypes.c_ulonglong(since))
        found = [as_dict(entry) for entry in entries[:count.value]] if result == GOOD else []
        now_us = time.time_ns() // 1000
        good = [entry["stamp_us"] for entry in found if entry["sm"] <= 100 and entry["stamp_us"] <= now_us]
        self.stamp_us = max([since] + good)
        return {"result": result, "since_us": since, "value": found}

    def look(self):
        found = {"monotonic_ns": time.monotonic_ns(), "unix_ns": time.time_ns()}
        for name, functions, before, kind in NUMBERS:
            found[name] = self.number(functions, before, kind)
        for name, number in FIELDS.items():
            found[name] = self.field(number)
        for name, policy in POLICIES.items():
            found[f"violation_{name}"] = self.structure(("nvmlDeviceGetViolationStatus",), (policy,), Violation())
        found["utilisation"] = self.structure(("nvmlDeviceGetUtilizationRates",), (), Utilisation())
        memory = Memory(version=ctypes.sizeof(Memory) | 2 << 24)
        found["memory"] = self.structure(("nvmlDeviceGetMemoryInfo_v2",), (), memory)
        found["compute_processes"] = self.processes(("nvmlDeviceGetComputeRunningProcesses_v3",))
        found["mps_processes"] = self.processes(("nvmlDeviceGetMPSComputeRunningProcesses_v3",))
        found["graphics_processes"] = self.processes(("nvmlDeviceGetGraphicsRunningProcesses_v3",))
        found["process_utilisation"] = self.samples()
        found["took_ns"] = time.monotonic_ns() - found["monotonic_ns"]
        return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("uuid", help="of the GPU, as nvidia-smi -L shows it")
    parser.add_argument("--seconds", type=float, default=10, help="how long to look (default: 10)")
    parser.add_argument("--every", type=float, default=0.1, metavar="SECONDS", help="between two looks (default: 0.1)")
    parser.add_argument("--library", default="libnvidia-ml.so.1", metavar="FILE", help="default: libnvidia-ml.so.1")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        library = ctypes.CDLL(args.library)
    except OSError as error:
        sys.exit(f"raw_counters.py: there is no NVIDIA driver: {error}")
    gpu = Gpu(library, args.uuid)
    ends = time.monotonic() + args.seconds
    while time.monotonic() < ends:
        print(json.dumps(gpu.look()), flush=True)
        time.sleep(args.every)


if __name__ == "__main__":
    main()
