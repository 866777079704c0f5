"""A recorded case: a capture, and the verdict it must keep. Loads `pcaps/<family>/<case>/`.

    pcaps/match/gfw-triple/
        test.pcap               the capture (test.pcapng, or either with .gz)
        server.pcap             the same flows seen at the server, if there
        expect.yaml             what must come out
        make.py | ORIGIN.md     how it is built, or where it is from

    about: Three copies of one reset race the server's answer.
    controls: [allowed.example]
    flows:
      "1": {server_name: blocked.example, verdict: blocked, technique: rst.on-path, signature: gfw-reset-triple, evidence: [5, 6, 7]}
    names:
      blocked.example: {verdict: blocked}
    capture: {packets: 61, flows: 3}

Rules of this file:
- Strict: an unknown key, family or word is a problem with its line and column; all problems of all cases come at once.
- `none` stands for null. What an expectation does not mention is not compared. `evidence` are the packets of the winning signature's held
  clauses (else of all observations), `matched` are signatures that must be among the flow's matches, `observed` kinds of observations.
- In the families near_miss, clean and broken nobody may be accused: no flow and no name is `blocked` or `contested`, unless
  the expectation says so itself.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dpiprobe.errors import UsageError
from dpiprobe.signature.yaml_strict import Document, read

FAMILIES = ("match", "near_miss", "clean", "broken")
FLOW_KEYS = (
    "server_name", "observed", "outcome", "verdict", "because", "mechanism", "technique", "techniques", "trigger", "direction", "position", "confidence",
    "signature", "evidence", "matched",
)
NAME_KEYS = ("verdict", "because", "mechanism", "technique", "signature", "position", "confidence", "trials")
CAPTURE_KEYS = ("packets", "undecoded", "damage", "complete", "links", "flows")
DRAFT = "# A draft: what the explanation said when this was recorded. Read it, correct it to what is true, and take this line out."
"""The line that a recorded expectation carries until a person has read it."""
STAGES = {
    "capture": ("packets", "undecoded", "damage", "complete", "links"),
    "flows": ("flows", "server_name"),
    "observations": ("observed", "outcome"),
    "matches": ("signature", "evidence", "matched"),
    "verdicts": (
        "verdict", "because", "mechanism", "technique", "techniques", "trigger", "direction", "position", "confidence", "trials",
    ),
}
"""Through which stage of the line each expectation was made: the first that differs is where to look. Packets that cannot be decoded stop the
first, names that nobody reads the second, and so on."""
TOP_KEYS = ("about", "controls", "flows", "names", "capture")
CAPTURES = ("test.pcap", "test.pcapng", "test.pcap.gz", "test.pcapng.gz")


class CasesWrong(UsageError):
    """Folders of cases that do not read; `problems` holds one line for each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(f"{len(problems)} problem{'s' * (len(problems) != 1)} in the cases, the first: {problems[0]}")


@dataclass(slots=True)
class Case:
    """One case. flows: flow number -> field -> expected value; names, capture likewise (None where null is expected)."""

    name: str
    family: str
    folder: Path
    capture: Path
    server: Path | None
    about: str = ""
    controls: list[str] = field(default_factory=list)
    flows: dict[int, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, dict[str, Any]] = field(default_factory=dict)
    account: dict[str, Any] = field(default_factory=dict)

    @property
    def accuses_nobody(self) -> bool:
        """Whether the family forbids any accusation that the expectation does not itself make."""
        return self.family != "match"


def default_folder() -> Path:
    """`pcaps/` here, else that of the checkout this program runs from."""
    here = Path("pcaps")
    return here if here.is_dir() else checkout_folder()


def checkout_folder() -> Path:
    """`pcaps/` of the checkout this program runs from; not there where it is installed as a package."""
    return Path(__file__).resolve().parent.parent.parent / "pcaps"


def load_cases(root: Path | None = None) -> list[Case]:
    """All cases under a folder, by family and name.

    Raises UsageError where there is none, or with every problem of every case.
    """
    root = root or default_folder()
    if not root.is_dir():
        raise UsageError(f"there is no folder {root} of recorded cases; they come with the source, not with the installed package (--pcaps DIR names it)")
    cases, problems = [], []
    for family in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))):
        if family.name not in FAMILIES:
            problems.append(f"{family}: {family.name!r} is no family of cases{_near(family.name, FAMILIES)}")
            continue
        for folder in sorted(p for p in family.iterdir() if p.is_dir() and not p.name.startswith((".", "_"))):
            case = _load(folder, family.name, problems)
            if case is not None:
                cases.append(case)
    if problems:
        raise CasesWrong(problems)
    return sorted(cases, key=lambda case: (FAMILIES.index(case.family), case.name))


def case_exists(root: Path | None = None) -> Callable[[str], bool]:
    """Whether a case of that name is recorded; for the check of signatures, which name their examples."""
    root = root or default_folder()
    names = {folder.name for family in FAMILIES for folder in (root / family).glob("*") if (folder / "expect.yaml").is_file()}
    return names.__contains__


def _load(folder: Path, family: str, problems: list[str]) -> Case | None:
    capture = next((folder / name for name in CAPTURES if (folder / name).is_file()), None)
    if capture is None:
        problems.append(f"{folder}: no test.pcap; run its make.py, or record one")
    if not (folder / "make.py").is_file() and not (folder / "ORIGIN.md").is_file():
        problems.append(f"{folder}: neither make.py nor ORIGIN.md says where the capture is from")
    file = folder / "expect.yaml"
    if not file.is_file():
        problems.append(f"{folder}: no expect.yaml")
    if capture is None or not file.is_file():
        return None
    document = read(file.read_text(encoding="utf-8"), str(file))
    problems += document.problems
    if document.problems or not isinstance(document.data, dict):
        if not document.problems:
            problems.append(f"{file}:1:1: not a mapping; it starts like 'about: ...'")
        return None
    data: dict[str, Any] = document.data
    before = len(problems)
    _keys(document, (), data, TOP_KEYS, problems)
    server = folder / "server.pcap"
    case = Case(folder.name, family, folder, capture, server if server.is_file() else None, str(data.get("about", "")), list(data.get("controls", [])))
    if not case.about:
        problems.append(f"{file}:1:1: about is missing; one sentence, what this case shows")
    for number, expected in _mapping(document, data, "flows", problems).items():
        if not number.isdigit() or int(number) < 1:
            problems.append(f"{document.where_key(('flows', number))}: {number!r} is no flow number; they count from 1")
            continue
        case.flows[int(number)] = _expected(document, ("flows", number), expected, FLOW_KEYS, problems)
    for name, expected in _mapping(document, data, "names", problems).items():
        case.names[name] = _expected(document, ("names", name), expected, NAME_KEYS, problems)
    if "capture" in data:
        case.account = _expected(document, ("capture",), data["capture"], CAPTURE_KEYS, problems)
    return case if len(problems) == before else None


def _mapping(document: Document, data: dict[str, Any], key: str, problems: list[str]) -> dict[str, Any]:
    value = data.get(key, {})
    if not isinstance(value, dict):
        problems.append(f"{document.where((key,))}: {key} is a mapping, like '\"1\": {{verdict: ok}}'")
        return {}
    return value


def _expected(document: Document, path: tuple[str, ...], value: Any, keys: tuple[str, ...], problems: list[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        problems.append(f"{document.where(path)}: expected fields and values, like {{verdict: ok}}")
        return {}
    _keys(document, path, value, keys, problems)
    return {key: None if item == "none" else item for key, item in value.items()}


def _keys(document: Document, path: tuple[str, ...], value: dict[str, Any], known: tuple[str, ...], problems: list[str]) -> None:
    problems += [f"{document.where_key((*path, key))}: no such key {key!r}{_near(key, known)}" for key in value if key not in known]


def _near(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f", did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
