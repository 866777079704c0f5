"""All findings of each flow alone: the rules of design section 5 in order, those that columns tell for all flows at once and those that look at one.

Rules of this file: it decides nothing; where a rule cannot find anything (`candidates`) it is not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from dpiprobe.flow.flows import SERVER
from dpiprobe.observe.build import Observed
from dpiprobe.verdict.after_reset import answers_after_reset
from dpiprobe.verdict.block import slots_by_flow
from dpiprobe.verdict.candidates import Candidates
from dpiprobe.verdict.contents import Contents
from dpiprobe.verdict.early import Early, early_refusals
from dpiprobe.verdict.evidence import impossible_sequences, prohibitions
from dpiprobe.verdict.model import Evidence
from dpiprobe.verdict.timestamps import timestamps_of
from dpiprobe.verdict.view import Views
from dpiprobe.wire.packets import OPT_TIMESTAMPS

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def findings_of(observed: Observed, samples: Ints, views: Views, sheds: Callable[[int], bool] = lambda _: False) -> dict[int, list[Evidence]]:
    """By flow. samples: round-trip samples known for each flow's server · sheds: whether a flow's server itself leaves timestamps out"""
    contents, possible = Contents(observed), Candidates(observed, samples)
    found: dict[int, list[Evidence]] = {}
    suspected: list[bool] = _suspected(observed).tolist()

    def take(told: Mapping[int, list[Evidence]]) -> None:
        for f, items in told.items():
            if f in found:
                found[f] += items
            elif items and suspected[f]:
                found[f] = items

    take(Early(observed, samples, views, contents).arrivals())
    take(answers_after_reset(observed, views, contents))
    take({f: impossible_sequences(views(f)) for f in np.flatnonzero(possible.impossible_sequences).tolist()})
    take(missing_timestamps(observed, contents, sheds))
    take(conflicting_data(observed, contents))
    take({f: prohibitions(views(f)) for f in np.flatnonzero(possible.prohibitions).tolist()})
    take({f: early_refusals(views(f), int(samples[f])) for f in np.flatnonzero(possible.early_refusals).tolist()})
    return found


def _suspected(observed: Observed) -> Bools:
    """Per flow: it has suspect packets."""
    suspected = np.zeros(len(observed.flows), np.bool_)
    suspected[observed.flow] = True
    return suspected


def missing_timestamps(observed: Observed, contents: Contents, sheds: Callable[[int], bool]) -> dict[int, list[Evidence]]:
    """Data or a close without timestamps in a connection that negotiated them (RFC 7323 section 3.2: every segment but a reset carries them)."""
    stamps = timestamps_of(observed)
    told = stamps.missing & _suspected(observed)
    found: dict[int, list[Evidence]] = {}
    for f, bare in slots_by_flow(observed.flows, np.flatnonzero(stamps.bare & told[observed.flows.flow])).items():
        if sheds(f):
            continue
        technique = contents.technique(bare[0], f)
        what = "close" if technique == "fin" else "payload"
        reason = f"{what} without TCP timestamps, which this connection negotiated and the server's other packets carry"
        found[f] = [Evidence("timestamps-missing", technique, bare, reason)]
    return found


def conflicting_data(observed: Observed, contents: Contents) -> dict[int, list[Evidence]]:
    """Two packets of the server that put different bytes into the same place of its stream."""
    flows = observed.flows
    at = np.flatnonzero((flows.origin == SERVER) & (flows.duplicate == 0) & observed.suspects.overlapping)
    at = at[flows.hello[flows.flow[at]] >= 0]
    strange = dict(zip(at.tolist(), _strangeness(observed, at).tolist(), strict=True))
    found: dict[int, list[Evidence]] = {}
    for f, conflict in slots_by_flow(flows, at).items():
        if len(conflict) < 2:
            continue
        forged = max(conflict, key=strange.__getitem__)  # the first of several
        technique = contents.technique(forged, f)
        if technique == "fin":
            technique = "data"
        ordered = [forged, *[s for s in conflict if s != forged]]
        reason = "two answers with different bytes for the same place in the server's stream"
        found[f] = [Evidence("conflicting-data", technique, ordered, reason)]
    return found


def _strangeness(observed: Observed, at: Ints) -> Ints:
    """How little a packet looks like the server's SYN/ACK: which of two conflicting ones is the forged one (description, not blame)."""
    flows, packets = observed.flows, observed.flows.packets
    row, syn_ack = flows.row[at], flows.syn_ack[flows.flow[at]]
    model = flows.row[np.maximum(syn_ack, 0)]
    bare = (flows.timestamps[flows.flow[at]] == 1) & ((packets.options[row] & OPT_TIMESTAMPS) == 0)
    score = (np.abs(packets.ttl[row] - packets.ttl[model]) > 1).astype(np.int64) + 2 * bare + (packets.df[row] != packets.df[model])
    return np.where(syn_ack >= 0, score, 0)
