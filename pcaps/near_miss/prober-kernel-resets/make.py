"""A raw socket sends the SYN; the kernel knows no such socket and resets at the SYN/ACK; the prober goes on, and the server answers all that
with bare resets."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import no_socket, syn_ack
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    talk = syn_ack(begin().syn(), 50).client_reset(0.04)
    no_socket(no_socket(talk._own("A").hello(), 50), 0.1)


def make(folder: Path) -> None:
    tell(folder, "prober-kernel-resets", story)


if __name__ == "__main__":
    make(Path(__file__).parent)
