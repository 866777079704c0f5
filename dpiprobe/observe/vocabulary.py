"""The closed vocabulary in which signatures speak about one packet inside its flow, and about a flow as a whole.

Rules of this file:
- It names features and says what they mean, in which unit, measured from which anchor. The functions that compute them are in
  `packet_features.py` and `flow_features.py`, one small pure function each, under the same names; a test holds both lists equal.
- A feature that the capture cannot show is unknown, never 0.

Anchors: `hello` the nearest preceding copy of the trigger · `syn_ack` the server's SYN/ACK · `answered` the last packet of the
other side before this one · `previous` the packet before this one within a clause's group · `expected` the next byte, in order,
that this side owed when the packet came (suspect packets never move it).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "duration", "ratio", "choice", "flag", "bytes", "text"]
"""number: integer · duration: ns in tables, `10 ms` in files · ratio: float · choice: one of `choices` · flag: true or false ·
bytes: hex · text: substring"""


@dataclass(frozen=True, slots=True)
class Feature:
    """One word of the vocabulary. `distinctive` says that a rare value of it can tell one device from all others."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    anchor: str = ""
    choices: tuple[str, ...] = ()
    distinctive: bool = False


PACKET_FEATURES: dict[str, Feature] = {
    f.name: f
    for f in (
        Feature("delay", "duration", "time since the nearest preceding copy of the trigger", "ns", "hello"),
        Feature("delay_over_rtt", "ratio", "delay divided by the smallest round trip known to that server", "", "hello"),
        Feature("ttl", "number", "IPv4 TTL or IPv6 hop limit as received", "hops"),
        Feature(
            "ttl_shift",
            "number",
            "TTL minus that of the server's SYN/ACK; 0 proves nothing, nor does another value alone",
            "hops",
            "syn_ack",
        ),
        Feature(
            "ttl_initial",
            "number",
            "the smallest usual initial TTL (32, 64, 128, 255) that is not below this one",
            "hops",
            distinctive=True,
        ),
        Feature("ipid", "number", "IPv4 identification", distinctive=True),
        Feature("ipid_step", "number", "IP ID minus that of the previous packet of the same side, modulo 65536", "", "previous"),
        Feature(
            "ipid_mirror",
            "number",
            "IP ID minus the trigger's, modulo 65536; 0 is a copy, 1 a copy plus one",
            "",
            "hello",
            distinctive=True,
        ),
        Feature("df", "choice", "the don't-fragment bit", choices=("set", "clear")),
        Feature("tos", "number", "the whole DS/ECN byte"),
        Feature("window", "number", "raw window field", "", distinctive=True),
        Feature("window_mirror", "number", "raw window minus the trigger's raw window; 0 is a copy", "", "hello"),
        Feature("window_minus_ttl", "number", "raw window minus TTL", "", distinctive=True),
        Feature("seq_raw", "number", "raw sequence number field"),
        Feature("seq_ahead", "number", "sequence number minus the next byte this side owed", "bytes", "expected"),
        Feature(
            "seq_ladder",
            "ratio",
            "sequence number minus the acknowledgement of the packet answered (a late reset: the last that acknowledged no more), in units of its raw window",
            "windows",
            "answered",
            distinctive=True,
        ),
        Feature("ack_ahead", "number", "acknowledgement number minus the end of the trigger", "bytes", "hello"),
        Feature("ack_from_start", "number", "acknowledgement number minus the first byte of the trigger", "bytes", "hello"),
        Feature("ack_raw", "number", "raw acknowledgement field, also where the ACK flag is not set"),
        Feature(
            "options",
            "choice",
            "TCP options carried: none, timestamps (and perhaps others), other",
            choices=("none", "timestamps", "other"),
        ),
        Feature("options_missing", "flag", "the connection negotiated timestamps and this packet has none"),
        Feature(
            "reserved_bits", "number", "the three reserved header bits and the former nonce bit, as a number 0 to 15", distinctive=True
        ),
        Feature("urgent", "number", "urgent pointer"),
        Feature("payload", "number", "payload length by IP's length", "bytes"),
        Feature("payload_bytes", "bytes", "the payload is exactly these bytes", distinctive=True),
        Feature(
            "payload_zeros",
            "number",
            "number of payload bytes where all of them are zero; unknown where one is not",
            "bytes",
            distinctive=True,
        ),
        Feature("ip_length", "number", "total length of the IP datagram", "bytes"),
        Feature(
            "repeats",
            "number",
            "packets of this side in the flow that are equal to this one in every header field and payload, itself included",
        ),
        Feature("http_status", "number", "status code where the payload starts as an HTTP response"),
        Feature("body_contains", "text", "the payload holds this text", distinctive=True),
        Feature("tls_alert", "number", "description of a plaintext TLS alert at the payload's start (RFC 8446 section 6)"),
        Feature("tls_type", "number", "content type of the TLS record at the payload's start (20 to 24)"),
        Feature("icmp_type", "number", "ICMP or ICMPv6 type"),
        Feature("icmp_code", "number", "ICMP or ICMPv6 code"),
        Feature("after_fin", "flag", "this side had sent a FIN before this packet"),
        Feature("overlaps", "flag", "carries bytes for a place in the stream that another packet of this side fills with different bytes"),
        Feature("echoes_timestamps", "flag", "carries timestamps, and echoes a value that the other side sent in this connection"),
    )
}
"""What clauses may ask of one packet. `from`, `flags`, `has`, `same`, `count`, `span`, `step`, `seq_offsets` are clause grammar, not features."""

FLOW_FEATURES: dict[str, Feature] = {
    f.name: f
    for f in (
        Feature("server_bytes", "number", "contiguous payload bytes received from the server", "bytes"),
        Feature("server_packets", "number", "packets received from the server after the trigger"),
        Feature("client_packets", "number", "packets sent by the client after the trigger"),
        Feature(
            "server_ack",
            "choice",
            "how much of the trigger the server acknowledged, in packets nobody suspects",
            choices=("none", "partial", "end"),
        ),
        Feature("answered", "flag", "the server answered the trigger with payload nobody suspects"),
        Feature("retransmissions", "number", "copies of the first unacknowledged byte of the trigger after the first one"),
        Feature(
            "unacknowledged_for", "duration", "time from the first to the last copy of the first unacknowledged byte of the trigger", "ns"
        ),
        Feature(
            "then_silence", "duration", "time from the server's last packet to the last packet of the flow, while something was owed", "ns"
        ),
        Feature("goodput", "ratio", "server payload over the time from its first to its last data packet", "bytes/s"),
        Feature("syn_copies", "number", "transmissions of the client's SYN"),
        Feature("segments", "number", "segments of the trigger's first transmission"),
        Feature(
            "server_retransmissions",
            "number",
            "server segments that fill a hole late: something before them was lost (a repetition of bytes that had come is not counted)",
        ),
        Feature("split_round_trips", "ratio", "time from hello to first answer over the handshake's round trip"),
        Feature("watched_after", "duration", "time for which the capture goes on after the flow's last packet", "ns"),
        Feature("named", "flag", "the hello or request names a host"),
        Feature(
            "encrypted_name",
            "choice",
            "an extension of the ClientHello that hides the name: ech (0xfe0d, real or GREASE), esni (0xffce, drafts up to 6)",
            choices=("none", "ech", "esni"),
        ),
    )
}
"""What a `flow:` clause may ask of a flow as a whole."""
