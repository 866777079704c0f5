"""What an ICMP error quotes: the start of the packet that caused it.

Rules of this file:
- RFC 792 guarantees the IP header and 8 bytes; RFC 1812 and RFC 4443 ask for as much as fits. What was not quoted is -1.
- The quote is read as the router saw it; nothing is checked against the datagram it lies in, because its lengths speak of the original.
"""

from __future__ import annotations

from dpiprobe.wire.packets import QUOTE_COLUMNS

_EXTENSIONS = (0, 43, 44, 60, 51, 135, 139, 140)  # RFC 8200, RFC 4302


def read_quote(quote: bytes) -> tuple[dict[str, int], bytes, bytes] | None:
    """Columns of `Quotes` (without addresses), source and destination address; None where no whole IP header is quoted."""
    if not quote:
        return None
    row = dict.fromkeys(QUOTE_COLUMNS, -1)
    version = quote[0] >> 4
    if version == 4 and len(quote) >= 20:
        at = (quote[0] & 15) << 2
        if at < 20:
            return None
        row.update(version=4, protocol=quote[9], ttl=quote[8], ip_id=int.from_bytes(quote[4:6]), ip_length=int.from_bytes(quote[2:4]))
        source, destination = quote[12:16], quote[16:20]
        first = int.from_bytes(quote[6:8]) & 0x1FFF == 0
    elif version == 6 and len(quote) >= 40:
        protocol, at, first = quote[6], 40, True
        while protocol in _EXTENSIONS and at + 8 <= len(quote):
            if protocol == 44:
                first = first and int.from_bytes(quote[at + 2 : at + 4]) & 0xFFF8 == 0
            size = 8 if protocol == 44 else (quote[at + 1] + 2) << 2 if protocol == 51 else (quote[at + 1] + 1) << 3
            protocol, at = quote[at], at + size
        row.update(version=6, protocol=protocol, ttl=quote[7], ip_length=int.from_bytes(quote[4:6]) + 40)
        source, destination = quote[8:24], quote[24:40]
    else:
        return None
    if first and row["protocol"] in (6, 17) and len(quote) >= at + 4:
        row["source_port"] = int.from_bytes(quote[at : at + 2])
        row["destination_port"] = int.from_bytes(quote[at + 2 : at + 4])
        if row["protocol"] == 6 and len(quote) >= at + 8:
            row["sequence"] = int.from_bytes(quote[at + 4 : at + 8])
    return row, source, destination
