#!/usr/bin/env python3
"""How often does a comparison of launches cry wolf, and how often does it find a slow-down that is there?

A/A: comparisons of 4 launches against 4 of the same workload. Verdicts `faster` and `slower` are false alarms; their
share is printed with its binomial interval (Clopper and Pearson).
Planted: comparisons of a model with more layers against one with fewer, whose cost is linear in the layers (that is
checked): share of verdicts `slower`, beside the power that comparison.h simulates with the spread between launches that
was seen (the mean one, and the typical one, which few disturbed launches do not change), with 7 launches a side, and
with the first 4 of them.

Every launch is a job of its own and belongs to one comparison. The launches of a comparison follow each other in random
order, as in a sweep of two cells with --launches; with --order all, those of all comparisons are shuffled together.
All are queued behind a long run that is then cancelled, so that nothing is submitted while they are measured.

Verdicts come from compare_launches, which asks server/measure/comparison.h. Writes tables, and a JSON file with --out.
Exit status 0 unless a launch failed; it judges nothing.
"""
import argparse
import collections
import dataclasses
import json
import math
import pathlib
import random
import statistics
import subprocess
import sys
from typing import Any, Iterable, Optional, Sequence

import intervals
import report
import service

# Too narrow for its width to matter: a step's time is that of so many operations, the same in each layer.
SHAPE = ("--heads 1 --d-model 8 --d-ff 16 --vocab 16 --batch-size 1 --context-length 8 --pass-type forward "
         "--warmup-steps 5 --measure-steps {steps} --layers {layers}")
SIDES = ("a", "b")
AA_LAUNCHES = 4
PLANTED_LAUNCHES = (4, 7)
# What a launch takes at most, on a busy machine; 0.35 s on a quiet one.
LAUNCH_SECONDS = 5


@dataclasses.dataclass
class Comparison:
    """Two workloads by their layers, and the launches of each."""

    layers: tuple[int, int]
    launches: int
    jobs: dict[str, list[int]] = dataclasses.field(default_factory=lambda: {"a": [], "b": []})
    medians_ms: dict[str, list[float]] = dataclasses.field(default_factory=lambda: {"a": [], "b": []})

    @property
    def is_aa(self) -> bool:
        return self.layers[0] == self.layers[1]

    def layers_of(self, side: str) -> int:
        return self.layers[SIDES.index(side)]

    def question(self, launches: int) -> dict[str, list[float]]:
        return {side: self.medians_ms[side][:launches] for side in SIDES}


def planned(args: argparse.Namespace) -> list[Comparison]:
    pairs = [(args.layers, args.layers)] * args.comparisons
    found = [Comparison(pair, AA_LAUNCHES) for pair in pairs]
    for pair in args.planted:
        found += [Comparison(pair, max(PLANTED_LAUNCHES)) for _ in range(args.planted_comparisons)]
    return found


def shuffled_launches(comparisons: list[Comparison], order: str,
                      generator: random.Random) -> list[tuple[Comparison, str]]:
    """Every launch as (its comparison, its side), in the order in which they are to run."""
    groups = []
    for comparison in generator.sample(comparisons, len(comparisons)):
        group = [(comparison, side) for side in SIDES for _ in range(comparison.launches)]
        generator.shuffle(group)
        groups += group
    if order == "all":
        generator.shuffle(groups)
    return groups


def queue(daemon: service.Service, launches: list[tuple[Comparison, str]], steps: int) -> int:
    """Submits them behind a run that would not end, cancels that one, and returns the last job."""
    plug = daemon.submit(*SHAPE.format(steps=1_000_000, layers=50).split())
    daemon.await_state(plug, ("RUNNING",), 60)
    job = plug
    for comparison, side in launches:
        job = daemon.submit(*SHAPE.format(steps=steps, layers=comparison.layers_of(side)).split())
        comparison.jobs[side].append(job)
    daemon.call("cancel", plug)
    return job


def collect(daemon: service.Service, comparisons: list[Comparison]) -> list[dict[str, Any]]:
    """Fills in the medians; returns a row a launch."""
    wanted = {job: (comparison, side) for comparison in comparisons
              for side in SIDES for job in comparison.jobs[side]}
    columns = "job_id,outcome,validity,validity_reasons,step_median_ms,started_at"
    rows = daemon.json("runs", "all", "--columns", columns, "--order", "oldest", "--limit", 2 * len(wanted) + 10)
    rows = [row for row in rows if row["job_id"] in wanted]
    for row in rows:
        if row["outcome"] != "OK":
            raise service.Broken(f"the launch of job {row['job_id']} ended {row['outcome']}")
        comparison, side = wanted[row["job_id"]]
        comparison.medians_ms[side].append(row["step_median_ms"])
        row["layers"] = comparison.layers_of(side)
    if len(rows) != len(wanted):
        raise service.Broken(f"{len(rows)} launches were found, must be {len(wanted)}")
    return rows


def run_launches(args: argparse.Namespace, comparisons: list[Comparison]) -> list[dict[str, Any]]:
    launches = shuffled_launches(comparisons, args.order, random.Random(args.seed))
    print(f"{len(launches)} launches, about {len(launches) * 0.37 / 60:.0f} minutes", file=sys.stderr)
    with service.Service(args.bin, args.core, args.torch) as daemon:
        service.stay_off(args.core)
        last = queue(daemon, launches, args.steps)
        print("all are queued", file=sys.stderr)
        daemon.await_state(last, ("SUCCEEDED",), 60 + LAUNCH_SECONDS * len(launches), pause=2)
        return collect(daemon, comparisons)


def ask(program: pathlib.Path, question: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    done = subprocess.run([str(program)], input=json.dumps(question), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise service.Broken("compare_launches refused the launches")
    return json.loads(done.stdout)


@dataclasses.dataclass
class Spread:
    """Standard deviation of the logs of launch medians, within the sides of comparisons."""

    # By the mean of the sides' variances: a few disturbed launches weigh as they do in a comparison.
    mean: float
    # By the median of them, over that of the chi-squared distribution (Wilson and Hilferty, 1931): what it is where
    # nothing disturbs.
    typical: float


def spread_of(comparisons: Sequence[Comparison]) -> Spread:
    variances = [statistics.variance(map(math.log, comparison.medians_ms[side]))
                 for comparison in comparisons for side in SIDES]
    freedom = comparisons[0].launches - 1
    median_of_chi_squared = (1 - 2 / (9 * freedom)) ** 3
    return Spread(math.sqrt(statistics.fmean(variances)),
                  math.sqrt(statistics.median(variances) / median_of_chi_squared))


def pooled(comparisons: Iterable[Comparison], side: str) -> list[float]:
    return [median for comparison in comparisons for median in comparison.medians_ms[side]]


@dataclasses.dataclass
class Tally:
    """Verdicts over comparisons of one kind with so many launches a side, beside what is simulated."""

    layers: tuple[int, int]
    launches: int
    ratio: float
    ratio_interval: tuple[float, float]
    spread: Spread
    answers: list[dict[str, Any]]
    # With each of the two spreads.
    simulated: dict[str, float]
    simulated_typical: dict[str, float]

    def count(self, *verdicts: str) -> int:
        return sum(answer["verdict"] in verdicts for answer in self.answers)

    @property
    def total(self) -> int:
        return len(self.answers)

    def as_json(self) -> dict[str, Any]:
        verdicts = collections.Counter(answer["verdict"] for answer in self.answers)
        return {**dataclasses.asdict(self), "verdicts": verdicts}


def tally(args: argparse.Namespace, comparisons: list[Comparison], launches: int) -> Tally:
    a, b = (pooled(comparisons, side) for side in SIDES)
    ratio = statistics.median(b) / statistics.median(a)
    spread = spread_of(comparisons)
    truth = 1.0 if comparisons[0].is_aa else ratio
    answer = ask(args.compare_launches, {
        "min_effect": args.min_effect, "comparisons": [comparison.question(launches) for comparison in comparisons],
        "simulations": [{"ratio": truth, "log_std": width, "launches": launches}
                        for width in (spread.mean, spread.typical)]})
    return Tally(comparisons[0].layers, launches, ratio, intervals.bootstrap_ratio(b, a, draws=2000), spread,
                 answer["comparisons"], *answer["simulations"])


def tallies(args: argparse.Namespace, comparisons: list[Comparison]) -> list[Tally]:
    kinds: dict[tuple[int, int], list[Comparison]] = {}
    for comparison in comparisons:
        kinds.setdefault(comparison.layers, []).append(comparison)
    return [tally(args, members, launches) for members in kinds.values()
            for launches in ((AA_LAUNCHES,) if members[0].is_aa else PLANTED_LAUNCHES)]


def percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def row_of(found: Tally) -> list[object]:
    is_aa = found.layers[0] == found.layers[1]
    verdicts = ("faster", "slower") if is_aa else ("slower",)
    hits = found.count(*verdicts)
    simulated, typical = (percent(sum(shares[verdict] for verdict in verdicts))
                          for shares in (found.simulated, found.simulated_typical))
    low, high = found.ratio_interval
    return [f"{found.layers[0]} / {found.layers[1]} layers", "false alarms" if is_aa else "found", found.launches,
            f"{found.ratio:.4f} ({low:.4f} to {high:.4f})",
            f"{percent(found.spread.mean)} ({percent(found.spread.typical)})",
            report.share(hits, found.total, intervals.clopper_pearson(hits, found.total)),
            f"{simulated} ({typical})",
            found.count("faster"), found.count("slower"), found.count("same"), found.count("inconclusive"),
            sum(answer["p"] < 0.05 for answer in found.answers)]


def verdict_table(found: Sequence[Tally]) -> str:
    return report.table(("comparison", "what", "launches a side", "ratio of pooled medians",
                         "spread of launches (typical)", "share (95 %)", "simulated (typical)", "faster", "slower",
                         "same", "inconclusive", "Mann-Whitney p < 0.05"),
                        [row_of(tally_of_kind) for tally_of_kind in found])


def medians_by_layers(comparisons: Iterable[Comparison]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for comparison in comparisons:
        for side in SIDES:
            found.setdefault(comparison.layers_of(side), []).extend(comparison.medians_ms[side])
    return dict(sorted(found.items()))


def layer_rows(comparisons: Iterable[Comparison]) -> list[dict[str, Optional[float]]]:
    """Is cost linear in layers? The pooled median of each, beside the straight line through them."""
    points = [(layers, statistics.median(medians), len(medians))
              for layers, medians in medians_by_layers(comparisons).items()]
    line = None
    if len(points) > 2:
        line = statistics.linear_regression([layers for layers, _, _ in points], [ms for _, ms, _ in points])
    return [{"layers": layers, "launches": number, "median_ms": ms, "ms_per_layer": ms / layers,
             "off_the_line": ms / (line.intercept + line.slope * layers) - 1 if line else None,
             "fixed_ms": line.intercept if line else None} for layers, ms, number in points]


def layer_table(rows: Sequence[dict[str, Optional[float]]]) -> str:
    return report.table(("layers", "launches", "pooled median (ms)", "us a layer", "off the line"),
                        [(row["layers"], row["launches"], f"{row['median_ms']:.4f}", f"{1e3 * row['ms_per_layer']:.2f}",
                          None if row["off_the_line"] is None else f"{100 * row['off_the_line']:+.2f} %")
                         for row in rows])


def pairs(text: str) -> list[tuple[int, int]]:
    """`50:51,40:42` for argparse."""
    found = []
    for pair in filter(None, text.split(",")):
        sides = pair.split(":")
        if len(sides) != 2 or not all(side.isdigit() and int(side) > 0 for side in sides) or sides[0] == sides[1]:
            raise argparse.ArgumentTypeError(f"has {pair}, must be FEWER:MORE layers, such as 50:51")
        found.append((int(sides[0]), int(sides[1])))
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    service.add_arguments(parser)
    parser.add_argument("--compare-launches", type=pathlib.Path,
                        help="the program; tests/compare_launches beside --bin")
    parser.add_argument("--comparisons", type=service.at_least(0), default=200, help="A/A, 8 launches each (200)")
    parser.add_argument("--planted-comparisons", type=service.at_least(0), default=30,
                        help="of each slow-down, 14 launches each (30)")
    parser.add_argument("--layers", type=service.at_least(1), default=50, help="of A/A (50: a step of about 4.5 ms)")
    parser.add_argument("--planted", type=pairs, default=pairs("50:51,40:42,50:55"),
                        help="layers of each slow-down (50:51,40:42,50:55: 2, 5 and 10 %%)")
    parser.add_argument("--order", choices=("within", "all"), default="within", help="what is shuffled (within)")
    parser.add_argument("--min-effect", type=float, default=0.01, help="of the comparison (0.01)")
    parser.add_argument("--steps", type=service.at_least(1), default=10, help="measured steps of a launch (10)")
    parser.add_argument("--seed", type=int, default=1, help="of the order")
    args = parser.parse_args()
    args.compare_launches = args.compare_launches or args.bin.parent / "tests" / "compare_launches"
    service.check_programs(parser, [*(args.bin / name for name in ("torchlap", "torchlapd", "torchlap-worker")),
                                    args.compare_launches])
    if not planned(args):
        parser.error("--comparisons and --planted-comparisons are 0, must be at least one comparison")
    return args


def main() -> int:
    args = parse()
    service.end_in_order_on_signals()
    context = report.context(args.bin)
    comparisons = planned(args)
    try:
        launches = run_launches(args, comparisons)
        found = tallies(args, comparisons)
    except service.Broken as failure:
        print(f"false_alarms: {failure}", file=sys.stderr)
        return 1
    layers = layer_rows(comparisons)
    verdicts = collections.Counter(f"{row['validity']} {row['validity_reasons'] or ''}".strip() for row in launches)
    print(report.about(context))
    print(verdict_table(found))
    print(layer_table(layers))
    print("launches by validity: " + ", ".join(f"{n} {words}" for words, n in verdicts.most_common()))
    report.write(args.out, {"context": context, "settings": vars(args), "tallies": [kind.as_json() for kind in found],
                            "layers": layers, "validity": verdicts, "launches": launches,
                            "comparisons": [dataclasses.asdict(comparison) for comparison in comparisons]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
