"""Flows that simply worked: nothing speaks against them, and nothing but the answer happened. Most flows of most captures are such."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import CLIENT_HELLO, HTTP_REQUEST, QUIC_INITIAL
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.verdict.model import Judgement, Observation, Outcome
from dpiprobe.verdict.outcomes import in_columns

Ints = npt.NDArray[np.int64]


def why_fine(kind: int, number: int) -> str:
    """The reason of a flow that worked. kind: of its trigger · number: of the packet that decided it"""
    if kind == QUIC_INITIAL:
        return "the server answered the Initial"
    if kind in (CLIENT_HELLO, HTTP_REQUEST):
        return f"the server answered in packet {number} and nothing ended the connection"
    return "the connection worked"


@dataclass(slots=True)
class Fine:
    """Flows that worked and of which there is no more to say, as columns: what differs between their judgements.

    flow: ascending · kind: of the trigger · number: of the packet that decided it · answer: its slot where it is an observation, else -1
    """

    flow: Ints
    kind: Ints
    number: Ints
    answer: Ints

    def judgement(self, place: int) -> Judgement:
        """What is said of the flow at one place of the columns."""
        answer = int(self.answer[place])
        return judged_fine(int(self.flow[place]), int(self.kind[place]), int(self.number[place]), [Observation("answer", [answer])] if answer >= 0 else [])


def judged_fine(flow: int, kind: int, number: int, observations: Sequence[Observation] = ()) -> Judgement:
    """The judgement of a flow that worked."""
    return Judgement(flow, "worked", "ok", confidence="medium", observations=observations, reasons=[why_fine(kind, number)])


def fine(observed: Observed, outcomes: Sequence[Outcome], apart: Collection[int]) -> Fine:
    """Every flow that worked and of which there is no more to say; `apart`: flows that something else is known of."""
    flows, columns = observed.flows, columns_of(observed)
    ended = in_columns(outcomes)
    plain = ended.are("worked") & ~columns.has_server_resets & ~columns.has_errors & ~columns.has_strays & (flows.answer >= 0)
    plain[list(apart)] = False
    chosen = np.flatnonzero(plain)
    suspected = np.zeros(len(flows), np.bool_)
    suspected[observed.flow] = True
    answer = np.where(suspected[chosen], flows.answer[chosen], -1)
    return Fine(chosen, flows.trigger_kind[chosen], flows.packets.number[flows.row[ended.slot[chosen]]], answer)
