"""Options that say the same thing in different words: one of them, never two.

Rules of this file: which was given last decides nothing; two that contradict each other are the caller's error (UsageError), one sentence.
"""

from __future__ import annotations

from dpiprobe.errors import UsageError


def only_one(question: str, **given: bool) -> str | None:
    """The one that was given, None where none was. question: what they say, for the message · given: option's word (`hex` for --hex) -> was it given"""
    said = [word for word, is_given in given.items() if is_given]
    if len(said) > 1:
        raise UsageError(f"{' and '.join(f'--{word}' for word in said)} {'both' if len(said) == 2 else 'all'} say {question}; give one of them")
    return said[0] if said else None


def ip_version(four: bool, six: bool) -> int | None:
    """What -4 and -6 ask for: 4, 6, or None for whichever there is."""
    if four and six:
        raise UsageError("-4 and -6 both say which IP version; give one of them, or none for whichever the server has")
    return 4 if four else 6 if six else None
