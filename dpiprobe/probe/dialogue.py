"""What is said on a probed connection: a crafted ClientHello alone, or a whole TLS handshake with a page behind it.

Rules of this file:
- Bytes in, bytes out; no sockets. What is learnt is the application's view and never decides a verdict.
- `crafted_hello` gives the trials of one pair the same bytes but for the name, and all trials of a plan the same length.
- The handshake verifies no certificate: a certificate that differs is a finding, not a reason to stop.
"""

from __future__ import annotations

import hashlib
import shlex
import ssl
from typing import Any

from dpiprobe.plan.plan import Plan, Trial
from dpiprobe.plan.replayed import recorded_in, sending_of
from dpiprobe.probe.client_certificate import present
from dpiprobe.probe.machine import Dialogue
from dpiprobe.tls.craft import BROWSER_ALPN
from dpiprobe.tls.recipe import BUILTIN, Recipe
from dpiprobe.tls.sending import Sending, whole

MOST_BODY = 1 << 20  # bytes of a page to fetch at most: enough to measure goodput, little enough to be polite
_HANDSHAKE, _ALERT = 22, 21  # RFC 8446 section 5.1


def dialogue_of(plan: Plan, trial: Trial) -> Dialogue:
    """What this trial says."""
    if plan.way == "hello":
        return HelloDialogue(crafted_sending(plan, trial))
    if trial.settings.get("client") or trial.settings.get("vary"):
        from dpiprobe.probe.hello_handshake import HelloHandshakeDialogue

        return HelloHandshakeDialogue(crafted_sending(plan, trial), _seed(plan, trial))
    certificate = trial.settings.get("client_certificate")
    return HandshakeDialogue(trial.name, plan.get, certificate=str(certificate) if certificate is not None else None)


def crafted_hello(plan: Plan, trial: Trial) -> bytes:
    """The bytes of `crafted_sending`, as a server reads them."""
    return crafted_sending(plan, trial).stream


def crafted_sending(plan: Plan, trial: Trial) -> Sending:
    """The ClientHello of a trial as it goes on the wire: its client's, varied as its settings say (`client`, `vary`). Trials of equal `hello_seed`
    differ in what depends on the name alone; where the names of the plan differ in length, a padding extension in every hello makes up for it.
    A trial with a recorded hello sends that one (`plan.replayed`)."""
    if (recorded := recorded_in(trial.settings)) is not None:
        return sending_of(recorded, trial.name)
    recipe = Recipe(
        client=str(trial.settings.get("client") or BUILTIN),
        name=trial.name,
        variations=shlex.split(str(trial.settings.get("vary") or "")),
        seed=_seed(plan, trial),
        beside=tuple(dict.fromkeys(t.name for t in plan.trials)) if isinstance(trial.settings.get("name_room"), int) else (),
    )
    return recipe.make().sending


def _seed(plan: Plan, trial: Trial) -> bytes:
    return str(trial.settings.get("hello_seed", plan.seed)).encode()


class HelloDialogue:
    """One hello, and whatever comes back. Done with the first bytes of an answer."""

    def __init__(self, hello: bytes | Sending) -> None:
        self.done = False
        self._sending = hello if isinstance(hello, Sending) else whole(hello)
        self._first = b""

    def open(self) -> bytes | Sending:
        """The hello; as a sending where it leaves in more than one segment of its own."""
        return self._sending if len(self._sending.segments) > 1 else self._sending.stream

    def receive(self, data: bytes) -> bytes:
        """Keep the first bytes of the answer; says nothing."""
        self._first += data[: max(0, 64 - len(self._first))]
        self.done = self.done or bool(data)
        return b""

    def account(self) -> dict[str, Any]:
        """hello_sha256, and what the answer starts as: server_hello, alert (with its number), other, or None."""
        first = self._first
        answer: str | None = None
        if first:
            answer = "server_hello" if first[0] == _HANDSHAKE and first[5:6] in (b"\x02", b"") else "alert" if first[0] == _ALERT else "other"
        alert = first[6] if answer == "alert" and len(first) > 6 else None
        digest = hashlib.sha256(self._sending.stream).hexdigest()
        return {"hello_sha256": digest, "answer": answer, "alert": alert, "first_bytes": first[:16].hex()}


class HandshakeDialogue:
    """A TLS handshake by the machine's TLS library, and one HTTP/1.1 request where a path is asked for. certificate: the common name of a client
    certificate that a server is given which asks for one; the handshake is held to TLS 1.2 then."""

    def __init__(self, name: str, path: str | None = None, most_body: int = MOST_BODY, certificate: str | None = None) -> None:
        self.done = False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["http/1.1"] if path is not None else [p.decode() for p in BROWSER_ALPN])
        if certificate is not None:
            present(context, certificate)
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=name)
        self._name, self._path, self._most_body = name, path, most_body
        self._page = b""
        self._got = 0
        self._completed = False
        self._error: str | None = None
        self._alert = False
        self._hello = b""

    def open(self) -> bytes:
        """The ClientHello."""
        self._step()
        self._hello = self._out.read()
        return self._hello

    def receive(self, data: bytes) -> bytes:
        """Go on with the handshake, then with the page; empty bytes are the server's FIN."""
        if not self._hello or self.done:
            return b""
        if data:
            self._alert = self._alert or (not self._completed and data[0] == _ALERT)
            self._in.write(data)
        else:
            self._in.write_eof()
        self._step()
        return self._out.read()

    def _step(self) -> None:
        try:
            if not self._completed:
                self._tls.do_handshake()
                self._completed = True
                if self._path is None:
                    self.done = True
                    return
                self._tls.write(f"GET {self._path} HTTP/1.1\r\nHost: {self._name}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode())
            while not self.done:
                if not (page := self._tls.read(1 << 16)):
                    self.done = True
                self._page += page[: max(0, 16384 - len(self._page))]
                self._got += len(page)
                self.done = self.done or self._body_complete()
        except ssl.SSLWantReadError:
            return
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.done = True
        except ssl.SSLError as error:
            self._error = error.reason or str(error)
            self.done = True

    def _body_complete(self) -> bool:
        head, found, _ = self._page.partition(b"\r\n\r\n")
        if not found:
            return self._got >= self._most_body
        body = self._got - len(head) - 4
        lengths = [line.split(b":", 1)[1].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        return body >= self._most_body or (bool(lengths) and lengths[0].isdigit() and body >= int(lengths[0]))

    def account(self) -> dict[str, Any]:
        """completed, TLS version, cipher, ALPN, SHA-256 of the certificate, the library's error; of a page its status and bytes."""
        told: dict[str, Any] = {
            "hello_sha256": hashlib.sha256(self._hello).hexdigest(),
            "answer": "completed" if self._completed else "alert" if self._alert else "failed" if self._error else None,
            "tls_version": self._tls.version() if self._completed else None,
            "cipher": None, "alpn": None, "certificate_sha256": None, "tls_error": self._error,
        }  # fmt: skip
        if self._completed:
            certificate, cipher = self._tls.getpeercert(binary_form=True), self._tls.cipher()
            told["cipher"] = cipher[0] if cipher else None
            told["alpn"] = self._tls.selected_alpn_protocol()
            told["certificate_sha256"] = hashlib.sha256(certificate).hexdigest() if certificate else None
        if self._path is not None:
            status = self._page.split(b" ", 2)[1:2] if self._page.startswith(b"HTTP/") else []
            told["http_status"] = int(status[0]) if status and status[0].isdigit() else None
            told["http_bytes"] = self._got
        return told
