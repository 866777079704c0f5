"""tshark reads from every variation what we read, or the difference is listed here with its reason."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import pytest

from dpiprobe.report.hello_capture import write_hello_capture
from dpiprobe.tls.fingerprint import ja3, ja4
from dpiprobe.tls.hello import SERVER_NAME, ClientHello, read_server_names
from dpiprobe.tls.vary.catalogue import CATALOGUE
from dpiprobe.tls.vary.variation import apply
from tests.tls.vary.wire import base

NAMES = sorted(set(CATALOGUE) - {"ech-none"})
EVERYTHING = "everything"
DECOYED = "a dissector that does not know the decoy's TTL for too small reads the decoy first, which is what decoys are for"
URGENT = "tshark leaves urgent bytes in the stream; a server without SO_OOBINLINE does not read them"
STRING = "tshark shows a name as a C string: it ends at a zero byte, and bytes that are no UTF-8 or no text are replaced or escaped"
LENGTH = "tshark gives the list up where its length does not agree with its entries; we show what a lenient filter can read"
RECORD = "tshark's TLS dissector asks for a record version between 0x0300 and 0x0303, and takes anything else for another protocol"
DIFFERENT: dict[str, tuple[str, str]] = {
    **{f"name-{n}": ("names", STRING)
       for n in ("nul-before", "nul-inside", "nul-after", "nul-and-other", "tab-after", "line-end-after", "high-byte", "fullwidth")},
    "names-list-length-short": ("names", LENGTH),
    "names-list-length-long": ("names", LENGTH),
    **{f"version-record-{v}": (EVERYTHING, RECORD) for v in ("0000", "0304", "03ff", "2020", "7f1c")},
    "extensions-twice": ("ja3 ja4 versions groups alpn", "tshark joins the lists of repeated extensions; we read the first, as servers do"),
    "before-empty-handshake": ("legacy_version", "tshark reads the next record's header as the version of the hello of no length"),
    "urgent-1": (EVERYTHING, URGENT),
    "urgent-midsld": (EVERYTHING, URGENT),
    "urgent-disorder-midsld": (EVERYTHING, URGENT),
    **{n: (EVERYTHING, DECOYED) for n in CATALOGUE if n.startswith(("decoy-", "faked-"))},
}  # fmt: skip
"""variation -> (what differs, why)"""

FIELDS = {
    "names": "tls.handshake.extensions_server_name",
    "legacy_version": "tls.handshake.version",
    "ciphers": "tls.handshake.ciphersuite",
    "compression": "tls.handshake.comp_method",
    "extensions": "tls.handshake.extension.type",
    "versions": "tls.handshake.extensions.supported_version",
    "groups": "tls.handshake.extensions_supported_group",
    "alpn": "tls.handshake.extensions_alpn_str",
    "ja3": "tls.handshake.ja3",
    "ja4": "tls.handshake.ja4",
}


def ours(hello: ClientHello) -> dict[str, str]:
    """The same in tshark's notation."""
    listed = [e.name.decode("latin-1") for kind, data in hello.extensions or () if kind == SERVER_NAME for e in read_server_names(data)]
    return {
        "names": ",".join(listed),
        "legacy_version": f"0x{hello.legacy_version:04x}",
        "ciphers": ",".join([f"0x{c:04x}" for c in hello.ciphers]),
        "compression": ",".join([str(c) for c in hello.compression]),
        "extensions": ",".join([str(e.type) for e in hello.extensions or ()]),
        "versions": ",".join([f"0x{v:04x}" for v in hello.supported_versions]),
        "groups": ",".join([f"0x{g:04x}" for g in hello.groups]),
        "alpn": ",".join([p.decode() for p in hello.alpn]),
        "ja3": ja3(hello),
        "ja4": ja4(hello),
    }


@cache
def fields() -> dict[str, str]:
    """Those that this tshark knows (JA4 since 4.2)."""
    known = subprocess.run(["tshark", "-G", "fields"], capture_output=True, text=True, check=True).stdout
    return {name: field for name, field in FIELDS.items() if f"\t{field}\t" in known}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory, tshark: str) -> dict[str, dict[str, str]]:
    """What tshark reads: variation -> field -> value; several hellos of one connection: the last."""
    path: Path = tmp_path_factory.mktemp("tshark") / "all.pcap"
    with path.open("wb") as file:
        write_hello_capture(file, [apply(base(), [CATALOGUE[name]]).sending for name in NAMES])
    wanted = [argument for field in fields().values() for argument in ("-e", field)]
    done = subprocess.run(
        [tshark, "-n", "-o", "tcp.reassemble_out_of_order:TRUE", "-r", str(path), "-Y", "tls.handshake.type==1", "-T", "fields", "-e", "tcp.stream", *wanted],
        capture_output=True, check=True,
    )  # fmt: skip
    found: dict[str, dict[str, str]] = {}
    for line in done.stdout.decode("utf-8", "replace").split("\n"):
        stream, *values = line.split("\t")
        if stream.isdigit() and len(values) == len(fields()):
            found[NAMES[int(stream)]] = dict(zip(fields(), values, strict=True))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_tshark_reads_the_same(name: str, theirs: dict[str, dict[str, str]]) -> None:
    differs, reason = DIFFERENT.get(name, ("", ""))
    if differs == EVERYTHING:
        assert reason
        return
    mine = ours(apply(base(), [CATALOGUE[name]]).hello)
    assert name in theirs, "tshark finds no ClientHello"
    for field, value in theirs[name].items():
        if field not in differs.split():
            assert value == mine[field], field


def test_the_list_of_differences_is_true(theirs: dict[str, dict[str, str]], tshark: str) -> None:
    """A difference that is listed and no longer there is taken off the list (checked against the version that the list was made with)."""
    version = subprocess.run([tshark, "--version"], capture_output=True, text=True, check=True).stdout
    if not version.startswith("TShark (Wireshark) 4.0."):
        pytest.skip("the list was made with tshark 4.0")
    for name in DIFFERENT:
        mine = ours(apply(base(), [CATALOGUE[name]]).hello)
        assert name not in theirs or any(value != mine[field] for field, value in theirs[name].items()), name
