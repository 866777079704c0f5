"""The packets a box makes: from a `send:` list and the packet that triggered it to bytes, each with its delay and receiver.

Rules of this file: pure but for the generator it is given and the box's own IP ID counter. Field by field it does what `signature/emulation.py` says.
Towards the client the packet is in the server's name, towards the server in the client's.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from dpiprobe.lab import segment
from dpiprobe.lab.segment import ACK, RST, SYN, Segment
from dpiprobe.signature.emulation import Draw, Emulation, Send
from dpiprobe.signature.emulation_send import WHEN

Made = tuple[int, str, bytes]  # delay in ns after the trigger, receiver, packet

# What a `rst` residual answers with where the signature sends nothing itself: the exact reset+ack of a host without a socket (RFC 9293 section 3.10.7.1).
_RESIDUAL_RESET = Send(flags=RST | ACK)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known at the box when it reacts; `passed` says whether the server will get the trigger."""

    trigger: Segment
    start: int
    end: int
    server_next: int | None
    passed: bool
    client_ttl: int
    server_ttl: int


class Maker:
    """Makes the reactions of one box."""

    def __init__(self, emulation: Emulation, rng: random.Random, own: Sequence[bytes]) -> None:
        self.emulation, self.rng = emulation, rng
        self.own = {len(address): address for address in own}
        self.counter = rng.randrange(0x10000)
        self.turns: dict[tuple[int, str], int] = {}  # how far each cycle has come
        self.sends = {when: tuple(send for send in emulation.send if send.when == when) for when in WHEN}

    def reaction(self, context: Context, when: str = "trigger") -> list[Made]:
        """All packets of the `send:` list that are due now (`trigger`, `later`, `answer`), in order."""
        return self._make(self.sends[when], context) if self.sends[when] else []

    def residual(self, context: Context) -> list[Made]:
        """The answer to a packet of a connection that is punished for an earlier one."""
        return self._make(self.sends["trigger"] or (_RESIDUAL_RESET,), context)

    def _make(self, sends: tuple[Send, ...], context: Context) -> list[Made]:
        made: list[Made] = []
        at = self._draw(self.emulation.delay)
        burst_id, burst_window = self._sixteen_bits(), self._sixteen_bits()
        for send in sends:
            offsets = send.seq_offsets if send.windows is None else tuple(k * context.trigger.window for k in send.windows)
            burst_ttl = self._draw(send.ttl) if isinstance(send.ttl, Draw) else 0
            at = at if send.delay is None else self._draw(send.delay)
            first = True
            for _ in range(send.copies):
                for offset in offsets:
                    at += 0 if first else send.spacing
                    first = False
                    for to in send.to:
                        made.append((at, to, self._packet(send, to, offset, context, burst_id, burst_window, burst_ttl)))
        return made

    def _packet(self, send: Send, to: str, offset: int, context: Context, burst_id: int, burst_window: int, burst_ttl: int) -> bytes:
        seen = context.trigger
        ttl = self._ttl(send.ttl, burst_ttl, to, context) if send.ttl_cycle is None else self._next(send, "ttl", send.ttl_cycle)
        ipid = {"random_same": burst_id, "mirror": seen.ipid + send.ipid_step}.get(str(send.ipid), send.ipid)
        if ipid == "random":
            ipid = self._sixteen_bits()
        elif ipid == "counter":
            self.counter = ipid = (self.counter + send.ipid_step) & 0xFFFF
        window = {"random_same": burst_window, "mirror": seen.window}.get(str(send.window), send.window)
        if window == "random":
            window = self._sixteen_bits()
        if send.window_cycle is not None:
            window = self._next(send, "window", send.window_cycle)
        if send.window_ttl_plus is not None:
            window = ttl + send.window_ttl_plus
        if send.icmp is not None:
            here, there = self.own[len(seen.source)], seen.source if to == "client" else seen.destination
            quoted = segment.build(seen)
            return segment.icmp_error(here, there, *send.icmp, quoted, ttl=ttl, ip_id=int(ipid) & 0xFFFF, df=send.df, tos=send.tos)
        seq, ack = self._numbers(send, to, context)
        to_client = to == "client"
        return segment.build(
            Segment(
                source=self.own[len(seen.source)] if send.source == "box" else seen.destination if to_client else seen.source,
                destination=seen.source if to_client else seen.destination,
                source_port=seen.destination_port if to_client else seen.source_port,
                destination_port=seen.source_port if to_client else seen.destination_port,
                seq=seq + offset, ack=ack, flags=send.flags, window=int(window), payload=send.payload,
                options=seen.options if send.copy_options else send.options, ttl=ttl, ipid=int(ipid), df=send.df, tos=send.tos,
                reserved=send.reserved_bits,
            )
        )

    def _numbers(self, send: Send, to: str, context: Context) -> tuple[int, int]:
        """Sequence and acknowledgement number before offsets."""
        seen = context.trigger
        if to == "client":
            owed = seen.ack if seen.flags & ACK else 0
            if context.server_next is not None and seen.flags & ACK and segment.after(context.server_next, owed) > 0:
                owed = context.server_next
            ack = {"hello_end": context.end, "hello_start": context.start, "zero": 0}[send.ack] + send.ack_offset
        else:
            owed = context.end if context.passed else seen.seq  # of a hello in pieces the earlier ones have passed
            ack = 0 if send.ack == "zero" else (seen.ack if not seen.flags & SYN else 0) + send.ack_offset
        return (0 if send.seq == "zero" else owed), ack

    def _ttl(self, ttl: str | Draw, burst: int, to: str, context: Context) -> int:
        if isinstance(ttl, Draw):
            return self._draw(ttl) if ttl.each else burst
        if ttl == "copy":
            return context.trigger.ttl
        return context.server_ttl if to == "client" else context.client_ttl

    def _next(self, send: Send, field: str, cycle: tuple[int, int]) -> int:
        """The next value of a cycle; each entry of `send:` has its own."""
        low, high = cycle
        turn = self.turns.get((id(send), field), 0)
        self.turns[id(send), field] = turn + 1
        return low + turn % (high - low + 1)

    def _sixteen_bits(self) -> int:
        """A random header field; not 0, which means something of its own in most."""
        return self.rng.randint(1, 0xFFFF)

    def _draw(self, draw: Draw) -> int:
        return draw.low if draw.low == draw.high else self.rng.randint(draw.low, draw.high)
