"""Intervals that the benchmarks print. Standard library alone."""
import math
import random
import statistics
from typing import Callable, Optional, Sequence


def bootstrap_ratio(above: Sequence[float], below: Sequence[float], draws: int = 10000) -> tuple[float, float]:
    """95 % percentile interval of median(above) / median(below), each side drawn anew with replacement."""
    generator = random.Random(1)
    ratios = sorted(statistics.median(generator.choices(above, k=len(above)))
                    / statistics.median(generator.choices(below, k=len(below))) for _ in range(draws))
    return ratios[int(0.025 * draws)], ratios[int(0.975 * draws) - 1]


def binomial_tail(successes: int, trials: int, share: float) -> float:
    """P(X >= successes) of a binomial X."""
    if successes <= 0 or share >= 1:
        return 1.0
    if share <= 0:
        return 0.0
    log_choose = [math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1)
                  for k in range(successes, trials + 1)]
    return math.fsum(math.exp(c + k * math.log(share) + (trials - k) * math.log1p(-share))
                     for k, c in enumerate(log_choose, successes))


def _root(rising: Callable[[float], float]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < 0 else (low, middle)
    return (low + high) / 2


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> Optional[tuple[float, float]]:
    """Exact interval of a binomial share (Clopper and Pearson, 1934); None without trials."""
    if trials == 0:
        return None
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else _root(lambda p: binomial_tail(successes, trials, p) - tail)
    high = 1.0 if successes == trials else _root(lambda p: binomial_tail(successes + 1, trials, p) - (1 - tail))
    return low, high
