"""The pcapng format: sections and interfaces, every kind of packet block, in both byte orders.

Rules of this file:
- draft-ietf-opsawg-pcapng; section numbers below are its. Unknown blocks are skipped and counted, never silent.
- A block whose length cannot be true ends the reading; a packet block that contradicts itself inside a sound block costs that packet.
- Time is integer nanoseconds: finer resolutions are cut, not rounded. A simple packet block has no time: -1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from struct import Struct
from types import ModuleType

import numpy as np

from dpiprobe.capture.records import MAX_RECORD, Account, Room, Window, batch, largest
from dpiprobe.errors import InputError
from dpiprobe.wire.decode import Records

SECTION_MAGIC = b"\x0a\x0d\x0d\x0a"
MAX_BLOCK = 16 << 20
"""Bytes of one block at most: MAX_BLOCK_SIZE in Wireshark's wiretap/pcapng.c, INITIAL_MAX_SNAPLEN bounds in libpcap's sf-pcapng.c."""
LATEST = (1 << 63) - 1

SECTION, INTERFACE, OBSOLETE, SIMPLE, NAMES, STATISTICS, ENHANCED, JOURNAL, SECRETS = 0x0A0D0D0A, 1, 2, 3, 4, 5, 6, 9, 10
KNOWN = frozenset((NAMES, 7, 8, SECRETS, 0x80000001))
"""Blocks that hold no packets: names, IRIG time, ARINC, secrets (section 10.1 of the specification), process information (Apple's tcpdump)."""
NUMBERED = frozenset((JOURNAL, 0xBAD, 0x40000BAD, 0x204, 0x208, 0x216, 0x217, 0x221, 0x222))
"""Blocks that are no packets but that Wireshark numbers like frames: systemd journal entries and custom blocks (tshark 4.0.17 does), and
sysdig events (wiretap/pcapng_module.h; unverified)."""
COMMENT, IF_TSRESOL, IF_FCSLEN, IF_TSOFFSET, ISB_IFDROP, ISB_OSDROP = 1, 9, 13, 14, 5, 7


@dataclass(slots=True)
class Interface:
    """One interface description (section 4.2): how its packets' times and ends are to be read."""

    link: int
    snap: int = 0
    per_second: int = 1_000_000
    offset: int = 0
    check: int = 0
    drops: int = 0

    @property
    def unit(self) -> int:
        """ns of one unit of time where that is a plain factor (micro- and nanoseconds, an ordinary offset), else 0."""
        return {1_000_000: 1000, 1_000_000_000: 1}.get(self.per_second, 0) if abs(self.offset) < 1 << 31 else 0

    def nanoseconds(self, units: int) -> int:
        """A timestamp in this interface's units -> ns since 1970, held inside 64 bits."""
        time = units * 1_000_000_000 // self.per_second + self.offset * 1_000_000_000
        return min(max(time, -LATEST), LATEST)


@dataclass(slots=True)
class Section:
    """What one section (section 4.1) has told so far, and the readers for its byte order."""

    sign: str
    interfaces: list[Interface] = field(default_factory=list)

    def options(self, body: bytes) -> Iterator[tuple[int, bytes]]:
        """(code, value) of a list of options, as far as it makes sense."""
        head, at = Struct(self.sign + "HH"), 0
        while at + 4 <= len(body):
            code, length = head.unpack_from(body, at)
            if code == 0 or at + 4 + length > len(body):
                return
            yield code, body[at + 4 : at + 4 + length]
            at += 4 + ((length + 3) & ~3)

    def integer(self, value: bytes, signed: bool = False) -> int:
        """An option's value as a number."""
        return int.from_bytes(value, "little" if self.sign == "<" else "big", signed=signed)


class _Reader:
    def __init__(self, window: Window, name: str, account: Account) -> None:
        self.window = window
        self.name = name
        self.account = account
        self.section = Section("<")
        self.finished_drops = 0
        self.packet_drops = 0
        self.unknown: Counter[int] = Counter()
        self.odd: Counter[str] = Counter()
        self.ended = False
        self.room = Room()

    def batches(self) -> Iterator[Records]:
        window = self.window
        self._begin_section()
        while not self.ended:
            if window.walker is not None and len(frames := self._plain_blocks(window.walker)):
                self.account.frames += len(frames)
                yield frames
            before = window.at
            frames = batch(window)
            self._walk(frames)
            if frames.starts:
                self.account.frames += len(frames)
                yield frames
            if window.walker is not None and window.at != before and not self.ended:
                continue
            if not self.ended and not window.more():
                if len(window.buf) > window.at:
                    self.account.damage.append(f"the file ends inside a block, after frame {self.account.frames}")
                break
        self._report()

    def _plain_blocks(self, walker: ModuleType) -> Records:
        """Packet blocks of the usual kind, as far as nothing else comes, by the compiled walk."""
        window, room, section = self.window, self.room, self.section
        most = room.of(len(window.buf))
        known = [n for i in section.interfaces for n in (i.link, 0 if i.check else i.unit, i.offset * 1_000_000_000)]
        bound = min((largest(i.link) for i in section.interfaces), default=MAX_RECORD)
        room.state[0] = window.at
        walker.enhanced_blocks(
            np.frombuffer(window.buf, np.uint8), len(window.buf), int(section.sign == ">"), np.array(known, np.int64), len(section.interfaces),
            bound, room.starts, room.ends, room.links, room.times, most, room.state,
        )  # fmt: skip
        window.at, count = int(room.state[0]), int(room.state[1])
        return Records(window.buf, room.starts[:count], room.ends[:count], room.links[:count], room.times[:count], window.origin)

    def _begin_section(self) -> bool:
        """Read the section header at the window's place; False where more bytes are needed or the reading has ended."""
        window, first = self.window, not self.account.frames and not self.section.interfaces
        enough = window.need(28) if window.at == 0 and first else len(window.buf) - window.at >= 28
        if not enough:
            if first and window.ended:
                raise InputError(f"{self.name} ends inside the pcapng section header; it is only the first bytes of a capture.")
            return False
        mark = window.buf[window.at + 8 : window.at + 12]
        sign = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}.get(mark, "")
        total, major, minor = (0, 0, 0) if not sign else Struct(sign + "xxxxIxxxxHH").unpack_from(window.buf, window.at)
        size = (total + 3) & ~3
        problem = ""
        if not sign:
            problem = "has no byte-order mark"
        elif not 28 <= size <= MAX_BLOCK:
            problem = f"claims a length of {total} bytes"
        elif major != 1:
            problem = f"says version {major}.{minor}, of which only 1 exists"
        if problem:
            if first:
                raise InputError(f"{self.name} is not readable pcapng: its section header {problem}; convert or fetch it again.")
            return self._stop(f"a section header {problem}")
        if len(window.buf) - window.at < size:
            if not first:
                return False
            if not window.need(size):
                raise InputError(f"{self.name} ends inside the pcapng section header; it is only the first bytes of a capture.")
        self.finished_drops += sum(i.drops for i in self.section.interfaces)
        self.section = Section(sign)
        for code, value in self.section.options(window.buf[window.at + 24 : window.at + size - 4]):
            if code == COMMENT:
                self.account.comments.append(value.rstrip(b"\0").decode("utf-8", "backslashreplace"))
        window.at += size
        return True

    def _stop(self, why: str) -> bool:
        self.account.damage.append(f"{why}, after frame {self.account.frames + self.pending}; reading ended there")
        self.ended = True
        return False

    pending = 0
    """frames of the batch in the making"""

    def _walk(self, frames: Records) -> None:
        """Consume whole blocks of the window, until more bytes are needed or reading ends."""
        window = self.window
        buf, stop = window.buf, len(window.buf)
        starts, ends, links, times = frames.starts, frames.ends, frames.links, frames.times
        assert isinstance(starts, list) and isinstance(ends, list) and isinstance(links, list) and isinstance(times, list)
        section = self.section
        sign = ""
        entered = window.at
        while True:
            if section.sign != sign:
                sign = section.sign
                head, enhanced, word = Struct(sign + "II").unpack_from, Struct(sign + "IIIII").unpack_from, Struct(sign + "I").unpack_from
                obsolete = Struct(sign + "HHIIII").unpack_from
            at = window.at
            if at + 12 > stop:
                return
            if buf[at : at + 4] == SECTION_MAGIC:
                self.pending = len(starts)
                if not self._begin_section():
                    return
                section = self.section
                sign = ""
                continue
            kind, total = head(buf, at)
            size = (total + 3) & ~3  # some writers leave the padding out of the length
            if not 12 <= size <= MAX_BLOCK:
                self.pending = len(starts)
                self._stop(f"a block claims a length of {total} bytes")
                return
            if at + size > stop:
                return
            if word(buf, at + size - 4)[0] != total:
                self.pending = len(starts)
                self._stop(f"the two lengths of a block differ ({total} and {word(buf, at + size - 4)[0]})")
                return
            if window.walker is not None and window.at != entered:
                return  # the compiled walk goes on
            window.at = at + size
            limit = at + size - 4
            interfaces = section.interfaces
            if kind in (ENHANCED, OBSOLETE):
                if size < 32:
                    self.odd["packet blocks are too short for their fields"] += 1
                    continue
                if kind == ENHANCED:
                    index, high, low, captured, wire = enhanced(buf, at + 8)
                else:
                    index, lost, high, low, captured, wire = obsolete(buf, at + 8)
                    self.packet_drops += lost if lost != 0xFFFF else 0
                if index >= len(interfaces):
                    self.odd["packets name an interface that the section does not have"] += 1
                    continue
                interface = interfaces[index]
                if captured > limit - at - 28:
                    self.odd["packets claim more bytes than their block holds"] += 1
                    continue
                if captured > MAX_RECORD and captured > largest(interface.link):
                    self.odd[f"packets are longer than the {MAX_RECORD} bytes that a frame can have"] += 1
                    continue
                start = at + 28
                times.append(interface.nanoseconds((high << 32) | low))
            elif kind == SIMPLE:
                if size < 16 or not interfaces:
                    self.odd["simple packet blocks stand before any interface or are too short"] += 1
                    continue
                interface = interfaces[0]
                wire = word(buf, at + 8)[0]
                captured = min(wire, limit - at - 12, interface.snap or wire)
                self.odd["simple packet blocks have no time"] += 1
                start = at + 12
                times.append(-1)
            else:
                if kind in NUMBERED:
                    starts.append(at + 8)
                    ends.append(at + 8)
                    links.append(-1)
                    times.append(times[-1] if times else -1)
                else:
                    self._other_block(kind, buf[at + 8 : limit])
                continue
            starts.append(start)
            ends.append(start + captured if not interface.check else start + max(0, min(captured, wire - interface.check)))
            links.append(interface.link)

    def _other_block(self, kind: int, body: bytes) -> None:
        section = self.section
        if kind == INTERFACE:
            if len(body) < 8:
                self.odd["interface blocks are too short"] += 1
                return
            link, _, snap = Struct(section.sign + "HHI").unpack_from(body)
            interface = Interface(link, snap)
            for code, value in section.options(body[8:]):
                if code == IF_TSRESOL and len(value) == 1:
                    interface.per_second = 1 << (value[0] & 0x7F) if value[0] & 0x80 else 10 ** value[0]
                elif code == IF_TSOFFSET and len(value) == 8:
                    interface.offset = section.integer(value, signed=True)
                elif code == IF_FCSLEN and len(value) == 1:
                    interface.check = value[0]
            section.interfaces.append(interface)
        elif kind == STATISTICS:
            if len(body) >= 12 and (index := section.integer(body[:4])) < len(section.interfaces):
                drops = [section.integer(v) for code, v in section.options(body[12:]) if code in (ISB_IFDROP, ISB_OSDROP) and len(v) == 8]
                if drops:  # counters since the capture began: the last block of an interface says it all
                    section.interfaces[index].drops = sum(d for d in drops if d != (1 << 64) - 1)
        elif kind not in KNOWN:
            self.unknown[kind] += 1

    def _report(self) -> None:
        account = self.account
        account.drops = max(self.packet_drops, self.finished_drops + sum(i.drops for i in self.section.interfaces))
        account.damage += [f"{what}: {number}" for what, number in self.odd.items()]
        account.damage += [f"blocks of unknown type 0x{kind:08x} were skipped: {number}" for kind, number in sorted(self.unknown.items())]


def read_pcapng(window: Window, name: str, account: Account) -> Iterator[Records]:
    """Batches of frames, from the start of the file. Raises InputError where the first section header is not one."""
    return _Reader(window, name, account).batches()
