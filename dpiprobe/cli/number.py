"""Numbers on the command line: within a range, and numbers indeed.

Rules of this file: "nan" is smaller than nothing and larger than nothing, so that a plain range lets it through, and a rate of it is no rate at all.
"""

from __future__ import annotations

import math
from typing import Any

import click


class Number(click.FloatRange):
    """A range of numbers, without nan."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if isinstance(number, float) and math.isnan(number):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return number
