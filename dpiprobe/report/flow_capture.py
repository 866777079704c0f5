"""The frames of some flows of a capture, as a capture of their own.

Rules of this file: frames are copied as they are, with their times and link types, in the capture's order. Of a packet that came in fragments only the
last fragment is known to belong to a flow; the others are left out.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import BinaryIO

import numpy as np

from dpiprobe.capture.read import Reading
from dpiprobe.capture.source import open_source
from dpiprobe.capture.write import PcapngWriter
from dpiprobe.flow.settle import settle
from dpiprobe.wire.decode import Decoder


def write_flows(file: BinaryIO, source: str, flows: Collection[int]) -> int:
    """Write the frames of the flows with these numbers (from 1) as pcapng; how many there were. InputError where `source` is no capture."""
    with Reading(open_source(source)) as reading:
        decoder = Decoder()
        for batch in reading.frames():
            decoder.append(batch)
        settled = settle(decoder.finish())
    wanted: set[int] = set()
    for flow in flows:
        if 1 <= flow <= len(settled):
            rows = settled.row[int(settled.start[flow - 1]) : int(settled.stop[flow - 1])]
            wanted.update(np.asarray(settled.packets.number[rows]).tolist())
    writer = PcapngWriter(file)
    interfaces: dict[int, int] = {}
    number = written = 0
    with Reading(open_source(source)) as reading:
        for batch in reading.frames():
            for i in range(len(batch)):
                number += 1
                if number in wanted:
                    link = int(batch.links[i])
                    if link not in interfaces:
                        interfaces[link] = writer.interface(link)
                    writer.packet(int(batch.times[i]), batch.buf[int(batch.starts[i]) : int(batch.ends[i])], interfaces[link])
                    written += 1
    return written
