"""What can be wrong with a call. The strangeness of a network is never an exception; it is an observation.

    DpiprobeError
    |- UsageError         the caller asked for something that cannot be meant            exit 2
    |- EnvironmentError_  this machine lacks a privilege, a tool or a kernel feature      exit 3
    |- InputError         a file cannot be read as what it was given as                   exit 4
    |- SignatureError     a signature file is wrong; carries every problem at once        exit 1 from check, else 2

Each message is one sentence that says what is wrong and, after a semicolon, what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence


class DpiprobeError(Exception):
    """Base of all errors that are the caller's to mend; `exit_code` is what the command line returns."""

    exit_code = 70


class UsageError(DpiprobeError):
    """The call cannot be meant as it stands."""

    exit_code = 2


class EnvironmentError_(DpiprobeError):
    """This machine lacks a privilege, a tool or a kernel feature that the call needs."""

    exit_code = 3


class InputError(DpiprobeError):
    """A file is missing, empty, or not what it was given as."""

    exit_code = 4


class SignatureError(DpiprobeError):
    """One or more signature files, or a file like one, are wrong; `problems` holds one line `file:line:col: what` for each, `what` says what they are in."""

    exit_code = 2

    def __init__(self, problems: Sequence[str], what: str = "the signatures") -> None:
        self.problems, self.what = list(problems), what
        super().__init__("\n".join(self.problems))
