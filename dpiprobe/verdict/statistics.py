"""Exact tests and bounds, small samples first: no normal approximations."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, exp, lgamma, log


def rank_sum_less(test: Sequence[float], control: Sequence[float]) -> float:
    """One-sided exact Mann-Whitney p value for "test values tend to be smaller than control values" (ties count half against it).

    The null distribution is enumerated by dynamic programming over U; exact without ties, conservative with them.
    """
    m, n = len(test), len(control)
    if not m or not n:
        return 1.0
    u = sum(1.0 if t > c else 1.0 if t == c else 0.0 for t in test for c in control)
    ways = _u_distribution(m, n)
    return sum(ways[: int(u) + 1]) / comb(m + n, m)


def _u_distribution(m: int, n: int) -> list[int]:
    """How many of the comb(m + n, m) orders give each value of U (0 .. m*n)."""
    table: dict[tuple[int, int], list[int]] = {}

    def ways(a: int, b: int) -> list[int]:
        if (a, b) not in table:
            if a == 0 or b == 0:
                table[a, b] = [1]
            else:
                out = [0] * (a * b + 1)
                for u, w in enumerate(ways(a - 1, b)):
                    out[u + b] += w
                for u, w in enumerate(ways(a, b - 1)):
                    out[u] += w
                table[a, b] = out
        return table[a, b]

    return ways(m, n)


def more_often(hits: int, trials: int, control_hits: int, control_trials: int) -> float:
    """One-sided p value of Fisher's exact test that the trials have more hits than the controls."""
    together, total = hits + control_hits, trials + control_trials
    ways = comb(total, trials)
    return sum(comb(together, k) * comb(total - together, trials - k) for k in range(hits, min(together, trials) + 1)) / ways


def upper_bound(failures: int, trials: int, confidence: float = 0.95) -> float:
    """Clopper-Pearson upper bound of a rate (one-sided), by bisection on the exact binomial tail; logarithms, since the numbers leave a float's range."""
    tail = 1 - confidence
    if trials <= 0 or failures >= trials:
        return 1.0
    low, high = failures / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        terms = [
            lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(middle) + (trials - k) * log(1 - middle) for k in range(failures + 1)
        ] if middle < 1 else [-1e9]  # fmt: skip
        low, high = (middle, high) if sum(exp(t) for t in terms) > tail else (low, middle)
    return high
