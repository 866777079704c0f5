"""What reading a capture gives: its packets, and an honest account of what was lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, field

from dpiprobe.wire.packets import Packets


@dataclass(slots=True)
class Capture:
    """One capture, read to its end or to its first damage.

    name: as the user gave it ("-" for stdin) · sha256: of the file's bytes as given (before decompression)
    frames: frames in the file, decoded or not · undecoded: frames that could not be decoded, with `undecoded_reasons`
    other: frames that are fine but hold neither TCP, UDP nor ICMP · fragments: fragments that never became a whole datagram
    damage: one sentence a loss (truncated tail, unknown block, lying length); empty means nothing was lost in reading
    links: link types met, in plain words · drops: packets that the capturing program says it lost
    comments: section comments of a pcapng (a plan may stand there)
    """

    name: str
    sha256: str
    packets: Packets
    frames: int
    undecoded: int = 0
    undecoded_reasons: dict[str, int] = field(default_factory=dict)
    other: int = 0
    fragments: int = 0
    damage: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    drops: int = 0
    comments: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Nothing was lost that absence of packets could be mistaken for."""
        return not self.damage and not self.drops and not self.undecoded
