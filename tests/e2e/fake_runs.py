"""A daemon with the fake worker, and runs whose times it is told: for checks of what other programs make of them."""
import argparse
import json
import os
import pathlib
import sys
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import service  # noqa: E402  (beside the benchmarks)

SHAPE = ("--layers", 1, "--heads", 2, "--d-model", 16, "--d-ff", 32, "--vocab", 50)
OUTCOMES = ["CRASHED", "OK", "OK", "OK", "OK", "OUT_OF_MEMORY"]  # of the first sweep


def worker_plan() -> dict[str, Any]:
    """Times that differ from step to step and cell to cell; jobs 5 and 6, the last of the first sweep, fail."""
    runs: dict[str, Any] = {
        str(job): {"forward_ns": [1_000_000 + 217_000 * job + 31_337 * step for step in range(7)],
                   "backward_ns": [2_000_000 + 411_000 * job + 77_171 * (step * 3 % 7) for step in range(7)]}
        for job in range(1, 20)}
    runs["5"].update({"at_step": 3, "do": "crash"})
    runs["6"]["out_of_memory_above_batch"] = 1
    return {"runs": runs}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    built = service.ROOT / "build/release"
    parser.add_argument("--bin", type=pathlib.Path, default=built / "bin", help="folder of the programs")
    parser.add_argument("--worker", type=pathlib.Path, default=built / "tests/torchlap-fake-worker",
                        help="the fake worker")


def check_arguments(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    service.check_programs(parser, [arguments.bin / "torchlap", arguments.bin / "torchlapd", arguments.worker])
    service.end_in_order_on_signals()


def start(arguments: argparse.Namespace, folder: pathlib.Path) -> service.Service:
    """A daemon on core 0, with its plan in `folder`."""
    plan = folder / "plan.json"
    plan.write_text(json.dumps(worker_plan()), encoding="utf-8")
    os.environ["TORCHLAP_FAKE_WORKER"] = str(plan)
    return service.Service(arguments.bin, min(os.sched_getaffinity(0)), worker=arguments.worker)


def submit(daemon: service.Service, name: str, launches: int = 1, batch: str = "1,2", context: str = "8,16,32") -> None:
    """A sweep, to its end. Jobs that fail are meant to."""
    daemon.call("run", *SHAPE, "--name", name, "--batch-size", batch, "--context-length", context, "--warmup-steps", 3,
                "--measure-steps", 12, "--launches", launches, "--no-oom-retry", "--device", service.DEVICE,
                "--format", "csv", good=(0, 2))
