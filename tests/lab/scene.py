"""What the lab's tests share: a plain TLS client that runs inside, and a capture as a list of packets, read by dpkt and struct alone."""

from __future__ import annotations

import json
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dpkt

from dpiprobe.lab.session import Lab

VISIT = """
import json, os, socket, ssl, sys, time
context = ssl._create_unverified_context()
for order in json.loads(sys.argv[1]):
    told = {"name": order["name"], "bytes": 0, "error": None}
    start = time.monotonic()
    try:
        plain = socket.create_connection((os.environ["DPIPROBE_LAB_SERVER"], 443), timeout=order.get("timeout", 5))
        told["port"] = plain.getsockname()[1]
        with context.wrap_socket(plain, server_hostname=order["name"], suppress_ragged_eofs=False) as tls:
            tls.sendall(b"GET %s HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" % order.get("path", "/").encode())
            while data := tls.recv(65536):
                told["bytes"] += len(data)
    except OSError as problem:
        told["error"] = type(problem).__name__
    told["seconds"] = time.monotonic() - start
    print(json.dumps(told), flush=True)
"""


def pressure() -> float:
    """How many times over the processors are wanted, at least 1: on a crowded machine things take that much longer."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def visit(lab: Lab, *orders: dict[str, Any]) -> list[dict[str, Any]]:
    """Fetch over TLS from inside, one order after the other: {name, path, timeout}."""
    return [json.loads(line) for line in lab.python_in("client", VISIT, json.dumps(orders), timeout=120).splitlines()]


@dataclass(frozen=True)
class Seen:
    """One TCP or ICMP packet of a capture; `time` in seconds, `to_client` by the destination address."""

    time: float
    to_client: bool
    client_port: int
    ttl: int
    ipid: int
    df: bool
    tos: int
    flags: str
    seq: int
    ack: int
    window: int
    options: bytes
    payload: bytes
    icmp: tuple[int, int] | None = None
    source: str = ""


def packets(path: Path, client: str = Lab.client) -> list[Seen]:
    """The IPv4 packets of a pcapng."""
    found = []
    with path.open("rb") as file:
        for time, frame in dpkt.pcapng.Reader(file):
            ip = frame[14 : 14 + struct.unpack_from("!H", frame, 16)[0]]
            start = (ip[0] & 15) * 4
            to_client = ip[16:20] == socket.inet_aton(client)
            common = {"ttl": ip[8], "ipid": struct.unpack_from("!H", ip, 4)[0], "df": bool(ip[6] & 0x40), "tos": ip[1], "source": socket.inet_ntoa(ip[12:16])}
            if ip[9] == 1:
                found.append(Seen(float(time), to_client, 0, flags="", seq=0, ack=0, window=0, options=b"", payload=ip[start + 8 :],
                                  icmp=(ip[start], ip[start + 1]), **common))
                continue
            if ip[9] != 6:
                continue
            sport, dport, seq, ack, word, window = struct.unpack_from("!HHIIHH", ip, start)
            header = (word >> 12) * 4
            flags = "".join(letter for bit, letter in enumerate("FSRPAUECN") if word >> bit & 1)
            found.append(Seen(float(time), to_client, dport if to_client else sport, flags=flags, seq=seq, ack=ack, window=window,
                              options=ip[start + 20 : start + header], payload=ip[start + header :], **common))
    return found


def of_port(seen: list[Seen], port: int) -> list[Seen]:
    """The packets of one connection."""
    return [packet for packet in seen if packet.client_port == port]
