"""YAML of a clause -> the clause, typed by the vocabulary.

Rules of this file:
- The grammar of clauses stands here and nowhere else; the words of features stand in the vocabulary.
- A clause has one kind: one of `absent flow control compare across earlier later seen_at` as its key, or packets where it has none of them.
- `seq` and `ack` stand for the raw fields in `same`, `step` and `across`, where only equality and differences count.
"""

from __future__ import annotations

from collections.abc import Mapping

from dpiprobe.observe.table import ORIGINS
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES, Feature
from dpiprobe.signature.clause import (
    ORDINARY_COUNT,
    Absent,
    Across,
    Clause,
    Compare,
    Control,
    Earlier,
    Flow,
    Packets,
    Predicate,
    SeenAt,
)
from dpiprobe.signature.node import Node, kind_of
from dpiprobe.signature.values import duration_test, number_test, read_duration, read_value, suggestion
from dpiprobe.signature.words import BOTH_ENDS, CONTROL_STATES, ENDS, OUTCOMES, TECHNIQUES
from dpiprobe.wire.packets import ACK, FIN, PSH, RST, SYN

FLAGS = {"S": SYN, "F": FIN, "R": RST, "A": ACK}
HAS_FLAGS = {**FLAGS, "P": PSH}
RAW = {"seq": "seq_raw", "ack": "ack_raw"}
KEYS = ("client", "server", "port", "name")
GRAMMAR = ("from", "flags", "has", "lacks", "reached_server", "same", "count", "span", "step", "seq_offsets", "after", "before", "shared")
KINDS = ("absent", "flow", "control", "compare", "across", "earlier", "later", "seen_at")
COMPARED = {name: Feature(name, "ratio", f.meaning) for name, f in FLOW_FEATURES.items() if f.kind in ("number", "ratio", "duration")}
GROUPED = {name: f for name, f in PACKET_FEATURES.items() if f.kind in ("number", "choice", "flag", "duration")}


def read_clause(name: str, node: Node) -> Clause | None:
    """The clause, or None with problems said."""
    if not isinstance(node.value, dict):
        node.problem(f"a clause is a mapping, not {kind_of(node.value)}")
        return None
    if not node.value:
        node.problem(f"the clause {name!r} asks for nothing")
        return None
    kinds = [kind for kind in KINDS if kind in node.value]
    if not kinds:
        return _packets(name, node)
    kind = kinds[0]
    node.known_keys((kind,))
    inner = node.child(kind)
    match kind:
        case "absent":
            return _absent(name, inner)
        case "flow":
            return Flow(name, predicates(inner, FLOW_FEATURES))
        case "control":
            return _control(name, inner)
        case "compare":
            return _compare(name, inner)
        case "across":
            return _across(name, inner)
        case "earlier" | "later":
            return _earlier(name, inner, later=kind == "later")
    return _seen_at(name, inner)


def predicates(node: Node, vocabulary: Mapping[str, Feature], grammar: tuple[str, ...] = ()) -> tuple[Predicate, ...]:
    """All keys that are features, with their tests; other keys that are not `grammar` are problems."""
    found = []
    for key, child in node.items():
        if key in grammar:
            continue
        if key not in vocabulary:
            where = "packet" if vocabulary is PACKET_FEATURES else "flow"
            elsewhere = " (it is a flow feature; ask for it in `flow: {...}`)" if where == "packet" and key in FLOW_FEATURES else ""
            child.key_problem(f"unknown {where} feature {key!r}{elsewhere or suggestion(key, (*vocabulary, *grammar))}")
            continue
        test = child.read(read_value, vocabulary[key])
        if test is not None:
            found.append(Predicate(key, test))
    return tuple(found)


def _flags(node: Node, known: dict[str, int]) -> int:
    """`RA` or `[R, A]` as bits."""
    letters = node.value if isinstance(node.value, list) else list(node.value) if isinstance(node.value, str) else [node.value]
    bits = 0
    for letter in letters:
        if not isinstance(letter, str) or letter not in known:
            node.problem(f"{node.name} takes the letters {', '.join(known)}, not {letter!r}")
            continue
        bits |= known[letter]
    return bits


def _grouping(node: Node) -> tuple[str, ...]:
    names = []
    for element in node.elements():
        name = RAW.get(element.value, element.value) if isinstance(element.value, str) else element.value
        if not isinstance(name, str) or name not in GROUPED:
            element.problem(f"{node.name} takes packet features, not {name!r}{suggestion(str(name), (*GROUPED, *RAW))}")
            continue
        names.append(name)
    return tuple(names)


def _packets(name: str, node: Node, grammar: tuple[str, ...] = GRAMMAR) -> Packets:
    found = predicates(node, PACKET_FEATURES, grammar)
    part = {key: node.child(key) for key in node.value if key in grammar} if isinstance(node.value, dict) else {}
    origins: tuple[int, ...] = ()
    if "from" in part:
        origins = tuple(ORIGINS[word] for word in part["from"].words(ORIGINS) if word)
    else:
        node.problem(f"the clause {name!r} lacks 'from'; it may be {', '.join(ORIGINS)}")
    exact = _flags(part["flags"], FLAGS) if "flags" in part else None
    offsets: tuple[int, ...] = ()
    if "seq_offsets" in part:
        listed = part["seq_offsets"].value
        if isinstance(listed, list) and len(listed) >= 2 and all(isinstance(o, int) and not isinstance(o, bool) for o in listed):
            offsets = tuple(listed)
        else:
            part["seq_offsets"].problem("seq_offsets takes a list of at least two integers such as [0, 1460, 4380]")
    count = part["count"].read(number_test) if "count" in part else ORDINARY_COUNT
    if "count" in part and count is not None and count.accepts(0):
        part["count"].problem("count passes no packet at all; write `absent: {..., within: ...}` for that")
    return Packets(
        name=name,
        origins=origins,
        exact=exact,
        some=_flags(part["has"], HAS_FLAGS) if "has" in part else 0,
        lacks=_flags(part["lacks"], HAS_FLAGS) if "lacks" in part else 0,
        reached_server=part["reached_server"].flag() if "reached_server" in part else None,
        predicates=found,
        same=_grouping(part["same"]) if "same" in part else (),
        count=count or ORDINARY_COUNT,
        span=part["span"].read(duration_test) if "span" in part else None,
        step=predicates(_raw_names(part["step"]), GROUPED) if "step" in part else (),
        offsets=offsets,
        after=part["after"].text() if "after" in part else None,
        before=part["before"].text() if "before" in part else None,
        shared=part["shared"].flag() if "shared" in part else False,
    )


def _raw_names(node: Node) -> Node:
    """`seq` and `ack` in a mapping as the raw fields they stand for; places stay those of the file."""
    if not isinstance(node.value, dict) or not RAW.keys() & node.value.keys():
        return node
    for short, long in RAW.items():
        for places in (node.document.keys, node.document.values):
            if (*node.path, short) in places:
                places[(*node.path, long)] = places[(*node.path, short)]
    return Node(node.document, node.path, {RAW.get(key, key): value for key, value in node.value.items()}, node.problems)


def _absent(name: str, node: Node) -> Absent | None:
    if not isinstance(node.value, dict):
        node.problem(f"absent takes a mapping of packet features and `within`, not {kind_of(node.value)}")
        return None
    if "within" not in node.value:
        node.problem("absent lacks 'within'; absence is only known for a time, such as `within: 10 s`")
        return None
    within = node.child("within").read(read_duration)
    rest = Node(node.document, node.path, {k: v for k, v in node.value.items() if k != "within"}, node.problems)
    packets = _packets(name, rest, ("from", "flags", "has", "lacks", "reached_server", "after"))
    return Absent(name, packets, within or 1)


def _control(name: str, node: Node) -> Control | None:
    if not isinstance(node.value, dict):
        return Control(name, node.words(CONTROL_STATES))
    if "state" not in node.value:
        node.problem("control lacks 'state'")
        return None
    return Control(name, node.child("state").words(CONTROL_STATES), predicates(node, FLOW_FEATURES, ("state",)))


def _compare(name: str, node: Node) -> Compare:
    certificate = None
    if isinstance(node.value, dict) and "certificate" in node.value:
        certificate = node.child("certificate").word(("same", "differs"))
    return Compare(name, predicates(node, COMPARED, ("certificate",)), certificate)


def _seen_at(name: str, node: Node) -> SeenAt | None:
    if not isinstance(node.value, dict):
        return SeenAt(name, node.words(ENDS))
    if not node.known_keys(("shows",), ("shows",)) or "shows" not in node.value:
        return None
    return SeenAt(name, ("both",), node.child("shows").words(tuple(BOTH_ENDS)))


def _across(name: str, node: Node) -> Across | None:
    if not node.known_keys(("same", "distinct", "of", "flows"), ("of",)) or "of" not in node.value:
        return None
    flows = node.value.get("flows", 2)
    if not isinstance(flows, int) or isinstance(flows, bool) or flows < 2:
        node.child("flows").problem("flows takes a number of at least 2")
        flows = 2
    same = _grouping(node.child("same")) if "same" in node.value else ()
    distinct = _grouping(node.child("distinct")) if "distinct" in node.value else ()
    if not same and not distinct:
        node.problem("across takes 'same' or 'distinct' with a list of features")
    return Across(name, same, distinct, node.child("of").text(), flows)


def _earlier(name: str, node: Node, later: bool) -> Earlier | None:
    if not node.known_keys(("signature", "technique", "outcome", "same", "within"), ("same", "within")):
        return None
    if not {"signature", "technique", "outcome"} & node.value.keys():
        node.problem(f"{node.name} takes 'signature', 'technique' or 'outcome'")
    signatures = tuple(e.text() for e in node.child("signature").elements()) if "signature" in node.value else ()
    outcomes = node.child("outcome").words(OUTCOMES) if "outcome" in node.value else ()
    same = node.child("same").words(KEYS) if "same" in node.value else ()
    within = node.child("within").read(read_duration) if "within" in node.value else None
    techniques = node.child("technique").words(sorted(TECHNIQUES)) if "technique" in node.value else ()
    return Earlier(name, signatures, outcomes, same, within or 1, techniques, later)
