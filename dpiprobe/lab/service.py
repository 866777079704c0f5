"""What the virtual server's program says on one connection: TLS-looking records or HTTP, and every way in which servers fail by themselves.

Rules of this file:
- Pure: `step` gets the time and the server's `Endpoint`; `wake_at` says when it wants to be called next. Randomness from the generator given.
- The records have the form of TLS 1.3 (RFC 8446 section 5.1) and random content: enough for all that a capture can show without keys.
- With `certificates` it speaks TLS 1.2 and shows one: `one` for all names, one `each`, or each its `own` issuer.
- A behaviour is the server's *own*: whatever it does is innocent.

    ok        answers within 2 ms               late      answers after 3 to 8 s
    slow      512 bytes every 150 ms            paced     as `ok`, the page at 60 kB/s
    reset     resets once the hello is read     reset-unread  resets without having read it (SO_LINGER 0, or unread data at close)
    close     FIN                               alert     unrecognized_name(112) and FIN
    hang      never answers                     hang-then-close / hang-then-reset   gives up after 4 s
    page      plain HTTP 400 on the TLS port    stall     sends 8 kB of the page and no more
    retry     HelloRetryRequest first           half      the flight, then a reset in the middle of the page
"""

from __future__ import annotations

import hashlib
import random
from struct import pack

from dpiprobe.cases.certificate import certificate, flight
from dpiprobe.lab import trigger
from dpiprobe.lab.endpoint import Endpoint
from dpiprobe.lab.weather import MS

BEHAVIOURS = (
    "ok", "late", "slow", "paced", "reset", "reset-unread", "close", "alert", "hang", "hang-then-close", "hang-then-reset", "page", "stall", "retry", "half",
)  # fmt: skip
HEAD_SIZE = 180  # bytes of the HTTP head in front of a page, inside the records
_RETRY_RANDOM = hashlib.sha256(b"HelloRetryRequest").digest()  # RFC 8446 section 4.1.3
_CHANGE_CIPHER_SPEC = bytes.fromhex("14 03 03 00 01 01")
_BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>400 The plain HTTP request</html>\r\n"


def record(kind: int, body: bytes) -> bytes:
    """One TLS record."""
    return pack("!BHH", kind, 0x0303, len(body)) + body


def records(stream: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """The whole records at the start of a stream as (type, content), and how many bytes they take."""
    found, at = [], 0
    while at + 5 <= len(stream):
        size = int.from_bytes(stream[at + 3 : at + 5], "big")
        if at + 5 + size > len(stream):
            break
        found.append((stream[at], stream[at + 5 : at + 5 + size]))
        at += 5 + size
    return found, at


def server_hello(rng: random.Random, session: bytes, *, retry: bool = False) -> bytes:
    """A ServerHello record (RFC 8446 section 4.1.3), X25519 and TLS_AES_128_GCM_SHA256."""
    share = b"\x00\x33\x00\x02\x00\x1d" if retry else b"\x00\x33\x00\x24\x00\x1d\x00\x20" + rng.randbytes(32)
    extensions = b"\x00\x2b\x00\x02\x03\x04" + share
    body = b"\x03\x03" + (_RETRY_RANDOM if retry else rng.randbytes(32)) + bytes((len(session),)) + session + b"\x13\x01\x00"
    body += pack("!H", len(extensions)) + extensions
    return record(22, b"\x02" + len(body).to_bytes(3, "big") + body)


class Service:
    """One connection's program. `behaviour_of` is asked with the server name once the hello is whole."""

    def __init__(self, port: int, behaviours: dict[str | None, str], body: int, rng: random.Random, certificates: str | None = None) -> None:
        self.tls = port != 80
        self.behaviours, self.body, self.rng, self.certificates = behaviours, body, rng, certificates
        self.name: str | None = None
        self.stage = "hello"
        self.behaviour = "ok"
        self.session = b""
        self.seen = b""
        self.todo: list[tuple[int, str]] = []  # (time, what)
        self.rest = b""

    def wake_at(self) -> int | None:
        """When there is something to do."""
        return self.todo[0][0] if self.todo else None

    def step(self, now: int, end: Endpoint) -> None:
        """Read what has come, and do what is due."""
        if end.dead:
            self.todo.clear()
            return
        if end.inbox:
            self.seen += end.inbox
            end.inbox = b""
            self._read(now, end)
        while self.todo and self.todo[0][0] <= now and not end.dead:
            self._do(now, self.todo.pop(0)[1], end)
        if end.peer_closed and self.stage in ("hello", "request", "done", "hanging") and not self.todo:
            end.close(now)

    def _read(self, now: int, end: Endpoint) -> None:
        if self.stage == "hello":
            found = trigger.look(self.seen, "client_hello" if self.tls else "http_request")
            if found is trigger.Verdict.MORE:
                return
            if not isinstance(found, trigger.Found):
                self.stage = "done"
                self._at(now, "close")
                return
            self.name = found.name
            self.behaviour = self.behaviours.get(found.name, self.behaviours.get(None, "ok"))
            if self.tls:
                size = self.seen[43] if len(self.seen) > 43 else 0
                self.session = self.seen[44 : 44 + size]
            self.seen = self.seen[found.length :]
            self.stage = "answering"
            think = self.rng.randrange(MS // 10, 2 * MS)
            if self.behaviour == "late":
                think = self.rng.randrange(3_000 * MS, 8_000 * MS)
            self._at(now + think, "answer")
        elif self.stage == "retried" and trigger.Found is type(trigger.look(_after_change(self.seen), "client_hello")):
            self.seen = b""
            self._at(now + MS, "flight")
        elif self.stage == "request" and [kind for kind, _ in records(self.seen)[0]].count(23) >= (1 if self.certificates else 2):
            self.stage, self.seen = "paging", b""
            self._at(now + self.rng.randrange(MS // 10, 2 * MS), "page")

    def _at(self, at: int, what: str) -> None:
        self.todo.append((at, what))
        self.todo.sort()

    def _do(self, now: int, what: str, end: Endpoint) -> None:
        behaviour = self.behaviour
        if what == "answer":
            if behaviour.startswith("hang"):
                self.stage = "hanging"
                if behaviour != "hang":
                    self._at(now + 4_000 * MS, "close" if behaviour == "hang-then-close" else "reset")
            elif behaviour in ("reset", "reset-unread"):
                end.abort(now)
            elif behaviour == "close":
                self._end(now, end)
            elif behaviour == "alert":
                end.send(now, record(21, b"\x02\x70") if self.tls else _BAD_REQUEST)
                self._end(now, end)
            elif behaviour == "page":
                end.send(now, _BAD_REQUEST)
                self._end(now, end)
            elif not self.tls:
                self.stage = "paging"
                self._page(now, end)
            elif behaviour == "retry":
                self.stage = "retried"
                end.send(now, server_hello(self.rng, self.session, retry=True) + _CHANGE_CIPHER_SPEC)
            else:
                self._do(now, "flight", end)
        elif what == "flight":
            self.stage = "request"
            if self.certificates is not None:
                whose = "lab.example" if self.certificates == "one" else self.name or "lab.example"
                end.send(now, flight(f"{self.rng.random()}", certificate(whose, whose if self.certificates == "own" else "Lab Public CA")))
                return
            end.send(now, server_hello(self.rng, self.session) + _CHANGE_CIPHER_SPEC + record(23, self.rng.randbytes(self.rng.randrange(1200, 4000))))
        elif what == "page":
            self._page(now, end)
        elif what == "piece":
            piece, self.rest = self.rest[:512], self.rest[512:]
            end.send(now, piece)
            if self.rest:
                self._at(now + (150 * MS if behaviour == "slow" else 8 * MS), "piece")
            else:
                self._end(now, end)
        elif what == "close":
            self._end(now, end)
        elif what == "reset":
            end.abort(now)

    def _page(self, now: int, end: Endpoint) -> None:
        if self.tls:
            plain, page = HEAD_SIZE + self.body, _CHANGE_CIPHER_SPEC + record(22, self.rng.randbytes(40)) if self.certificates else b""
            while plain > 0:
                page += record(23, self.rng.randbytes(min(plain, 16_384) + 17))  # type byte and tag of the AEAD
                plain -= 16_384
            page += record(23, self.rng.randbytes(19))  # close_notify
        else:
            head = b"HTTP/1.1 200 OK\r\nServer: lab\r\nConnection: close\r\nContent-Length: %d\r\nX-Pad: " % self.body
            page = head + b"x" * (HEAD_SIZE - len(head) - 4) + b"\r\n\r\n" + b"x" * self.body
        if self.behaviour in ("slow", "paced"):
            self.rest = page
            self._at(now, "piece")
        elif self.behaviour in ("stall", "half"):
            end.send(now, page[:8_000])
            if self.behaviour == "half":
                self._at(now + 20 * MS, "reset")
            self.stage = "hanging"
        else:
            end.send(now, page)
            self._end(now, end)

    def _end(self, now: int, end: Endpoint) -> None:
        self.stage = "done"
        end.close(now)


def _after_change(stream: bytes) -> bytes:
    return stream[6:] if stream[:6] == _CHANGE_CIPHER_SPEC else stream
