"""Signatures for tests, from their clauses alone."""

from __future__ import annotations

import textwrap

from dpiprobe.signature.database import Database, database_of
from dpiprobe.signature.model import Signature
from dpiprobe.signature.reader import read_signature

HEAD = """\
id: {id}
title: A title
mechanism: tls.reset
technique: rst
status: experimental
confidence: low
seen: {{where: tests}}
description: d
looks_like: l
references: [r]
trigger: {trigger}
generic: {generic}
"""


def signature(clauses: str, name: str = "under-test", generic: bool = False, trigger: str = "client_hello") -> Signature:
    """The signature with these verbs."""
    text = HEAD.format(id=name, trigger=trigger, generic="true" if generic else "false") + textwrap.dedent(clauses)
    found, problems, _ = read_signature(text, f"{name}.yaml")
    assert found is not None, problems
    return found


def database(*signatures: Signature) -> Database:
    return database_of(signatures)
