"""Thirty SYNs of thirty addresses, each answered and never completed; some senders reset what they did not ask for."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.moves import syn_ack
from dpiprobe.cases.told import Begin, tell


def story(begin: Begin) -> None:
    for i in range(30):
        talk = begin("none.example", begin=40 * i, client=f"203.0.113.{100 + i}", client_port=1024 + i)
        syn_ack(talk.syn(), 0.1)
        if i % 3 == 0:
            talk.client_reset(60)


def make(folder: Path) -> None:
    tell(folder, "syn-flood", story, v6=False)


if __name__ == "__main__":
    make(Path(__file__).parent)
