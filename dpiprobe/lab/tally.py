"""Results of the matrix, counted: what was right under which condition, what was said instead, and how sure the counts make us.

Rules of this file: pure; plain data in and out (the JSON of `lab matrix`); bounds are exact (Clopper and Pearson 1934), two-sided 95 % for
accuracy, one-sided 95 % above for accusations.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from dpiprobe.lab.conditions import condition
from dpiprobe.lab.matrix import BLAME, GRADES, Result, View
from dpiprobe.lab.truth import Truth
from dpiprobe.verdict.statistics import upper_bound

FORMAT = "dpiprobe-matrix/1"
MILD, HARSH = 0.02, 0.05
VIEWS = ("client", "both")


def interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided bounds of a share."""
    tail = (1 - confidence) / 2
    return (1 - upper_bound(trials - hits, trials, 1 - tail), upper_bound(hits, trials, 1 - tail)) if trials else (0.0, 1.0)


def fisher(one: int, trials_one: int, two: int, trials_two: int) -> float:
    """Two-sided exact p of "both shares are one" (Fisher 1934): the tables that are no likelier than this one, margins given."""
    whole, hits = trials_one + trials_two, one + two
    ways = [math.comb(trials_one, k) * math.comb(trials_two, hits - k) if 0 <= hits - k <= trials_two else 0 for k in range(trials_one + 1)]
    return sum(w for w in ways if w <= ways[one]) / math.comb(whole, hits)


def tally(results: Sequence[Result], truths: Mapping[str, Truth], deployments: Iterable[str]) -> dict[str, Any]:
    """The summary of a matrix: everything that the page and the terminal show."""
    boxes = sorted((r for r in results if r.kind == "box"), key=_order)
    innocents = sorted((r for r in results if r.kind == "innocent"), key=_order)
    own = set(deployments)
    return {
        "runs": len(results),
        "connections": sum(r.connections for r in results),
        "conditions": [_shares(name, group, truths) for name, group in _by(boxes, lambda r: r.condition)],
        "boxes": [{**_shares(name, group, truths), "technique": sorted(truths[name].techniques)} for name, group in _by(boxes, lambda r: r.name)],
        "up_to_2_percent": _shares("up to 2 %", [r for r in boxes if condition(r.condition).mean_loss <= MILD + 1e-9], truths),
        "at_5_percent": _shares("5 %", [r for r in boxes if MILD + 1e-9 < condition(r.condition).mean_loss <= HARSH + 1e-9], truths),
        "technique": {view: _confusion(boxes, lambda r: _truth(truths, r), lambda v: v.technique, view) for view in VIEWS},
        "verdict": {view: _confusion(boxes, lambda r: _truth(truths, r), lambda v: v.verdict, view) for view in VIEWS},
        "position": {view: _confusion(boxes, lambda r: "/".join(sorted(truths[r.name].positions)), lambda v: v.position, view) for view in VIEWS},
        "signature": {view: _confusion(boxes, lambda r: r.name, lambda v: v.signature, view) for view in VIEWS},
        "deployments": _deployments([r for r in boxes if r.name in own and not (truths[r.name].all_names or truths[r.name].far_only)]),
        "foreign": [_where(r) | {"signature": r.foreign} for r in boxes if r.foreign],
        "box_accusations": [_where(r) | {"accused": r.accused} for r in boxes if r.accused],
        "not_right": _not_right(boxes, truths),
        "software": _software([r for r in results if r.kind == "software"], truths),
        "innocents": _innocents(innocents),
        "misses": [_miss(r, truths) for r in boxes if not is_right(r, "both", truths)],
    }


def _order(result: Result) -> tuple[str, str, int]:
    return result.name, result.condition, result.seed


def _where(result: Result) -> dict[str, Any]:
    return {"name": result.name, "condition": result.condition, "seed": result.seed}


def _truth(truths: Mapping[str, Truth], result: Result) -> str:
    return "/".join(sorted(truths[result.name].techniques))


def _by(results: Sequence[Result], key: Callable[[Result], str]) -> list[tuple[str, list[Result]]]:
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[key(result)].append(result)
    return list(groups.items())


def _shares(name: str, group: Sequence[Result], truths: Mapping[str, Truth]) -> dict[str, Any]:
    """Grades of a group in each view, with the share that is right and its bounds."""
    out: dict[str, Any] = {"name": name, "runs": len(group)}
    for view in VIEWS:
        grades = Counter(_view(r, view).grade for r in group)
        right = sum(is_right(r, view, truths) for r in group)
        bounds = interval(right, len(group))
        out[view] = {
            "grades": {grade: grades[grade] for grade in GRADES}, "right": right / len(group) if group else None, "from": bounds[0], "to": bounds[1],
        }  # fmt: skip
    return out


def is_right(result: Result, view: str, truths: Mapping[str, Truth]) -> bool:
    """`exact` or `coarse`; for what hits every name alike the possibility is all that may be said (design section 4)."""
    grade = _view(result, view).grade
    return grade in ("exact", "coarse") or (grade == "possible" and truths[result.name].all_names)


def _view(result: Result, view: str) -> View:
    return result.client if view == "client" else result.both


def _confusion(results: Sequence[Result], truth: Callable[[Result], str], said: Callable[[View], str | None], view: str) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for result in results:
        table[truth(result)][said(_view(result, view)) or "-"] += 1
    return {row: dict(table[row].most_common()) for row in sorted(table)}


def _deployments(results: Sequence[Result]) -> dict[str, Any]:
    """How often a device's own signature wins on its own box (IPv6 hides the fields that many rest on; devices that hit every name, or
    send to the server alone, have nothing to show to the client)."""
    shown = [r for r in results if condition(r.condition).version == 4]
    won = {view: sum(_view(r, view).signature == r.name for r in shown) for view in VIEWS}
    return {"runs": len(shown), "own_signature": won}


def _not_right(results: Sequence[Result], truths: Mapping[str, Truth]) -> dict[str, Any]:
    out = {}
    for view in VIEWS:
        missed = [_view(r, view) for r in results if not is_right(r, view, truths)]
        out[view] = {"runs": len(missed), "insufficient": sum(v.verdict == "insufficient" for v in missed), "blamed": sum(v.verdict in BLAME for v in missed)}
    return out


def _software(results: Sequence[Result], truths: Mapping[str, Truth]) -> list[dict[str, Any]]:
    """Each real program: how many runs name its technique (in full depth or a true parent; what hits every name: among what it could be), and what was said."""
    return [
        {"name": name, "technique": sorted(truths[name].techniques), "runs": len(group)}
        | {
            view: {"right": sum(is_right(r, view, truths) for r in group), "said": dict(Counter(_said(_view(r, view)) for r in group).most_common())}
            for view in VIEWS
        }
        for name, group in sorted(_by(results, lambda r: r.name))
    ]  # fmt: skip


def _said(view: View) -> str:
    words = [view.verdict, view.technique, view.signature if view.signature != view.technique else None]
    return " ".join(str(word) for word in words if word) + (f" ({view.because})" if view.because else "")


def _innocents(results: Sequence[Result]) -> dict[str, Any]:
    accused = [r for r in results if r.accused]
    return {
        "runs": len(results),
        "accused": len(accused),
        "upper_95": upper_bound(len(accused), len(results)),
        "verdicts": {name: dict(Counter(r.both.verdict or "-" for r in group).most_common()) for name, group in _by(results, lambda r: r.name)},
        "conditions": {name: {"runs": len(group), "accused": sum(bool(r.accused) for r in group)} for name, group in _by(results, lambda r: r.condition)},
        "accusations": [_where(r) | {"accused": r.accused} for r in accused],
    }


def _miss(result: Result, truths: Mapping[str, Truth]) -> dict[str, Any]:
    both, client = result.both, result.client
    return _where(result) | {
        "truth": _truth(truths, result),
        "client": [client.verdict, client.technique, client.grade],
        "both": [both.verdict, both.technique, both.grade],
    }


def again(kind: str, name: str, where: str, seed: int) -> str:
    """The command that repeats one run alone and keeps its captures."""
    if kind == "software":
        return f"dpiprobe lab run {name} --seed {seed} -- dpiprobe probe 198.18.4.2 --name blocked.example --control allowed.example --handshake"
    option = "--box" if kind == "box" else "--innocent"
    return f"dpiprobe lab matrix {option} {name} --condition {where} --seed {seed} --repetitions 1 --keep DIR"
