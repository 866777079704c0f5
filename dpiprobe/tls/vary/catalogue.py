"""All variations by name. Alone responsible for putting the files of this room together; a name that two of them claim is a mistake at import."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from dpiprobe.tls.vary import ciphers, esni_ech, extensions, name_lists, names, place, prepended, records, segments, stuffing, versions
from dpiprobe.tls.vary.variation import Variation, find

_GROUPS = (names, name_lists, versions, ciphers, extensions, place, stuffing, records, prepended, esni_ech, segments)


def _catalogue() -> Mapping[str, Variation]:
    found: dict[str, Variation] = {}
    for group in _GROUPS:
        for variation in group.VARIATIONS:
            if variation.name in found:
                raise ValueError(f"two variations are called {variation.name}")
            found[variation.name] = variation
    return MappingProxyType(found)


CATALOGUE = _catalogue()


def variation(recipe: str) -> Variation:
    """The variation that `name` or `name:key=value;key=value` asks for. UsageError where there is none."""
    return find(recipe, CATALOGUE)
