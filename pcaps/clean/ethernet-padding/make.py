"""An IP packet of 40 bytes travels in a frame of 60: six zero bytes follow it that are no payload (IEEE 802.3: 46 bytes at least). Without
timestamps, so that packets are that short."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape
from dpiprobe.cases.moves import no_socket
from dpiprobe.cases.told import Begin, tell


def pad(tape: Tape) -> None:
    from scapy.packet import Padding

    tape.frames = [(t, n, p / Padding(bytes(46 - len(p))) if len(p) < 46 else p, out) for t, n, p, out in tape.frames]


def story(begin: Begin) -> None:
    no_socket(begin().handshake().hello().acknowledge().answer(700).client_fin(), 50)


def make(folder: Path) -> None:
    tell(folder, "ethernet-padding", story, timestamps=False, spoil=pad)


if __name__ == "__main__":
    make(Path(__file__).parent)
