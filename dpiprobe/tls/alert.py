"""TLS alerts that travel in the clear.

Alone responsible for alert names (IANA TLS Alerts registry: RFC 8446 section 6, and older ones from RFC 2246, 4346, 5246, 6066) and for
telling a plaintext alert record from an encrypted one: a plaintext alert's fragment is exactly two bytes, level 1 or 2.
"""

from __future__ import annotations

from typing import NamedTuple

from dpiprobe.tls.record import ALERT, HEADER, read_record

WARNING, FATAL = 1, 2

DESCRIPTIONS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    52: "too_many_cids_requested",
    60: "export_restriction",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    111: "certificate_unobtainable",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    114: "bad_certificate_hash_value",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
    121: "ech_required",
}


class Alert(NamedTuple):
    """level: 1 warning, 2 fatal · description: number · record_version: of the record that carried it."""

    level: int
    description: int
    record_version: int

    @property
    def name(self) -> str:
        """The registry's name, 'alert_N' for a number it does not have."""
        return description_name(self.description)

    @property
    def fatal(self) -> bool:
        """Level 2; TLS 1.3 treats every alert but close_notify and user_canceled as fatal whatever the level says."""
        return self.level == FATAL


def description_name(number: int) -> str:
    """Name of an alert description."""
    return DESCRIPTIONS.get(number, f"alert_{number}")


def read_alert(stream: bytes, offset: int = 0) -> Alert | None:
    """The plaintext alert whose record begins at `offset`; None where there is none, or it is encrypted or cut."""
    record = read_record(stream, offset)
    if record is None or record.type != ALERT or record.length != 2 or record.version >> 8 != 3 or len(stream) < offset + HEADER + 2:
        return None
    level, description = stream[offset + HEADER], stream[offset + HEADER + 1]
    return Alert(level, description, record.version) if level in (WARNING, FATAL) else None


def build_alert(description: int, level: int = FATAL, version: int = 0x0303) -> bytes:
    """An alert record in the clear."""
    return bytes((ALERT, version >> 8, version & 255, 0, 2, level, description))
