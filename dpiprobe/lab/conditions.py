"""The conditions under which a box is tried on the virtual clock, as a table: what the path is like, and where the captures are taken.

Rules of this file:
- Data only. Losses are end to end, one way; delays one way. A number that stands for a kind of network and not for a measurement is one of the lab's own.
- `mild` conditions lose at most 2 % of the packets; the matrix holds technique to 99 % there, and to 95 % at 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpiprobe.errors import UsageError
from dpiprobe.lab.weather import MS, Burst

S = 1_000 * MS


@dataclass(frozen=True, slots=True)
class Condition:
    """A path. near: client to box, far: box to server, each (towards the server, towards the client) in ns; hops: routers on each side of the box.

    bursts: bad times of each direction · outage: bad times of everything at once · mtu: larger packets vanish on the far side · mss: what a
    router writes into SYNs · nat: the server's capture shows a translated client · flat_ttl: a cloud gives all arriving packets one TTL
    merged: captures hold segments that the card has put together (GRO) · cookies: the server keeps no half-open connections
    full: share of connections that find the accept queue full · one_way: the box does not see what the server sends · version: of IP in the captures
    """

    name: str
    says: str
    near: tuple[int, int] = (5 * MS, 5 * MS)
    far: tuple[int, int] = (20 * MS, 20 * MS)
    near_hops: int = 1
    far_hops: int = 1
    jitter: int = 0
    loss: float = 0.0
    bursts: Burst | None = None
    outage: Burst | None = None
    reorder: float = 0.0
    duplicate: float = 0.0
    mtu: int | None = None
    mss: int | None = None
    nat: bool = False
    flat_ttl: int | None = None
    merged: bool = False
    cookies: bool = False
    full: float = 0.0
    one_way: bool = False
    version: int = 4

    @property
    def mean_loss(self) -> float:
        """Share of packets lost one way, bursts included."""
        burst = self.bursts
        return self.loss + (burst.loss * burst.bad / (burst.good + burst.bad) if burst else 0.0)


CONDITIONS: tuple[Condition, ...] = (
    Condition("plain", "no loss, 50 ms round trip, the box 10 ms away"),
    Condition("lan", "no loss, 5 ms round trip", near=(MS // 2, MS // 2), far=(2 * MS, 2 * MS)),
    Condition("far", "no loss, 280 ms round trip, the box 40 ms away", near=(20 * MS, 20 * MS), far=(120 * MS, 120 * MS), near_hops=5, far_hops=9),
    Condition("jitter", "up to 15 ms of queueing on each stretch, in order", jitter=15 * MS),
    Condition("loss-1", "1 % lost each way, alone", loss=0.01),
    Condition("loss-2", "2 % lost each way, alone", loss=0.02),
    Condition("loss-5", "5 % lost each way, alone", loss=0.05),
    Condition("bursts-2", "2 % lost each way, in bursts of 120 ms that take 80 %", bursts=Burst(4680 * MS, 120 * MS, 0.8)),
    Condition("reorder", "3 % of the packets up to 8 ms late, overtaken by others", reorder=0.03),
    Condition("duplicate", "3 % of the packets twice", duplicate=0.03),
    Condition("mtu-1400", "a tunnel: packets of at most 1400 bytes, and the MSS in SYNs written down to 1360", mtu=1400, mss=1360),
    Condition("asymmetric-delay", "35 ms to the server, 8 ms back", near=(10 * MS, 2 * MS), far=(25 * MS, 6 * MS)),
    Condition("asymmetric-route", "the box sees only what the client sends; answers take another way of one hop more", one_way=True),
    Condition("box-near-client", "the box 2 ms away, the server 50 ms", near=(MS, MS), far=(24 * MS, 24 * MS), far_hops=7),
    Condition("box-near-server", "the box 46 ms away, the server 50 ms", near=(23 * MS, 23 * MS), far=(2 * MS, 2 * MS), near_hops=7),
    Condition("nat", "address translation between box and server: the two captures name the client differently", nat=True),
    Condition("cloud", "a cloud gives every arriving packet the same TTL", flat_ttl=64),
    Condition("merged", "captures hold merged segments (GRO, GSO)", merged=True),
    Condition("syn-cookies", "the server answers SYNs with cookies and keeps no half-open connections; 1 % lost each way", cookies=True, loss=0.01),
    Condition("ipv6", "IPv6 headers in the captures: no IP ID, no DF", version=6),
    Condition("mixed", "a mobile network: 10 ms of queueing, 1 % lost, 1 % reordered, merged captures", jitter=10 * MS, loss=0.01, reorder=0.01, merged=True),
)  # fmt: skip

INNOCENT_CONDITIONS: tuple[Condition, ...] = (
    Condition("loss-10", "10 % lost each way, alone", loss=0.10),
    Condition("bursts-8", "8 % lost each way, in bursts of 400 ms that take everything", bursts=Burst(4600 * MS, 400 * MS)),
    Condition("outage", "the path is dead for 5 s in every 40 s, both ways", outage=Burst(35 * S, 5 * S)),
    Condition("queue-full", "a third of the connections find the accept queue full: the SYN/ACK is repeated, data ignored", full=0.33),
    Condition("black-hole", "packets above 1400 bytes vanish and nobody says so", mtu=1400),
)
"""Paths so bad that no technique is asked for under them; only innocents walk them."""


def condition(name: str) -> Condition:
    """The condition of that name. Raises UsageError where there is none."""
    for entry in (*CONDITIONS, *INNOCENT_CONDITIONS):
        if entry.name == name:
            return entry
    known = " ".join(entry.name for entry in (*CONDITIONS, *INNOCENT_CONDITIONS))
    raise UsageError(f"there is no condition {name!r}; there are: {known}")
