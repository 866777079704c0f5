"""What signature files must keep among themselves, and the promises of design section 6 that one value alone cannot break.

Rules of this file:
- Problems are lines `file:line:col: what`, all at once. `require_consistent` holds what the program itself relies on; `check` says the rest too.
- The bare-reset trap: a reset without ACK, with IP ID 0, window 0, DF set and no options is what a Linux host answers for a socket it
  does not have (net/ipv4/tcp_ipv4.c tcp_v4_send_reset). No deployment signature may rest on such a packet alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from dpiprobe.errors import SignatureError
from dpiprobe.observe.table import SERVER
from dpiprobe.observe.vocabulary import PACKET_FEATURES
from dpiprobe.signature.clause import Clause, Earlier, Packets
from dpiprobe.signature.model import VERBS, Signature
from dpiprobe.signature.reader import read_folder
from dpiprobe.signature.tombstones import FILE, Tombstone, check_tombstones, read_tombstones
from dpiprobe.signature.values import suggestion
from dpiprobe.signature.words import TRIGGER_KINDS
from dpiprobe.signature.yaml_strict import Document
from dpiprobe.wire.packets import RST

Loaded = Sequence[tuple[Signature, Document]]
CaseExists = Callable[[str], bool]

BARE_RESET: dict[str, int | bool] = {"ipid": 0, "window": 0, "df": 0, "options": 0, "payload": 0, "reserved_bits": 0, "ack_raw": 0, "seq_ahead": 0, "tos": 0,
                                     "urgent": 0, "ip_length": 40, "repeats": 1, "after_fin": False, "overlaps": False, "echoes_timestamps": False,
                                     "options_missing": True}  # fmt: skip
"""Features of Linux's answer for a socket it does not have; choices by index. Those not named here may have any value."""


def require_consistent(found: Loaded, problems: Iterable[str]) -> None:
    """Raises SignatureError with all problems: those of the files, and ids that are not unique or not the file's name."""
    listed = [*problems, *_identities(found)]
    if listed:
        raise SignatureError(listed)


def check(folder: Path, case_exists: CaseExists | None = None) -> list[str]:
    """Every problem of the signatures in a folder. `case_exists` says whether a recorded case of that name is there (the cases room does)."""
    found, problems = read_folder(folder)
    if not found and not problems:
        return [f"{folder}:1:1: no signature files; they end in .yaml"]
    problems = [*problems, *_identities(found)]
    ids = {signature.id for signature, _ in found}
    stones, _ = read_tombstones(folder)
    problems += check_tombstones(folder, ids)
    for signature, document in found:
        problems += _promises(signature, document)
        problems += _known_ids(signature, document, ids)
        problems += _superseded(signature, document, {s.id: s for s, _ in found}, stones)
        problems += _examples(signature, document, case_exists)
    return problems


def _identities(found: Loaded) -> list[str]:
    problems = []
    first: dict[str, str] = {}
    for signature, document in found:
        stem = Path(document.file).stem
        if signature.id != stem:
            problems.append(f"{document.where(('id',))}: the id {signature.id!r} is not the file's name {stem!r}; rename one of them")
        if signature.id in first:
            problems.append(f"{document.where(('id',))}: the id {signature.id!r} is taken; {first[signature.id]} has it as well; choose another")
        first.setdefault(signature.id, document.file)
    return problems


def _promises(signature: Signature, document: Document) -> list[str]:
    problems = []
    at = document.where
    if not signature.generic and not signature.distinctive_fields:
        problems.append(f"{at(('expect',))}: a deployment needs a distinctive field; without one, say `generic: true`")
    if signature.unverified and signature.confidence == "high":
        problems.append(f"{at(('confidence',))}: numbers marked unverified cannot reach confidence high; say medium or low, or find their source")
    if signature.generic and signature.confidence == "high":
        problems.append(f"{at(('confidence',))}: a generic signature cannot claim confidence high; say medium or low")
    if not signature.generic and _holds_on_bare_reset(signature):
        problems.append(f"{at(('expect',))}: a bare no-socket reset of Linux (R, IP ID 0, window 0, DF set) would match by itself; ask for more")
    for key, text in (("title", signature.title), ("description", signature.description), ("looks_like", signature.looks_like),
                      ("seen", str(signature.seen)), ("references", " ".join(signature.references))):  # fmt: skip
        if "TODO" in text:
            problems.append(f"{at((key,))}: {key} still says TODO; say it, or the signature helps nobody")
    if signature.emulate is None and signature.trigger.kinds != (TRIGGER_KINDS["quic_initial"],):  # the lab's boxes read no QUIC
        problems.append(f"{at(())}: no `emulate` block; say how the lab's box behaves to be this")
    return problems


def _holds_on_bare_reset(signature: Signature) -> bool:
    """Whether a flow whose only suspect is that reset passes all `expect` clauses."""
    clauses = signature.expect
    return bool(clauses) and all(_bare_passes(c) for c in clauses)


def _bare_passes(clause: Clause) -> bool:
    if not isinstance(clause, Packets):
        return False  # it asks for something beside the packet
    if SERVER not in clause.origins or (clause.exact is not None and clause.exact != RST) or (clause.some and not clause.some & RST) or clause.lacks & RST:
        return False
    if not clause.count.accepts(1) or clause.step or clause.offsets:
        return False
    return all(
        PACKET_FEATURES[p.feature].kind not in ("bytes", "text") and p.test.accepts(BARE_RESET[p.feature]) for p in clause.predicates if p.feature in BARE_RESET
    ) and not any(PACKET_FEATURES[p.feature].kind in ("bytes", "text") or p.feature in _NEVER_ON_BARE for p in clause.predicates)


_NEVER_ON_BARE = frozenset({"payload_zeros", "http_status", "tls_alert", "tls_type", "icmp_type", "icmp_code"})


def _known_ids(signature: Signature, document: Document, ids: set[str]) -> list[str]:
    problems = []
    for verb in VERBS:
        for clause in getattr(signature, verb):
            if isinstance(clause, Earlier):
                problems += [
                    f"{document.where((verb, clause.name, 'earlier', 'signature'))}: no signature {name!r}{suggestion(name, sorted(ids))}"
                    for name in clause.signatures
                    if name not in ids
                ]
    return problems


def _superseded(signature: Signature, document: Document, live: Mapping[str, Signature], stones: Mapping[str, Tombstone]) -> list[str]:
    """What a signature supersedes is there and deprecated, or has a tombstone that leads here."""
    problems = []
    for i, name in enumerate(signature.supersedes):
        at = document.where(("supersedes", i))
        if name in live and live[name].status != "deprecated":
            problems.append(f"{at}: {name!r} is still there; say `status: deprecated` in it, or remove it and leave a tombstone")
        elif name not in live and (name not in stones or stones[name].now != signature.id):
            problems.append(f"{at}: {name!r} is no signature and has no tombstone that leads here; add it to {FILE}")
    return problems


def _examples(signature: Signature, document: Document, case_exists: CaseExists | None) -> list[str]:
    problems = [
        f"{document.where(('examples',))}: examples lack {kind!r}; every signature carries a matching and a near-miss case"
        for kind in ("match", "near_miss")
        if not signature.examples.get(kind)
    ]
    if case_exists is not None:
        problems += [
            f"{document.where(('examples', kind, i))}: no recorded case {name!r}"
            for kind, names in signature.examples.items()
            for i, name in enumerate(names)
            if not case_exists(name)
        ]
    return problems
