"""SYN, SYN/ACK, and the bare reset of the scanner's kernel, which knows nothing of the connection; ZMap and nmap -sS look so."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="scanner-at-server")
    for begin, name in ((0, "allowed.example"), (6000, "another.example")):
        fine = tape.connection(name=name, begin=begin).handshake_at_server().hello().acknowledge(0.1).answer(700).wait(50)
        fine._own("A").request().acknowledge(0.1).close()
    talk = tape.connection(name="none.example", begin=1000).syn().wait(0.1)
    talk._send(talk.them, "SA", ack=talk.us.next, options=talk._syn_options(talk.them), ipid=0)
    talk.client_reset(50)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
