"""The behaviour SNI-III of Russia's filters: three downloads crawl at about 650 B/s, those of another name in between do not."""

from __future__ import annotations

from pathlib import Path

from dpiprobe.cases.build import Tape, application_data


def make(folder: Path) -> None:
    tape = Tape(seed="crawling")
    for turn in range(3):
        for name, begin, gap in (("allowed.example", 0, 20), ("blocked.example", 1500, 460)):
            talk = tape.connection(name=name, begin=20_000 * turn + begin).handshake().hello().acknowledge().answer(300).request()
            for step in range(28):
                talk.says(application_data(f"{turn}/{name}/{step}", 300), after=gap)
            talk.close()
    tape.write(folder / "test.pcap")


if __name__ == "__main__":
    make(Path(__file__).parent)
