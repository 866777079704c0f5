"""What a server's first bytes say.

Alone responsible for reading the beginning of a server-to-client stream: ServerHello, HelloRetryRequest, the plaintext Certificate of TLS 1.2
and older, a plaintext alert, a plaintext HTTP answer, or something else. Works on any prefix of the stream.

Rules of this file: never raises; None and () mean "not seen", never "not there"; no X.509 parsing: certificates are DER bytes and a hash,
and a walk of a dozen lines says whether issuer and subject are the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from dpiprobe.tls.alert import Alert, read_alert
from dpiprobe.tls.http import ResponseHead, parse_response
from dpiprobe.tls.record import (
    ALERT,
    APPLICATION_DATA,
    CERTIFICATE,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    HEADER,
    MAX_RECORD,
    SERVER_HELLO,
    read_record,
)

HELLO_RETRY_RANDOM = sha256(b"HelloRetryRequest").digest()  # RFC 8446 section 4.1.3

SERVER_HELLO_KIND, HELLO_RETRY_KIND, ALERT_KIND, HTTP_KIND, OTHER_KIND = "server_hello", "hello_retry", "alert", "http", "other"


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What the first bytes of a server are.

    kind: 'server_hello', 'hello_retry' (only that so far), 'alert', 'http', 'other'; None while too little is there to tell
    state: 'complete' (more bytes change nothing here), 'need_more', 'invalid' (TLS that breaks off in nonsense)
    version: negotiated (supported_versions, else the legacy field) · cipher · group: of the key share · alpn: chosen in the clear (TLS <= 1.2)
    alert: a plaintext alert, first or later · encrypted: a record that can only be encrypted was seen (handshake went on)
    certificates: DER, leaf first, those that are there whole; () in TLS 1.3, where they are encrypted
    http: the plaintext answer
    """

    kind: str | None
    state: str
    version: int | None = None
    cipher: int | None = None
    group: int | None = None
    alpn: bytes | None = None
    alert: Alert | None = None
    encrypted: bool = False
    certificates: tuple[bytes, ...] = ()
    http: ResponseHead | None = None

    @property
    def certificate_sha256(self) -> tuple[str, ...]:
        """SHA-256 of each certificate, hex."""
        return tuple([sha256(der).hexdigest() for der in self.certificates])

    @property
    def self_issued(self) -> bool | None:
        """Issuer and subject of the leaf are the same bytes; None without a readable certificate."""
        return self_issued(self.certificates[0]) if self.certificates else None


def read_server(stream: bytes) -> ServerAnswer:
    """Read the beginning of a server-to-client stream."""
    if not stream:
        return ServerAnswer(None, "need_more")
    if stream[:5] == b"HTTP/"[: len(stream[:5])]:
        head = parse_response(stream)
        if head is not None:
            return ServerAnswer(HTTP_KIND, "complete" if head.complete else "need_more", http=head)
        return ServerAnswer(None if b"\n" not in stream[:64] and len(stream) < 64 else OTHER_KIND, "need_more")
    if not CHANGE_CIPHER_SPEC <= stream[0] <= APPLICATION_DATA or (len(stream) > 1 and stream[1] != 3):
        return ServerAnswer(OTHER_KIND, "complete")
    return _read_tls(stream)


def _read_tls(stream: bytes) -> ServerAnswer:
    plain = bytearray()  # handshake bytes in the clear
    alert: Alert | None = None
    encrypted = broken = cut = False
    offset = 0
    while offset < len(stream):
        record = read_record(stream, offset)
        if record is None or record.version >> 8 != 3 or record.length > MAX_RECORD:
            cut = record is None and len(stream) - offset < HEADER
            broken = not cut
            break
        fragment = stream[offset + HEADER : offset + HEADER + record.length]
        if record.type == HANDSHAKE:
            plain += fragment
        elif record.type == ALERT and record.length == 2:
            alert = read_alert(stream, offset)
            break
        elif record.type != CHANGE_CIPHER_SPEC:
            encrypted = record.type == APPLICATION_DATA or record.length > 2
            break
        elif plain and not _is_retry(plain):  # all that follows ChangeCipherSpec is encrypted; TLS 1.3 sends one for show
            encrypted = True
            break
        offset += HEADER + record.length
        cut = offset > len(stream)
    hello, certificates, more, hello_whole = _messages(bytes(plain))
    if hello is None:
        if alert is not None:
            return ServerAnswer(ALERT_KIND, "complete", alert=alert)
        if (plain and plain[0] != SERVER_HELLO) or encrypted or broken:
            return ServerAnswer(OTHER_KIND, "invalid" if broken else "complete", encrypted=encrypted)
        return ServerAnswer(None, "need_more")
    version, cipher, random, group, alpn = hello
    kind = HELLO_RETRY_KIND if random == HELLO_RETRY_RANDOM else SERVER_HELLO_KIND
    settled = kind == SERVER_HELLO_KIND and hello_whole and version is not None and version >= 0x0304
    done = encrypted or alert is not None or settled or (bool(certificates) and not more)
    state = "invalid" if broken else "complete" if done else "need_more"
    return ServerAnswer(kind, state, version, cipher, group, alpn, alert, encrypted, certificates)


Hello = tuple[int | None, int | None, bytes, int | None, bytes | None]  # version, cipher, random, group, alpn


def _messages(plain: bytes) -> tuple[Hello | None, tuple[bytes, ...], bool, bool]:
    """The ServerHello, the certificates, whether the last message is cut, whether the hello is whole."""
    hello: Hello | None = None
    certificates: tuple[bytes, ...] = ()
    offset = 0
    whole = False
    while offset + 4 <= len(plain):
        length = int.from_bytes(plain[offset + 1 : offset + 4], "big")
        body = plain[offset + 4 : offset + 4 + length]
        if plain[offset] == SERVER_HELLO and (hello is None or hello[2] == HELLO_RETRY_RANDOM):
            hello, whole = _server_hello(body) or hello, len(body) == length
        elif plain[offset] == CERTIFICATE and not certificates:
            certificates = _certificate_list(body)
        offset += 4 + length
        if hello is None:
            break
    return hello, certificates, offset != len(plain), whole


def _server_hello(body: bytes) -> Hello | None:
    """RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3; read as far as it goes."""
    if len(body) < 35:
        return None
    version: int | None = int.from_bytes(body[:2], "big")
    if not 0x0300 <= (version or 0) <= 0x0304:
        return None
    random = body[2:34]
    offset = 35 + body[34]
    if len(body) < offset + 3:
        return None, None, random, None, None
    cipher = int.from_bytes(body[offset : offset + 2], "big")
    offset += 5  # cipher, compression, length of the extensions
    group: int | None = None
    alpn: bytes | None = None
    while offset + 4 <= len(body):
        kind, length = int.from_bytes(body[offset : offset + 2], "big"), int.from_bytes(body[offset + 2 : offset + 4], "big")
        data = body[offset + 4 : offset + 4 + length]
        if kind == 43 and len(data) == 2:
            version = int.from_bytes(data, "big")
        elif kind == 51 and len(data) >= 2:
            group = int.from_bytes(data[:2], "big")
        elif kind == 16 and len(data) >= 3:
            alpn = data[3 : 3 + data[2]]
        offset += 4 + length
    return version, cipher, random, group, alpn


def _is_retry(plain: bytearray) -> bool:
    return plain[6:38] == HELLO_RETRY_RANDOM


def _certificate_list(body: bytes) -> tuple[bytes, ...]:
    """RFC 5246 section 7.4.2; certificates that are whole."""
    found: list[bytes] = []
    offset = 3
    while offset + 3 <= len(body):
        end = offset + 3 + int.from_bytes(body[offset : offset + 3], "big")
        if end > len(body):
            break
        found.append(body[offset + 3 : end])
        offset = end
    return tuple(found)


def self_issued(der: bytes) -> bool | None:
    """Whether a certificate's issuer and subject are the same bytes (RFC 5280 section 3.2); None where the DER cannot be walked."""
    fields = _fields(der)
    return fields[2] == fields[4] if fields else None


def issuer(der: bytes) -> bytes | None:
    """The issuer of a certificate, as the DER bytes of its name; None where it cannot be walked."""
    fields = _fields(der)
    return fields[2] if fields else None


def subject(der: bytes) -> bytes | None:
    """Whom a certificate is for, as the DER bytes of the name; None where it cannot be walked."""
    fields = _fields(der)
    return fields[4] if fields else None


def dns_names(der: bytes) -> tuple[str, ...]:
    """Hosts that a certificate is for: dNSName entries (RFC 5280 section 4.2.1.6), else a common name that looks like a host (RFC 6125 section 6.4.4)."""
    at = der.find(_ALTERNATIVE_NAMES)
    if at >= 0:
        value = der.find(b"\x04", at + len(_ALTERNATIVE_NAMES))
        octets = _element(der, value) if 0 <= value <= at + len(_ALTERNATIVE_NAMES) + 3 else None  # behind `critical`, where it is said
        names = _element(der, octets[1]) if octets else None
        found, offset = [], names[1] if names else len(der)
        while names and offset < names[2] and (item := _element(der, offset)):
            if item[0] == _DNS_NAME:
                found.append(der[item[1] : item[2]].decode("ascii", "replace"))
            offset = item[2]
        return tuple(found)
    owner = subject(der) or b""
    at = owner.rfind(_COMMON_NAME)
    text = _element(owner, at + len(_COMMON_NAME)) if at >= 0 else None
    host = owner[text[1] : text[2]].decode("ascii", "replace") if text else ""
    return (host,) if "." in host and " " not in host else ()


_ALTERNATIVE_NAMES, _COMMON_NAME, _DNS_NAME = bytes.fromhex("0603551d11"), bytes.fromhex("0603550403"), 0x82  # RFC 5280 sections 4.2.1.6 and A.1


def _fields(der: bytes) -> list[bytes] | None:
    """Serial, signature, issuer, validity and subject of a certificate (RFC 5280 section 4.1), each a DER element."""
    certificate = _element(der, 0)
    tbs = _element(der, certificate[1]) if certificate else None
    if tbs is None:
        return None
    offset = tbs[1]
    fields: list[bytes] = []
    while len(fields) < 5:  # serial, signature, issuer, validity, subject; the optional [0] version is skipped
        item = _element(der, offset)
        if item is None:
            return None
        if der[offset] != 0xA0:
            fields.append(der[offset : item[2]])
        offset = item[2]
    return fields


def _element(der: bytes, offset: int) -> tuple[int, int, int] | None:
    """Tag, start of the content, end of one DER element; None where it does not fit."""
    if offset + 2 > len(der):
        return None
    length, start = der[offset + 1], offset + 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > len(der):
            return None
        length, start = int.from_bytes(der[start : start + count], "big"), start + count
    return None if start + length > len(der) else (der[offset], start, start + length)
