"""TCP timestamps that the server's other packets carry and some do not: what is asked of every flow and of all its controls, as columns.

RFC 7323 section 3.2: in a connection that negotiated timestamps every segment but a reset carries them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dpiprobe.observe.build import Observed
from dpiprobe.verdict.columns import columns_of
from dpiprobe.wire.packets import FIN, OPT_TIMESTAMPS, SYN

Bools = npt.NDArray[np.bool_]


class Timestamps:
    """Per slot, `bare`: data or a close of the server, not before the hello, without the timestamps that its connection negotiated.
    Per flow, `keeps`: the server carries them behind its SYN/ACK too (that one alone is an offer, which something on the way may strip from all
    that follows); `missing`: it has bare packets, and others that carry them."""

    def __init__(self, observed: Observed) -> None:
        flows, columns = observed.flows, columns_of(observed)
        carries = columns.server_word & ((flows.packets.options[flows.row] & OPT_TIMESTAMPS) != 0)
        later = (columns.flags & SYN) == 0
        negotiated = (flows.timestamps == 1) & (flows.hello >= 0)
        speaks = columns.server_word & ~carries & later & ((columns.length > 0) | ((columns.flags & FIN) != 0))
        self.bare: Bools = np.zeros(len(flows.row), np.bool_)
        at = np.flatnonzero(speaks)
        flow = flows.flow[at]
        self.bare[at] = negotiated[flow] & (at >= flows.hello[flow])
        self.keeps: list[bool] = columns.slots_where(carries & later).tolist()
        self.missing: Bools = columns.slots_where(self.bare) & columns.slots_where(carries)


def timestamps_of(observed: Observed) -> Timestamps:
    """The timestamps of a batch, looked at once."""
    return observed.once("timestamps", Timestamps)
