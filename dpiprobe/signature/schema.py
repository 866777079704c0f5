"""The JSON Schema of a signature file, for editors: completion, hover texts, typos underlined while writing.

Rules of this file:
- Generated from the vocabulary and the word lists; nothing is said twice. `python -m dpiprobe.signature.schema` prints it.
- It is wider than the reader, which has the last word: a schema cannot know that `after: X` needs an X.
"""

from __future__ import annotations

from typing import Any

from dpiprobe.observe.table import ORIGINS
from dpiprobe.observe.vocabulary import FLOW_FEATURES, PACKET_FEATURES, Feature
from dpiprobe.signature.clause_reader import COMPARED, GROUPED, HAS_FLAGS, KEYS, RAW
from dpiprobe.signature.reader import EXAMPLE_KINDS, OPTIONAL, REQUIRED
from dpiprobe.signature.words import BOTH_ENDS, CONFIDENCES, CONTROL_STATES, ENDS, MECHANISMS, OUTCOMES, STATUSES, TECHNIQUES, TRIGGER_KINDS

Schema = dict[str, Any]
ADDRESS = "https://json-schema.org/draft/2020-12/schema"
TEXT: Schema = {"type": "string", "minLength": 1}
_NUMBER = r"-?(0x[0-9a-fA-F]+|[0-9.]+)( ?[a-zA-Z/]+)?"
NUMBERS = rf"^(exactly |at least |at most |more than |less than |not )?{_NUMBER}( to {_NUMBER})?$"
"""What `values.py` reads as a number, a range, a duration or a rate, roughly."""


def json_schema() -> Schema:
    """The schema of one file, JSON Schema 2020-12."""
    clauses = {"type": "object", "minProperties": 1, "patternProperties": {"^[a-z][a-z0-9_]*$": {"$ref": "#/$defs/clause"}}, "additionalProperties": False}
    names = {"type": "array", "items": TEXT}
    properties: dict[str, Schema] = {
        "id": {"type": "string", "pattern": "^[a-z0-9]+([.-][a-z0-9]+)*$", "description": "The file's name without .yaml"},
        "title": TEXT | {"description": "Who does what, in a few words"},
        "mechanism": {"enum": sorted(MECHANISMS), "description": "The most it may claim; .sni and .host are cut off without a working control"},
        "technique": {"oneOf": [{"const": word, "description": said} for word, said in sorted(TECHNIQUES.items())]},
        "status": {"enum": list(STATUSES)},
        "confidence": {"enum": list(CONFIDENCES), "description": "The most this signature alone may claim"},
        "seen": {"$ref": "#/$defs/seen"},
        "description": TEXT | {"description": "What happens, so that a newcomer understands it"},
        "looks_like": TEXT | {"description": "What else looks like it, and how to tell"},
        "references": {"anyOf": [TEXT, names | {"minItems": 1}], "description": "Where it was seen, or what it was derived from"},
        "trigger": {"anyOf": [_one_or_more(list(TRIGGER_KINDS)), {"$ref": "#/$defs/trigger"}]},
        "expect": clauses | {"description": "All of these, in this order"},
        "any_of": clauses | {"description": "At least one of these", "minProperties": 0},
        "support": clauses | {"description": "Recorded, not needed", "minProperties": 0},
        "rule_out": clauses | {"description": "One of these held, and it does not match", "minProperties": 0},
        "emulate": {"type": "object", "description": "How the lab's box behaves to be this device (docs/lab.md)"},
        "examples": {"type": "object", "properties": {kind: {"anyOf": [TEXT, names]} for kind in EXAMPLE_KINDS}, "additionalProperties": False},
        "generic": {"type": "boolean", "description": "Names a technique, not a device"},
        "supersedes": {"anyOf": [TEXT, names]},
        "unverified": {"anyOf": [TEXT, names], "description": "clause.field: numbers without a source"},
    }
    assert set(properties) == {*REQUIRED, *OPTIONAL}
    return {
        "$schema": ADDRESS, "title": "A dpiprobe signature", "type": "object", "properties": properties, "required": list(REQUIRED),
        "additionalProperties": False,
        "$defs": {
            "clause": {"anyOf": [{"$ref": f"#/$defs/{kind}"} for kind in ("packets", *_second())]},
            "packets": _packets(), **_second(), "seen": _seen(), "trigger": _trigger(),
        },
    }  # fmt: skip


def _one_or_more(words: list[str]) -> Schema:
    return {"anyOf": [{"enum": words}, {"type": "array", "items": {"enum": words}, "minItems": 1}]}


def _value(feature: Feature) -> Schema:
    """What may stand behind a feature."""
    said = f"{feature.meaning}{f' ({feature.unit})' if feature.unit else ''}"
    match feature.kind:
        case "flag":
            return {"type": "boolean", "description": said}
        case "choice":
            words = {"enum": [*feature.choices, *(f"not {c}" for c in feature.choices)]}
            return {"anyOf": [words, {"type": "array", "items": {"enum": list(feature.choices)}}], "description": said}
        case "bytes" | "text":
            return {"anyOf": [TEXT, {"type": "array", "items": TEXT}], "description": said}
    number: Schema = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": NUMBERS}]}
    return {"anyOf": [*number["anyOf"], {"type": "array", "items": number}], "description": said}


def _values(features: dict[str, Feature]) -> dict[str, Schema]:
    return {name: _value(feature) for name, feature in features.items()}


def _features(properties: dict[str, Schema], required: tuple[str, ...] = ()) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False, "minProperties": 1}


def _grouping() -> Schema:
    return _one_or_more([*GROUPED, *RAW])


def _grammar() -> dict[str, Schema]:
    number = {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": NUMBERS}]}
    return {
        "from": _one_or_more(list(ORIGINS)),
        "flags": {"anyOf": [{"type": "string", "pattern": "^[SFRA]+$"}, {"type": "array", "items": {"enum": list("SFRA")}}]},
        "has": _one_or_more(list(HAS_FLAGS)) | {"description": "Any of these flags set"},
        "lacks": _one_or_more(list(HAS_FLAGS)) | {"description": "None of these flags set"},
        "reached_server": {"type": "boolean"},
        "same": _grouping() | {"description": "Splits the selected packets into groups"},
        "count": number,
        "span": {"type": "string", "pattern": NUMBERS},
        "step": {"type": "object", "propertyNames": {"enum": [*GROUPED, *RAW]}},
        "seq_offsets": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        "after": TEXT,
        "before": TEXT,
        "shared": {"type": "boolean", "description": "Also sees packets that a more specific signature has claimed"},
    }


def _packets() -> Schema:
    return _features({**_grammar(), **_values(PACKET_FEATURES)}, ("from",))


def _second() -> dict[str, Schema]:
    """The clauses that are no packets, each under its own key."""
    grammar = _grammar()
    earlier = _features(
        {
            "signature": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}, "technique": _one_or_more(sorted(TECHNIQUES)),
            "outcome": _one_or_more(list(OUTCOMES)), "same": _one_or_more(list(KEYS)), "within": {"type": "string", "pattern": NUMBERS},
        },
        ("same", "within"),
    )  # fmt: skip
    states = _one_or_more(list(CONTROL_STATES))
    absent = {key: grammar[key] for key in ("from", "flags", "has", "lacks", "reached_server", "after")}
    inner: dict[str, Schema] = {
        "absent": _features({**absent, "within": {"type": "string", "pattern": NUMBERS}, **_values(PACKET_FEATURES)}, ("from", "within")),
        "flow": _features(_values(FLOW_FEATURES)),
        "control": {"anyOf": [*states["anyOf"], _features({"state": states, **_values(FLOW_FEATURES)}, ("state",))]},
        "compare": _features({"certificate": {"enum": ["same", "differs"]}, **_values(COMPARED)}),
        "across": _features({"same": _grouping(), "distinct": _grouping(), "of": TEXT, "flows": {"type": "integer", "minimum": 2}}, ("of",)),
        "earlier": earlier,
        "later": earlier,
        "seen_at": {"anyOf": [*_one_or_more(list(ENDS))["anyOf"], _features({"shows": _one_or_more(list(BOTH_ENDS))}, ("shows",))]},
    }
    return {kind: {"type": "object", "properties": {kind: schema}, "required": [kind], "additionalProperties": False} for kind, schema in inner.items()}


def _seen() -> Schema:
    when = {"anyOf": [{"type": "integer", "minimum": 1990, "maximum": 2100}, {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}(-[0-9]{2})?$"}]}
    who = {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}
    return _features({"first": when, "last": when, "where": who, "by": who}, ("where",))


def _trigger() -> Schema:
    options = {"enum": list(PACKET_FEATURES["options"].choices)}
    return _features({"kind": _one_or_more(list(TRIGGER_KINDS)), "tcp_options": options, **_values(FLOW_FEATURES)}, ("kind",))


if __name__ == "__main__":
    import json

    print(json.dumps(json_schema(), indent=1))
