"""A plan inside a capture: the section comments of a pcapng that say which flow was which trial.

Rules of this file:
- A comment holds at most 65,535 bytes (pcapng, section 3.5: option lengths are 16 bits). A longer plan is cut into parts that each say
  `dpiprobe-plan/1 part 2 of 3: `.
- Comments of other programs are left alone; half a plan is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from dpiprobe.plan.plan import FORMAT, Plan, read_plan

_PART = 15_000  # characters; at most four bytes each in UTF-8
_HEAD = re.compile(re.escape(FORMAT) + r" part (\d{1,6}) of (\d{1,6}): ", re.ASCII)


def comments_of(plan: Plan) -> list[str]:
    """The plan as one or more comments."""
    text = plan.to_json()
    if len(text) <= _PART:
        return [text]
    parts = [text[i : i + _PART] for i in range(0, len(text), _PART)]
    return [f"{FORMAT} part {i} of {len(parts)}: {part}" for i, part in enumerate(parts, 1)]


def plan_in(comments: Iterable[str]) -> Plan | None:
    """The first plan among the comments, or None. Raises InputError where a plan is there and broken."""
    parts: dict[tuple[int, int], str] = {}
    for comment in comments:
        if comment.startswith("{") and f'"{FORMAT}"' in comment[:60]:
            return read_plan(comment, "the plan in the capture")
        if head := _HEAD.match(comment):
            number, total = int(head[1]), int(head[2])
            parts.setdefault((total, number), comment[head.end() :])
            if number == total and all((total, i) in parts for i in range(1, total + 1)):
                return read_plan("".join(parts[total, i] for i in range(1, total + 1)), "the plan in the capture")
    return None
