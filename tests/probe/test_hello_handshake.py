"""A whole handshake that begins with a recorded or varied hello, on a live connection."""

from __future__ import annotations

import pytest

from dpiprobe.errors import UsageError
from dpiprobe.plan.design import design
from dpiprobe.plan.plan import Pace, Plan
from dpiprobe.probe.kernel import reserve, run_trial
from dpiprobe.probe.route import resolve, route_to
from tests.probe.servers import closes, serves, serving

pytest.importorskip("cryptography")
QUICK = Pace(gap=0.05, connect=1, answer=1, after_answer=0.05, after_end=0.1, residual=0)


def plan_for(port: int, client: str = "builtin", vary: tuple[str, ...] = ()) -> Plan:
    target = resolve("127.0.0.1", port)
    return design(target.endpoint, ["blocked.example"], control=None, repetitions=1, seed=1, way="handshake", pace=QUICK, client=client, vary=vary)


def accounts(port: int, client: str = "builtin", vary: tuple[str, ...] = ()) -> list[dict[str, object]]:
    target = resolve("127.0.0.1", port)
    plan = plan_for(port, client, vary)
    sockets = reserve(len(plan.trials), route_to(target), target)
    return [run_trial(plan, trial, bound, target).account for trial, bound in zip(plan.trials, sockets, strict=True)]


@pytest.mark.parametrize("client", ["chromium", "firefox", "go-old", "curl-tls12"])
def test_a_recorded_client_finishes_its_handshake(client: str) -> None:
    with serving(serves()) as port:
        for account in accounts(port, client):
            assert (account["answer"], account["tls_error"]) == ("completed", None)
            assert account["tls_version"] == ("TLSv1.2" if client == "curl-tls12" else "TLSv1.3")
            assert account["certificate_sha256"]


@pytest.mark.parametrize("vary", ["cut-midsld", "record-at-midsld"])
def test_a_varied_hello_that_is_still_one_finishes_too(vary: str) -> None:
    with serving(serves()) as port:
        assert {account["answer"] for account in accounts(port, "firefox", (vary,))} == {"completed"}


def test_a_server_that_closes_is_a_result() -> None:
    with serving(closes) as port:
        account = accounts(port, "chromium")[0]
    assert account["answer"] in ("failed", None)


def test_a_page_needs_the_tls_library() -> None:
    with pytest.raises(UsageError, match="--get"):
        design("192.0.2.1:443", ["a.example"], control=None, repetitions=1, seed=1, way="handshake", get="/", client="chromium")
