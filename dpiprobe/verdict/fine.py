"""Flows that simply worked: nothing speaks against them, and nothing but the answer happened. Most flows of most captures are such."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Judgement, Observation, Outcome


def why_fine(kind: int, number: int) -> str:
    """The reason of a flow that worked. kind: of its trigger · number: of the packet that decided it"""
    if kind == QUIC_INITIAL:
        return "the server answered the Initial"
    if kind in (CLIENT_HELLO, HTTP_REQUEST):
        return f"the server answered in packet {number} and nothing ended the connection"
    return "the connection worked"


def fine(observed: Observed, outcomes: Sequence[Outcome], apart: Collection[int]) -> dict[int, Judgement]:
    """The judgement of every flow that worked and of which there is no more to say; `apart`: flows that something else is known of."""
    flows, columns = observed.flows, columns_of(observed)
    worked = np.array([outcome.word == "worked" for outcome in outcomes], np.bool_)
    plain = worked & ~columns.has_server_resets & ~columns.has_errors & ~columns.has_strays & (flows.answer >= 0)
    plain[list(apart)] = False
    chosen = np.flatnonzero(plain)
    slots = np.array([outcomes[f].slot for f in chosen.tolist()], np.int64)
    suspected = np.zeros(len(flows), np.bool_)
    suspected[observed.flow] = True
    facts = (
        chosen, flows.trigger_kind[chosen], flows.answer[chosen], suspected[chosen], flows.packets.number[flows.row[slots]],
    )  # fmt: skip
    return {
        f: Judgement(
            f, "worked", "ok", confidence="medium", observations=[Observation("answer", [answer])] if seen else [], reasons=[why_fine(kind, number)],
        )
        for f, kind, answer, seen, number in zip(*(fact.tolist() for fact in facts), strict=True)
    }  # fmt: skip
