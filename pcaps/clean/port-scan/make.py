"""A scanner sends one SYN to each of ten ports; closed ones answer with a reset+ack, open ones with a SYN/ACK that the scanner resets."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape


def make(folder: Path) -> None:
    tape = Tape(seed="port-scan")
    for port in range(20, 30):
        probe = tape.connection(server_port=port, begin=10 * port, timestamps=False).syn()
        if port == 22:
            probe.wait(50)._send(probe.them, "SA", ack=probe.us.next, options=[("MSS", 1460)], ipid=0)
            probe.client_reset(0.1)
        else:
            probe.forged("RA", after=50, ttl=probe.them.ttl, ipid=0, df=True, seq=0)
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
