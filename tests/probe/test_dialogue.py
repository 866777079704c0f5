"""What is said: hellos alike but for the name, and a handshake with a page behind it."""

from __future__ import annotations

import shlex
import ssl

import pytest

from dpiprobe.errors import UsageError
from dpiprobe.plan.design import design
from dpiprobe.plan.plan import read_plan
from dpiprobe.probe.dialogue import HandshakeDialogue, HelloDialogue, crafted_hello, crafted_sending, dialogue_of
from dpiprobe.tls.hello import parse
from dpiprobe.tls.recipe import BUILTIN, Recipe, client_names, template
from dpiprobe.tls.vary.catalogue import CATALOGUE
from tests.probe.servers import server_context

SERVER = "192.0.2.1:443"
UNEQUAL = {"extensions-only-name"}
"""Nothing can be added where what is tested is that there is nothing else"""


def test_control_and_test_of_equal_length_differ_in_the_name_alone() -> None:
    plan = design(SERVER, ["blocked.example"], control="allowed.example", repetitions=1, seed=3)
    hellos = {trial.name: crafted_hello(plan, trial) for trial in plan.trials}
    test = hellos["blocked.example"]
    for name, hello in hellos.items():
        assert hello.replace(name.encode(), b"blocked.example") == test
    assert parse(test).padding is None  # type: ignore[union-attr]


def test_names_of_different_length_are_made_up_for_by_padding() -> None:
    plan = design(SERVER, ["a.example", "a-much-longer.example"], control="served.example", repetitions=2, seed=3)
    hellos = [crafted_hello(plan, trial) for trial in plan.trials]
    assert len({len(hello) for hello in hellos}) == 1
    assert all((parse(hello).padding or 0) > 0 for hello in hellos)  # type: ignore[union-attr]
    assert [parse(hello).server_name for hello in hellos] == [trial.name for trial in plan.trials]  # type: ignore[union-attr]


def test_the_same_trial_says_the_same_twice() -> None:
    plan = design(SERVER, ["blocked.example"], control=None, repetitions=1, seed=3)
    assert crafted_hello(plan, plan.trials[0]) == crafted_hello(plan, plan.trials[0])


IN_ORDER = sorted(name for name, v in CATALOGUE.items() if name != "ech-none" and Recipe(BUILTIN, "www.blocked.example", [name]).make().sending.in_order)


@pytest.mark.parametrize("vary", IN_ORDER)
def test_a_varied_control_is_the_varied_test_with_other_letters(vary: str) -> None:
    """Equal length and segments; of the random control every byte but letters of the name is the same."""
    plan = design(SERVER, ["www.blocked.example"], control="www.served.example", repetitions=1, seed=3, vary=[vary])
    sendings = {trial.role: crafted_sending(plan, trial) for trial in plan.trials}
    shapes = {role: [(len(s.data), s.delay, s.await_ack, s.urgent) for s in sending.segments] for role, sending in sendings.items()}
    assert shapes["random-control"] == shapes["test"]
    if vary not in UNEQUAL:
        assert len(sendings["control"].stream) == len(sendings["test"].stream)


@pytest.mark.parametrize("client", client_names())
def test_any_tcp_clients_hellos_have_one_length(client: str) -> None:
    if not template(client, "a.example", b"").records:
        with pytest.raises(UsageError, match="QUIC"):
            design(SERVER, ["a.example"], control=None, repetitions=1, seed=3, client=client)
        return
    plan = design(SERVER, ["a.example", "a-much-longer.example"], control="served.example", repetitions=1, seed=3, client=client)
    assert {trial.settings.get("client", BUILTIN) for trial in plan.trials} == {client}
    hellos = [crafted_hello(plan, trial) for trial in plan.trials]
    assert len({len(hello) for hello in hellos}) == 1
    assert [parse(hello).server_name for hello in hellos] == [trial.name for trial in plan.trials]  # type: ignore[union-attr]


def test_the_plan_carries_the_recipe() -> None:
    plan = design(SERVER, ["blocked.example"], control=None, repetitions=1, seed=3, vary=["cut-midsld", "name-pad-0-0:before=1;after=0;fill= "])
    again = read_plan(plan.to_json())
    assert again == plan
    assert shlex.split(str(again.trials[0].settings["vary"])) == ["cut-midsld", "name-pad-0-0:before=1;after=0;fill= "]
    sending = crafted_sending(again, again.trials[0])
    assert len(sending.segments) == 2
    assert parse(sending.stream).server_name == " " + again.trials[0].name  # type: ignore[union-attr]


def test_what_a_socket_cannot_send_is_said_before_anything_is_sent() -> None:
    for vary, word in (["disorder-midsld"], "raw packets"), (["decoy-iana"], "raw packets"), (["name-uper"], "did you mean"), (["cut-1", "cut-2"], "give one"):
        with pytest.raises(UsageError, match=word):
            design(SERVER, ["www.blocked.example"], control=None, repetitions=1, seed=3, vary=vary)
    with pytest.raises(UsageError, match="--get"):
        design(SERVER, ["www.blocked.example"], control=None, repetitions=1, seed=3, vary=["cut-1"], way="handshake", get="/")


@pytest.mark.parametrize(
    ("answer", "word", "alert"),
    [
        (b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76", "server_hello", None),
        (b"\x15\x03\x03\x00\x02\x02\x70", "alert", 112),
        (b"HTTP/1.1 400 Bad Request", "other", None),
        (b"", None, None),
    ],
)
def test_what_an_answer_starts_as(answer: bytes, word: str | None, alert: int | None) -> None:
    dialogue = HelloDialogue(b"hello")
    dialogue.receive(answer)
    assert dialogue.done is bool(answer)
    assert (dialogue.account()["answer"], dialogue.account()["alert"]) == (word, alert)


def handshake(path: str | None, page: bytes = b"") -> HandshakeDialogue:
    """A handshake against a server in memory, to its end."""
    dialogue = HandshakeDialogue("served.example", path)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context().wrap_bio(incoming, outgoing, server_side=True)
    to_server = dialogue.open()
    answered = False
    for _ in range(10):
        incoming.write(to_server)
        try:
            server.do_handshake()
            if path is not None and server.read(4096).startswith(b"GET /") and not answered:
                server.write(page)
                answered = True
        except ssl.SSLWantReadError:
            pass
        to_server = dialogue.receive(outgoing.read())
        if dialogue.done:
            break
    return dialogue


def test_a_completed_handshake_tells_version_and_certificate() -> None:
    dialogue = handshake(None)
    account = dialogue.account()
    assert dialogue.done
    assert (account["answer"], account["tls_version"]) == ("completed", "TLSv1.3")
    assert len(account["certificate_sha256"]) == 64
    assert "http_status" not in account


def test_a_page_is_read_to_its_declared_length() -> None:
    account = handshake("/", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").account()
    assert (account["http_status"], account["http_bytes"]) == (200, 43)


def test_an_answer_that_is_not_tls_ends_the_handshake_with_the_reason() -> None:
    dialogue = HandshakeDialogue("served.example")
    dialogue.open()
    dialogue.receive(b"HTTP/1.1 302 Found\r\nLocation: http://warning.example/\r\n\r\n")
    assert dialogue.done
    assert dialogue.account()["answer"] == "failed"
    assert dialogue.account()["tls_error"]


def test_a_close_in_the_middle_ends_the_handshake() -> None:
    dialogue = HandshakeDialogue("served.example")
    dialogue.open()
    dialogue.receive(b"")
    assert dialogue.done
    assert dialogue.account()["answer"] is None


@pytest.mark.parametrize("name", ["www.test.com", "XXXX", "www.pornhub.com"])
def test_a_client_certificate_crosses_in_clear_where_the_server_asks(name: str) -> None:
    """CenFuzz's three names. The server asks and trusts nobody; what the client sends is looked at, not whether it is believed."""
    pytest.importorskip("cryptography")
    plan = design(SERVER, ["served.example"], control=None, repetitions=1, seed=3, way="handshake", client_certificate=name)
    dialogue = dialogue_of(plan, plan.trials[0])
    context = server_context()
    context.verify_mode = ssl.CERT_OPTIONAL
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(incoming, outgoing, server_side=True)
    opened = dialogue.open()
    assert isinstance(opened, bytes)
    incoming.write(opened)
    with pytest.raises(ssl.SSLWantReadError):
        server.do_handshake()
    reply = dialogue.receive(outgoing.read())
    assert (reply[0], reply[5]) == (22, 11)  # a handshake record that begins with Certificate
    assert b"\x0c" + bytes((len(name),)) + name.encode() in reply  # UTF8String


def test_a_client_certificate_needs_a_handshake_and_a_name() -> None:
    for way, name, word in (("hello", "XXXX", "--handshake"), ("handshake", "", "common name"), ("handshake", "x" * 65, "common name")):
        with pytest.raises(UsageError, match=word):
            design(SERVER, ["served.example"], control=None, repetitions=1, seed=3, way=way, client_certificate=name)  # type: ignore[arg-type]
