"""How an endpoint notices losses and repairs them, as Linux does where the peer sends selective acknowledgements.

Rules of this file: pure; the state is the endpoint's own (`endpoint.py`), the decisions are here.
- Three segments that overtook a hole, or a quarter of a round trip after the first, and it counts as lost (RFC 6675, RFC 8985 section 6).
- The end of what was sent, with nothing behind it to tell, is probed after two round trips (RFC 8985 section 7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dpiprobe.lab import segment

if TYPE_CHECKING:
    from dpiprobe.lab.endpoint import Endpoint

_MSS = 1460
_PROBE_LEAST, _PROBE_ALONE = 2_000_000, 200_000_000  # ns beyond two round trips; for a single segment the peer may put its ACK off (Linux)


def read_board(end: Endpoint, now: int, *, moved: bool) -> None:
    """What the peer reports to hold beyond what it acknowledges."""
    told = end.board.note(end.told, end.una, end.nxt)
    if not end.board.held:
        end.suspect = 0
    elif told and not end.repairing:
        if end.probing:
            end.probing, end.timer = False, now + end.rto
        overtaken = sum(-(-segment.after(last, first) // end.size) for first, last in end.board.held)
        if overtaken >= 3:
            begin(end, now)
        elif not end.suspect:
            end.suspect = now + end.srtt // 4
    if end.repairing and (told or moved):
        repair(end, now)


def begin(end: Endpoint, now: int) -> None:
    """What others have overtaken is lost: send it again."""
    end.suspect = 0
    if not end.repairing and end.board.held:
        end.measured = None
        end.repairing, end.recover, end.cursor = True, end.nxt, end.una
        shrink(end)
        repair(end, now)


def shrink(end: Endpoint) -> None:
    """A loss: both the congestion window and where slow start ends fall (RFC 9438 section 4.6)."""
    end.threshold = end.congestion = max(2 * _MSS, end.congestion * 7 // 10)


def grow(end: Endpoint, taken: int) -> None:
    """So many bytes were acknowledged: slow start up to the threshold, one segment a round trip beyond it, nothing while holes are filled."""
    if end.repairing and not end.timed_out:
        return
    more = taken if end.congestion < end.threshold else max(1, _MSS * taken // end.congestion)
    end.congestion = min(end.congestion + more, 1 << 20)


def repair(end: Endpoint, now: int) -> None:
    """Fill holes in order, at least one an acknowledgement, more where the congestion window has room."""
    if segment.after(end.cursor, end.una) < 0:
        end.cursor = end.una
    stop = end.recover if end.timed_out else end.board.top(end.una)
    sent = False
    while (hole := end.board.hole(end.cursor, stop)) is not None:
        if sent and end.board.missing(end.una, end.cursor) + end.board.missing(stop, end.nxt) >= end.congestion:
            return
        end.cursor = end.resend(now, hole[0], segment.after(hole[1], hole[0]))
        sent = True


def probe(end: Endpoint, now: int) -> None:
    """The end of what was sent may be lost without anything to tell: send something new, or the last segment again (RFC 8985 section 7.3)."""
    end.probing = False
    end.timer = now + end.rto
    if segment.after(end.nxt, end.una) > 0 and (end.pending or end.fin_sent):
        before = end.nxt
        end.push(now, probe=True)
        if end.nxt == before:
            back = 1 if end.fin_sent else min(end.size, segment.after(end.nxt, end.una))
            end.resend(now, (end.nxt - back) & 0xFFFFFFFF, back)
        end.probing, end.timer = False, now + end.rto


def arm(end: Endpoint, now: int) -> None:
    """The timer of what is out: a probe first, no later than the retransmission timeout; where losses are known that timeout."""
    flight = segment.after(end.nxt, end.una)
    end.timer = now + end.rto if flight > 0 else 0
    end.probing = False
    if flight > 0 and end.selective and end.srtt and end.state == "established" and not (end.repairing or end.board.held or end.tries):
        soon = 2 * end.srtt + (_PROBE_ALONE if flight <= end.size else _PROBE_LEAST)
        end.timer, end.probing = now + min(soon, end.rto), True
