"""Test against control: the columns that `compare` and `control: {...}` clauses ask of a context.

Rules of this file:
- Which flows are a flow's controls is decided elsewhere (the verdict room, from outcomes); here they are only measured.
- Medians, since one control may have been unlucky; unknown where neither the flow nor a control shows the feature.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from dpiprobe.observe.table import SuspectTable
from dpiprobe.signature.clause import Compare, Control
from dpiprobe.signature.model import Signature

Column = list[float | None]


def compared_features(signatures: Iterable[Signature]) -> tuple[set[str], set[str]]:
    """Flow features that any `compare` clause asks for, and those that any `control` clause asks for."""
    compare: set[str] = set()
    control: set[str] = set()
    for signature in signatures:
        for clause in signature.clauses:
            if isinstance(clause, Compare):
                compare |= {p.feature for p in clause.predicates}
            elif isinstance(clause, Control):
                control |= {p.feature for p in clause.predicates}
    return compare, control


def control_values(table: SuspectTable, controls: Sequence[Collection[int]], features: Iterable[str]) -> dict[str, Column]:
    """Per feature and flow, the median over the flow's controls. `controls[f]` are flow indices of the controls of flow f."""
    from statistics import median  # brings fractions and decimals along, a hundredth of a second that few captures need

    columns: dict[str, Column] = {}
    for feature in features:
        values = table.flow_feature(feature)
        cache: dict[tuple[int, ...], float | None] = {}
        column: Column = []
        for own in controls:
            key = tuple(own)
            if key not in cache:
                shown = [float(values.data[g]) for g in key if values.known[g]]
                cache[key] = median(shown) if shown else None
            column.append(cache[key])
        columns[feature] = column
    return columns


def ratios(table: SuspectTable, controls: Sequence[Collection[int]], features: Iterable[str]) -> dict[str, Column]:
    """Per feature and flow, the flow's value over the median of its controls'; unknown where that is 0."""
    columns: dict[str, Column] = {}
    for feature, medians in control_values(table, controls, features).items():
        values = table.flow_feature(feature)
        columns[feature] = [
            float(values.data[f]) / middle if middle and values.known[f] else None  # a median of 0 divides nothing
            for f, middle in enumerate(medians)
        ]
    return columns
