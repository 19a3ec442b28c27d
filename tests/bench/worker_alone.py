"""One run of torchlap-worker without a daemon, by the test program worker_once."""
import json
import pathlib
import subprocess
from typing import Mapping, Union

PHASES = ("forward", "loss", "backward", "optimizer", "step")


class WorkerFailed(Exception):
    """One line."""


def environment_of_the_daemon(threads: int) -> dict[str, str]:
    """All that torchlapd gives to the worker of a CPU device (server/run/launch_runner.cc)."""
    return {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE",
            "CUDA_VISIBLE_DEVICES": ""}


def step_times(worker_once: Union[str, pathlib.Path], worker: Union[str, pathlib.Path], request: str,
               environment: Mapping[str, str]) -> dict[str, list[float]]:
    """Milliseconds of all steps, warm-up included, by phase; a phase that was not timed has none. `request` is a
    WorkerRequest in protobuf's text format."""
    done = subprocess.run([str(worker_once), str(worker)], input=request, env=environment, stdout=subprocess.PIPE,
                          text=True, check=False)
    times: dict[str, list[float]] = {phase: [] for phase in PHASES}
    for event in map(json.loads, done.stdout.splitlines()):
        if "failed" in event:
            raise WorkerFailed(event["failed"]["failure"]["detail"])
        block = event.get("steps", event.get("result", {})).get("samples", {})
        for phase, values in times.items():
            values += [int(ns) / 1e6 for ns in block.get(phase + "_ns", [])]
    if done.returncode != 0:
        raise WorkerFailed(f"worker_once ended with exit status {done.returncode}")
    return times
