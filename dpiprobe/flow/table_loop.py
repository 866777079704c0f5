"""The flow table: which flow each packet belongs to, told while a capture is read, packet by packet.

It says what `group.py` says of packets that are all there, and keeps of each flow what `join.py` and `orient.py` ask, in a few numbers.

Rules of this file (as in `wire/loop.py`): written once as plain Python over arrays of integers, compiled for large captures; every element
goes through `int()`; no dicts, objects, slices or exceptions; numbers that fit into 63 bits whatever the bytes say.

Tables are flat int64 arrays. `words`: WORDS for each address: version, then four 32-bit words. `flows`: COLUMNS for each flow. `places` and
`index`: hash tables (int32, open addressing, a power of two long) of addresses, and of the current flow of each conversation, -1 where empty.
"""

from __future__ import annotations

from collections.abc import Callable, MutableSequence, Sequence
from typing import Any

from dpiprobe.flow import skim_loop
from dpiprobe.wire import loop
from dpiprobe.wire.loop import Decorator, _plain

jit: Decorator = globals().get("jit", _plain)
nth: Callable[[int], int] = globals().get("nth", int)
skim: Any = globals().get("skim", skim_loop)

WORDS = 5
ENDS, PORTS, FIRST, BEGIN, END, COUNTS, RESETS, SYN_LOW, SYN_HIGH, SIDES, HELLO, NAME, SIZES = range(13)
"""ENDS: lower address << 31 | higher · PORTS: lower's port << 16 | higher's | protocol << 32 · FIRST: number of the first frame · BEGIN, END: time
of first and last packet · COUNTS: packets << 31 | those that the lower endpoint sent · RESETS: resets among them · SYN_*: sequence number of each
side's last lone SYN or -1 · SIDES: bits below, and << BUCKET the bucket of the client it seems to have
HELLO: NOT_YET, UNUSUAL, one more than the number of its essence, or IN_PARTS less the bytes that have come · NAME: one more than the number of its
host name, 0 without one · SIZES: payload bytes of the seeming client that were kept << 16 | length of the hello, its record header included"""
COLUMNS = 13
HALF = (1 << 31) - 1
RECENT = 3
"""Numbers of one place in `recent`, where packets find the flow of the packets before them: ENDS, PORTS, the flow."""
NOT_YET, UNUSUAL, IN_PARTS = 0, -1, -2
PART = 4096
"""Bytes of a hello in several segments that is put together here at most; so many hellos at a time as `owners` is long."""
FIRST_LOW, CLIENT_LOW, HAS_SYN, SYN_IS_LOW, HAS_SYN_ACK, SYN_ACK_IS_LOW, HAS_SPEECH, SPEECH_IS_LOW, QUIC, LOW_TALKED, HIGH_TALKED, ENDED = (
    1 << i for i in range(12)
)
"""Bits of SIDES: the first packet, the client as it seemed at first, the first lone SYN, SYN/ACK, client's speech; a QUIC long header was there;
who sent payload; a FIN or RST was there."""
BUCKET = 16
MIX = 1000003
MASK = (1 << 30) - 1
TCP, UDP = 6, 17
INITIAL_SIZE = 1200  # orient.INITIAL_SIZE
CLIENT_BYTES, LITTLE, HEAD, ANSWER = 16384, 192, 16, 256
"""Payload bytes of a flow's client that are kept at hand, of small packets, and of all others; the rest is read from the capture when asked for.
Of a server's that begin with a ServerHello as many as show what comes behind it, up to ANSWER; it is asked of every flow that worked."""


@jit
def word(buf: Sequence[int], at: int) -> int:
    """Four bytes, most significant first."""
    return (int(buf[nth(at)]) << 24) | (int(buf[nth(at + 1)]) << 16) | (int(buf[nth(at + 2)]) << 8) | int(buf[nth(at + 3)])


@jit
def address(buf: Sequence[int], at: int, version: int, words: MutableSequence[int], places: MutableSequence[int], known: int) -> int:
    """The number of the address at buf[nth(at)]; `known` where it is new (it is then entered)."""
    a = word(buf, at)
    b, c, d = 0, 0, 0
    if version == 6:
        b, c, d = word(buf, at + 4), word(buf, at + 8), word(buf, at + 12)
    mask = len(places) - 1
    spot = home(version, a, b, c, d) & mask
    while True:
        number = int(places[nth(spot)])
        if number < 0:
            places[nth(spot)] = known
            base = known * WORDS
            words[nth(base)] = version
            words[nth(base + 1)] = a
            words[nth(base + 2)] = b
            words[nth(base + 3)] = c
            words[nth(base + 4)] = d
            return known
        base = number * WORDS
        if words[nth(base + 1)] == a and words[nth(base + 4)] == d and words[nth(base + 3)] == c and words[nth(base + 2)] == b and words[nth(base)] == version:
            return number
        spot = (spot + 1) & mask


@jit
def home(version: int, a: int, b: int, c: int, d: int) -> int:
    """Where the search for an address in `places` begins, which is as long as MASK at most."""
    if version == 4:
        return (((a ^ (a >> 15)) * MIX) >> 10) & MASK
    return scatter(scatter(a, b), scatter(c, d))


@jit
def locate(
    buf: Sequence[int], out: MutableSequence[int], status: Sequence[int], count: int, words: MutableSequence[int], places: MutableSequence[int], known: int
) -> int:  # fmt: skip
    """Make address numbers of SOURCE and DESTINATION in the rows of one chunk; how many addresses are known then. The tables have room."""
    sender, receiver, source, destination = -1, -1, -1, -1  # of the last packet of IPv4: that of the next are often the same
    for row in range(count):
        if status[nth(row)] != loop.ROW:
            continue
        base = row * loop.WIDTH
        version, one, other = int(out[nth(base + loop.VERSION)]), int(out[nth(base + loop.SOURCE)]), int(out[nth(base + loop.DESTINATION)])
        four = version == 4
        before, after = sender, receiver
        sender, receiver = word(buf, one) if four else -1, word(buf, other) if four else -1
        if four and sender == after and receiver == before:
            source, destination = destination, source
        elif not four or sender != before or receiver != after:
            source = address(buf, one, version, words, places, known)
            known = max(known, source + 1)
            destination = address(buf, other, version, words, places, known)
            known = max(known, destination + 1)
        out[nth(base + loop.SOURCE)] = source
        out[nth(base + loop.DESTINATION)] = destination
    return known


@jit
def scatter(a: int, b: int) -> int:
    """Two numbers below 2^33 as one below 2^30."""
    value = (((a & MASK) * MIX) ^ (b & MASK) ^ (a >> 20)) & MASK
    value = (value * MIX) ^ (b >> 17)
    return (value ^ (value >> 13)) & MASK


@jit
def blend(one: int, other: int) -> int:
    """Two numbers that are not negative as one below 2^30."""
    value = (((one ^ (one >> 18)) & MASK) * MIX) ^ ((other ^ (other >> 17)) & MASK)
    value = (value & ((1 << 40) - 1)) * MIX
    return (value >> 20) & MASK


@jit
def place_of(ends: int, ports: int, flows: Sequence[int], index: Sequence[int]) -> int:
    """Where in `index` the current flow of a conversation stands, or will stand."""
    mask = len(index) - 1
    spot = scatter(scatter(ends & MASK, ends >> 31), scatter(ports & MASK, ports >> 32)) & mask
    flow = int(index[nth(spot)])
    while flow >= 0 and not (flows[nth(flow * COLUMNS + ENDS)] == ends and flows[nth(flow * COLUMNS + PORTS)] == ports):
        spot = (spot + 1) & mask
        flow = int(index[nth(spot)])
    return spot


@jit
def speaks_as_client(buf: Sequence[int], at: int, captured: int, length: int, protocol: int) -> bool:
    """`orient.client_speech` of one payload."""
    if captured < 6:
        return False
    first, second = int(buf[nth(at)]), int(buf[nth(at + 1)])
    if protocol == UDP:
        return length >= INITIAL_SIZE and (first & 0xF0) == (0xD0 if second == 0x6B else 0xC0)
    if first == 0x16:
        return second == 3 and int(buf[nth(at + 5)]) == 1
    n = 0
    while n < captured and n < 8 and 0x41 <= int(buf[nth(at + n)]) <= 0x5A:
        n += 1
    if n < 3 or n + 1 >= captured or int(buf[nth(at + n)]) != 0x20:
        return False
    after = int(buf[nth(at + n + 1)])
    return not (after == 0x20 or 9 <= after <= 13)


@jit
def long_header(buf: Sequence[int], at: int, captured: int) -> bool:
    """`group._quic_rows` of one payload: a QUIC long header of a known version."""
    if captured < 7 or (int(buf[nth(at)]) & 0xC0) != 0xC0 or int(buf[nth(at + 5)]) > 20:
        return False
    version = word(buf, at + 1)
    return version in (1, 0x6B3343CF) or (version & 0xFFFFFF00) == 0xFF000000


@jit
def track(
    buf: Sequence[int], out: Sequence[int], status: Sequence[int], times: Sequence[int], count: int, number: int,
    words: Sequence[int], flows: MutableSequence[int], index: MutableSequence[int],
    totals: MutableSequence[int], flow_of: MutableSequence[int], kept: MutableSequence[int], buckets: int, limit: int,
    strings: MutableSequence[int], spans: MutableSequence[int], lookup: MutableSequence[int], parts: MutableSequence[int],
    whole: Sequence[int], owners: MutableSequence[int], scratch: MutableSequence[int], learn: int, laid: MutableSequence[int],
    edges: MutableSequence[int], sizes: MutableSequence[int], recent: MutableSequence[int],
) -> None:  # fmt: skip
    """Enter the rows of one chunk (as `locate` left them; the first frame has `number`) into the tables, which have room for all of them.

    flow_of: the flow of each row, -1 without one; 2 * flow + (1 where the lower endpoint sent it)
    kept: payload bytes to keep at hand · limit: payload behind it can be read nowhere else and is kept whole · totals: unused, flows, latest time,
    strings, bytes of strings · strings, spans, lookup: see `skim_loop.intern` · parts (`whole`: to read), owners: hellos in the making
    learn: whether hellos are skimmed · recent: see RECENT
    laid: the bucket in which each row is laid, -1 where in none · edges, sizes: one more than buckets; behind each bucket's place its rows, and the bytes
    that are kept of them, are counted
    """
    for row in range(count):
        flow_of[nth(row)] = -1
        kept[nth(row)] = 0
        laid[nth(row)] = -1
        if status[nth(row)] != loop.ROW:
            continue
        base = row * loop.WIDTH
        protocol, time = int(out[nth(base + loop.PROTOCOL)]), int(times[nth(row)])
        totals[2] = max(int(totals[2]), time)
        at, captured = int(out[nth(base + loop.PAYLOAD_OFFSET)]), int(out[nth(base + loop.PAYLOAD_CAPTURED)])
        if protocol not in (TCP, UDP):
            kept[nth(row)] = captured
            continue
        source, destination = int(out[nth(base + loop.SOURCE)]), int(out[nth(base + loop.DESTINATION)])
        sport, dport = int(out[nth(base + loop.SOURCE_PORT)]), int(out[nth(base + loop.DESTINATION_PORT)])
        length = int(out[nth(base + loop.PAYLOAD_LENGTH)])
        low = source < destination or (source == destination and sport <= dport)
        if low:
            ends, ports = (source << 31) | destination, (sport << 16) | dport
        else:
            ends, ports = (destination << 31) | source, (dport << 16) | sport
        ports |= protocol << 32
        near = RECENT * (blend(ends, ports) & (len(recent) // RECENT - 1))
        known = recent[nth(near)] == ends and recent[nth(near + 1)] == ports
        flow = int(recent[nth(near + 2)]) if known else int(index[nth(place_of(ends, ports, flows, index))])
        flags = int(out[nth(base + loop.FLAGS)]) if protocol == TCP else 0
        sequence = int(out[nth(base + loop.SEQ)])
        lone_syn = (flags & 0x16) == 0x02
        here = flow * COLUMNS
        fresh = flow < 0
        if not fresh and lone_syn:
            mine = SYN_LOW if low else SYN_HIGH
            counts, told = int(flows[nth(here + COUNTS)]), int(flows[nth(here + SIDES)])
            spoke = counts & HALF if low else (counts >> 31) - (counts & HALF)
            talked = told & (LOW_TALKED if low else HIGH_TALKED)
            repeats = int(flows[nth(here + mine)]) == sequence
            fresh = (spoke > 0 and not repeats) or (repeats and talked != 0 and told & ENDED != 0)
        heard = not fresh and int(flows[nth(here + SIDES)]) & HAS_SPEECH
        speech = length > 0 and not heard and speaks_as_client(buf, at, captured, length, protocol)
        if fresh:
            flow = int(totals[1])
            totals[1] = flow + 1
            index[nth(place_of(ends, ports, flows, index))] = flow
            here = flow * COLUMNS
            flows[nth(here + ENDS)] = ends
            flows[nth(here + PORTS)] = ports
            flows[nth(here + FIRST)] = number + row
            flows[nth(here + BEGIN)] = time
            flows[nth(here + SYN_LOW)] = -1
            flows[nth(here + SYN_HIGH)] = -1
            for column in (COUNTS, RESETS, HELLO, NAME, SIZES):
                flows[nth(here + column)] = 0
            # who seems to be the client: only a guess that says where rows are laid; `orient` decides
            if lone_syn or speech:
                sender = True
            elif (flags & 0x16) == 0x12:
                sender = False
            else:
                sender = sport >= dport
            client = source if sender else destination
            b = client * WORDS
            bucket = scatter(scatter(int(words[nth(b + 1)]), int(words[nth(b + 2)])), scatter(int(words[nth(b + 3)]), int(words[nth(b + 4)]))) % buckets
            flows[nth(here + SIDES)] = (bucket << BUCKET) | (FIRST_LOW if low else 0) | (CLIENT_LOW if low == sender else 0)
        if fresh or not known:
            recent[nth(near)] = ends
            recent[nth(near + 1)] = ports
            recent[nth(near + 2)] = flow
        if lone_syn:
            flows[nth(here + (SYN_LOW if low else SYN_HIGH))] = sequence
        sides = int(flows[nth(here + SIDES)])
        if lone_syn and not sides & HAS_SYN:
            sides |= HAS_SYN | (SYN_IS_LOW if low else 0)
        if (flags & 0x16) == 0x12 and not sides & HAS_SYN_ACK:
            sides |= HAS_SYN_ACK | (SYN_ACK_IS_LOW if low else 0)
        if speech:
            sides |= HAS_SPEECH | (SPEECH_IS_LOW if low else 0)
        if protocol == UDP and not sides & QUIC and long_header(buf, at, captured):
            sides |= QUIC
        if flags & 0x05:
            sides |= ENDED
        if length > 0:
            sides |= LOW_TALKED if low else HIGH_TALKED
        flows[nth(here + SIDES)] = sides
        flows[nth(here + END)] = time
        flows[nth(here + COUNTS)] += (1 << 31) | (1 if low else 0)
        if flags & 0x04:
            flows[nth(here + RESETS)] += 1
        flow_of[nth(row)] = 2 * flow + (1 if low else 0)
        mine = low == ((sides & CLIENT_LOW) != 0)
        state = int(flows[nth(here + HELLO)])
        if learn and mine and protocol == TCP and length > 0 and not flags & 0x04 and (state == NOT_YET or state <= IN_PARTS):
            began = sides & HAS_SYN and ((sides & SYN_IS_LOW) != 0) == low
            after = sequence - int(flows[nth(here + (SYN_LOW if low else SYN_HIGH))]) - 1 + ((flags >> 1) & 1)
            if began and captured == length:
                state = hello(buf, at, length, after & 0xFFFFFFFF, state, flow, flows, strings, spans, lookup, totals, parts, whole, owners, scratch)
            else:
                state = UNUSUAL
            flows[nth(here + HELLO)] = state
        if at >= limit or captured <= LITTLE:
            kept[nth(row)] = captured
        elif mine and (state > NOT_YET or state <= IN_PARTS):
            kept[nth(row)] = HEAD
        elif mine and (int(flows[nth(here + SIZES)]) >> 16) < CLIENT_BYTES:
            kept[nth(row)] = captured
            flows[nth(here + SIZES)] += captured << 16
        else:
            kept[nth(row)] = HEAD
            if not mine and protocol == TCP and int(buf[nth(at)]) == 0x16 and int(buf[nth(at + 1)]) == 3 and int(buf[nth(at + 5)]) == 2:
                answer = 6 + skim.two(buf, at + 3)
                if answer <= ANSWER:
                    kept[nth(row)] = max(HEAD, min(answer, captured))
        laid[nth(row)] = sides >> BUCKET
        edges[nth((sides >> BUCKET) + 1)] += 1
        sizes[nth((sides >> BUCKET) + 1)] += kept[nth(row)]


@jit
def hello(
    buf: Sequence[int], at: int, length: int, offset: int, state: int, flow: int, flows: MutableSequence[int], strings: MutableSequence[int],
    spans: MutableSequence[int], lookup: MutableSequence[int], totals: MutableSequence[int], parts: MutableSequence[int], whole: Sequence[int],
    owners: MutableSequence[int], scratch: MutableSequence[int],
) -> int:  # fmt: skip
    """The state of a flow's hello after one more payload of its client, which stands at `offset` of the stream. `whole`: `parts`, to read"""
    if state == NOT_YET:
        if offset != 0 or length < 48 or int(buf[nth(at)]) != 0x16:
            return UNUSUAL
        size = 5 + skim.two(buf, at + 3)
        if size > PART:
            return UNUSUAL
        if size <= length:
            return skimmed(buf, at, size, flow, flows, strings, spans, lookup, totals, scratch)
        have = 0
        owners[nth(flow % len(owners))] = flow
    else:
        have = IN_PARTS - state
        if offset != have or int(owners[nth(flow % len(owners))]) != flow:
            return UNUSUAL
    begin = (flow % len(owners)) * PART
    fits = min(length, PART - have)
    for i in range(fits):
        parts[nth(begin + have + i)] = buf[nth(at + i)]
    have += fits
    size = 5 + skim.two(whole, begin + 3)
    if have >= size:
        return skimmed(whole, begin, size, flow, flows, strings, spans, lookup, totals, scratch)
    return IN_PARTS - have


@jit
def skimmed(
    buf: Sequence[int], at: int, size: int, flow: int, flows: MutableSequence[int], strings: MutableSequence[int], spans: MutableSequence[int],
    lookup: MutableSequence[int], totals: MutableSequence[int], scratch: MutableSequence[int],
) -> int:  # fmt: skip
    """Enter the hello buf[nth(at:at + size)]: one more than the number of its essence, or UNUSUAL."""
    written = skim.essence(buf, at, at + size, scratch, totals)
    if written < 0:
        return UNUSUAL
    number = skim.intern(scratch, 0, written, strings, spans, lookup, totals)
    flows[nth(flow * COLUMNS + SIZES)] = (int(flows[nth(flow * COLUMNS + SIZES)]) & ~0xFFFF) | size
    flows[nth(flow * COLUMNS + NAME)] = 0
    name, begin = int(totals[skim.NAME_SIZE]), int(totals[skim.NAME_AT])
    if name != skim.NO_NAME:
        for i in range(name):  # (strings are always entered from `scratch`: a second kind of buffer would have it all compiled twice)
            scratch[nth(i)] = buf[nth(begin + i)]
        flows[nth(flow * COLUMNS + NAME)] = skim.intern(scratch, 0, name, strings, spans, lookup, totals) + 1
    return int(number + 1)


@jit
def reindex(table: Sequence[int], count: int, columns: int, index: MutableSequence[int]) -> None:
    """Fill an empty hash table with the addresses (columns WORDS) or the current flows (COLUMNS) of a table."""
    mask = len(index) - 1
    for number in range(count):
        base = number * columns
        if columns == WORDS:
            a, b, c, d = int(table[nth(base + 1)]), int(table[nth(base + 2)]), int(table[nth(base + 3)]), int(table[nth(base + 4)])
            spot = home(int(table[nth(base)]), a, b, c, d) & mask
            while int(index[nth(spot)]) >= 0:
                spot = (spot + 1) & mask
        else:
            ends, ports = int(table[nth(base + ENDS)]), int(table[nth(base + PORTS)])
            spot = place_of(ends, ports, table, index)  # a later flow of the same endpoints takes the place of the one before
        index[nth(spot)] = number
