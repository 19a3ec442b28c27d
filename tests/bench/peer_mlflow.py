#!/usr/bin/env python3
"""A history of 100,000 runs asked in torchlap and in an MLflow store in SQLite, in turns.

torchlap's runs are those of many_runs.py, MLflow's those of mlflow_reference.py. What is timed of torchlap is a whole
process of the command line, of MLflow the call alone, in a program that has it imported and its store open: what a
user waits for besides (the import, some seconds) is not counted against it. MLflow has no question for means, so every
run is fetched; that is asked fewer times. Its tables asked by SQL are what a user could have at best.

Prints a Markdown table; --out writes every value as JSON. Exit status 0 unless something failed; it judges nothing.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from typing import Any, Callable, Optional

import many_runs
import report
import service

HERE = pathlib.Path(__file__).resolve().parent
PEER = pathlib.Path.home() / ".cache" / "torchlap-peer" / "bin" / "python"
MEANS = ("sql", "SELECT model_size, sum(step_runs * step_mean_ns) / sum(step_runs) FROM means GROUP BY 1")
FILTERED = ("sql", "SELECT model_size, sum(runs * mean_ns) / sum(runs) FROM daily_means WHERE phase = 'step' "
            "AND day >= '2020-01-01' GROUP BY 1")
NEWEST = ("runs", "--model-size", "small", "--precision", "bf16")

# Seconds of one question.
Ask = Callable[[], float]


class Peer:
    """mlflow_reference.py, which answers as long as this lives; a context manager."""

    def __init__(self, python: str, folder: pathlib.Path, runs: int) -> None:
        self.log = folder / "mlflow.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen([python, str(HERE / "mlflow_reference.py"), str(folder), str(runs)],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.about = self._read()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        service.stop(self.process)

    def _read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise service.Broken(f"MLflow: {service.last_line(self.log.read_text(encoding='utf-8'))}")
        return json.loads(line)

    def ask(self, question: str) -> float:
        self.process.stdin.write(question + "\n")
        self.process.stdin.flush()
        return self._read()["seconds"]


def by_command(daemon: service.Service, words: tuple) -> Ask:
    def ask() -> float:
        begin = time.monotonic()
        daemon.call(*words)
        return time.monotonic() - begin
    return ask


def questions(daemon: service.Service, peer: Peer) -> dict[str, dict[str, Ask]]:
    """By what is asked, and by whom."""
    def of_peer(question: str) -> Ask:
        return lambda: peer.ask(question)
    means = {"MLflow": of_peer("means"), "MLflow's tables by SQL": of_peer("means by SQL")}
    return {
        "newest 50 by two parameters": {"torchlap": by_command(daemon, NEWEST), "MLflow": of_peer("newest"),
                                        "MLflow's tables by SQL": of_peer("newest by SQL")},
        "mean step by size": {"torchlap": by_command(daemon, MEANS), **means},
        "the same, a filter by day": {"torchlap": by_command(daemon, FILTERED)},
        "a process that asks for the status": {"torchlap": by_command(daemon, ("status",))},
    }


def measure(asked: dict[str, dict[str, Ask]], repetitions: int, slow: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds. The sides alternate, and which goes first."""
    found: dict[str, dict[str, list[float]]] = {name: {side: [] for side in sides} for name, sides in asked.items()}
    for turn in range(repetitions):
        for name, sides in asked.items():
            for side in list(sides)[::-1 if turn % 2 else 1]:
                if name == "mean step by size" and side == "MLflow" and turn >= slow:
                    continue
                found[name][side].append(1e3 * sides[side]())
    return found


def median(values: Optional[list[float]]) -> Optional[str]:
    return f"{statistics.median(values):.1f}" if values else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    service.add_arguments(parser)
    parser.add_argument("--python", default=os.environ.get("TORCHLAP_PEER_PYTHON", str(PEER)),
                        help="a Python that has mlflow; TORCHLAP_PEER_PYTHON")
    parser.add_argument("--runs", type=service.at_least(1000), default=100_000)
    parser.add_argument("--repetitions", type=service.at_least(1), default=7)
    parser.add_argument("--slow-repetitions", type=service.at_least(1), default=2,
                        help="of the means by MLflow: a minute each (2)")
    options = parser.parse_args()
    service.check_programs(parser, [options.bin / "torchlap", options.bin / "torchlapd", pathlib.Path(options.python)])
    service.end_in_order_on_signals()
    result: dict[str, Any] = {"context": report.context(options.bin), "runs": options.runs}
    with service.Service(options.bin, options.core, options.torch) as daemon:
        daemon.finish(daemon.submit(*many_runs.SHAPE), 120)
        file = pathlib.Path(daemon.json("status")["database_path"])
        service.stop(daemon.process)
        print(f"making {options.runs} runs twice", flush=True)
        many_runs.multiply(file, options.runs)
        daemon.start_again()
        with Peer(options.python, daemon.folder, options.runs) as peer:
            result["mlflow"] = peer.about["version"]
            result["bytes_a_run"] = {"torchlap": file.stat().st_size / options.runs,
                                     "MLflow": peer.about["bytes"] / options.runs}
            result["milliseconds"] = measure(questions(daemon, peer), options.repetitions, options.slow_repetitions)
    sides = ("torchlap", "MLflow", "MLflow's tables by SQL")
    rows: list[tuple] = [(f"{name} (ms)", *(median(found.get(side)) for side in sides))
                         for name, found in result["milliseconds"].items()]
    rows.append(("on disk (bytes a run)", *(f"{one:.0f}" for one in result["bytes_a_run"].values()), None))
    print(f"{options.runs} runs, MLflow {result['mlflow']}; medians\n\n" + report.about(result["context"]))
    print(report.table(("asked", *sides), rows))
    report.write(options.out, result)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except service.Broken as broken:
        sys.exit(f"peer_mlflow: {broken}")
