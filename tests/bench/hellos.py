"""`python -m tests.bench.hellos [--json]`: how many ClientHellos a second are built and parsed on one core, beside scapy and dpkt in the same run.

Every task is the same for all: build a TLS 1.3 hello with a new name each time (record, session id, ciphers, ten extensions), or read name, ciphers,
extensions, ALPN and versions out of its bytes. The programs take turns; the best of several rounds counts, in CPU time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

from dpiprobe.tls.craft import BROWSER_ALPN, client_hello
from dpiprobe.tls.fingerprint import ja4
from dpiprobe.tls.hello import ClientHello, build, parse
from dpiprobe.tls.rename import with_name
from dpiprobe.tls.vary.catalogue import CATALOGUE
from dpiprobe.tls.vary.variation import apply

WANTED = 20_000  # hellos a second on one core, building and parsing (issue 5)
ROUNDS, LEAST = 5, 0.15  # rounds of which the best counts; seconds of CPU a round at least
NAMES = [f"host{i:05}.example.org" for i in range(1000)]


def per_second(work: Callable[[str], object], rounds: int = ROUNDS) -> float:
    """How often `work` is done in a second of CPU."""
    best = 0.0
    for _ in range(rounds):
        done, began, spent = 0, time.process_time(), 0.0
        while spent < LEAST:
            name = NAMES[done % len(NAMES)]
            for _ in range(4):
                work(name)
            done += 4
            spent = time.process_time() - began
        best = max(best, done / spent)
    return best


def read_all(hello: ClientHello | None) -> object:
    """What a reader of a hello asks for."""
    assert hello is not None
    return hello.server_name, hello.ciphers, hello.extensions, hello.alpn, hello.supported_versions


def ours() -> dict[str, Callable[[str], object]]:
    """dpiprobe's tasks."""
    wire = client_hello("www.example.org", b"seed", alpn=BROWSER_ALPN)
    large = client_hello("www.example.org", b"seed", alpn=BROWSER_ALPN, post_quantum=True)
    hello = parse(wire)
    assert hello is not None
    cut, upper = CATALOGUE["record-at-midsld"], CATALOGUE["name-upper"]
    return {
        "build": lambda name: build(with_name(hello, name)),
        "build, random bytes drawn anew": lambda name: client_hello(name, name.encode(), alpn=BROWSER_ALPN),
        "build, varied (name-upper, record-at-midsld)": lambda name: apply(with_name(hello, name), [upper, cut]).sending.stream,
        "write back what was parsed": lambda name: build(hello),
        "parse": lambda name: read_all(parse(wire)),
        "parse, post-quantum (1.5 kB)": lambda name: read_all(parse(large)),
        "parse and JA4": lambda name: ja4(parse(wire) or hello),
    }


def with_scapy() -> dict[str, Callable[[str], object]]:
    """scapy's, where it is installed."""
    try:
        import scapy.layers.tls.extensions as ext
        import scapy.layers.tls.handshake as shake
        from scapy.layers.tls.keyexchange_tls13 import KeyShareEntry, TLS_Ext_KeyShare_CH
        from scapy.layers.tls.record import TLS
    except ImportError:
        return {}
    wire = client_hello("www.example.org", b"seed", alpn=BROWSER_ALPN)
    ciphers = list((parse(wire) or ClientHello()).ciphers)

    def make(name: str) -> bytes:
        message = shake.TLSClientHello(
            version=0x0303, random_bytes=bytes(28), gmt_unix_time=0, sid=bytes(32), ciphers=ciphers, comp=[0],
            ext=[
                ext.TLS_Ext_RenegotiationInfo(), ext.TLS_Ext_SupportedPointFormat(ecpl=[0]),
                ext.TLS_Ext_SupportedGroups(groups=[29, 23, 30, 24, 25, 256, 257]), ext.TLS_Ext_SessionTicket(), ext.TLS_Ext_EncryptThenMAC(),
                ext.TLS_Ext_ExtendedMasterSecret(), ext.TLS_Ext_SignatureAlgorithms(sig_algs=[0x0403, 0x0804, 0x0401]),
                ext.TLS_Ext_SupportedVersion_CH(versions=[0x0304, 0x0303]), ext.TLS_Ext_PSKKeyExchangeModes(kxmodes=[1]),
                TLS_Ext_KeyShare_CH(client_shares=[KeyShareEntry(group=29, kxlen=32, key_exchange=bytes(32))]),
                ext.TLS_Ext_ServerName(servernames=[ext.ServerName(servername=name.encode())]),
                ext.TLS_Ext_ALPN(protocols=[ext.ProtocolName(protocol=b"h2"), ext.ProtocolName(protocol=b"http/1.1")]),
            ],
        )  # fmt: skip
        return bytes(TLS(type=22, version=0x0301, msg=[message]))

    def read(name: str) -> object:
        message = TLS(wire).msg[0]
        return message.ciphers, [e.type for e in message.ext]

    return {"build": make, "parse": read}


def with_dpkt() -> dict[str, Callable[[str], object]]:
    """dpkt's, where it is installed; it builds no hello from fields."""
    try:
        from dpkt import ssl
    except ImportError:
        return {}
    wire = client_hello("www.example.org", b"seed", alpn=BROWSER_ALPN)

    def read(name: str) -> object:
        hello = ssl.TLSHandshake(ssl.TLSRecord(wire).data).data
        return hello.ciphersuites, hello.extensions

    return {"parse": read}


def measure(rounds: int = ROUNDS) -> dict[str, Any]:
    """Hellos a second: {task: {program: number}}."""
    programs = {"dpiprobe": ours(), "scapy": with_scapy(), "dpkt": with_dpkt()}
    found: dict[str, dict[str, float]] = {}
    for task in programs["dpiprobe"]:
        for program, tasks in programs.items():
            if task in tasks:
                found.setdefault(task, {})[program] = per_second(tasks[task], rounds if program == "dpiprobe" else 2)
    return {"wanted": WANTED, "rates": found}


def table(figures: dict[str, Any]) -> str:
    """The figures as Markdown; ratios are dpiprobe over the other."""
    lines = ["| hellos a second, one core | dpiprobe | scapy | dpkt | over scapy | over dpkt |", "|---|---|---|---|---|---|"]
    for task, rates in figures["rates"].items():
        mine = rates["dpiprobe"]
        shown = [f"{rates[p]:,.0f}" if p in rates else "-" for p in ("dpiprobe", "scapy", "dpkt")]
        over = [f"{mine / rates[p]:.1f}x" if p in rates else "-" for p in ("scapy", "dpkt")]
        lines.append(f"| {task} | {' | '.join([*shown, *over])} |")
    lines.append("")
    reached = all(rates["dpiprobe"] >= figures["wanted"] for task, rates in figures["rates"].items() if task in ("build", "parse"))
    lines.append(f"Wanted: {figures['wanted']:,} a second, building and parsing: {'reached' if reached else 'NOT reached'}.")
    return "\n".join(lines)


def main() -> int:
    """1 where the wanted rate is not reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.hellos", description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="the figures instead of the table")
    given = parser.parse_args()
    figures = measure()
    print(json.dumps(figures, indent=1) if given.json else table(figures))
    return 0 if "NOT" not in table(figures) else 1


if __name__ == "__main__":
    sys.exit(main())
