"""`python -m dpiprobe`, and the command `dpiprobe`, from its first moment to its last.

Rules of this file: an interruption is never a traceback. While the program is still being loaded, and once it leaves, it ends the process at once, as it
ends any program; in between it is main's to report. Where interruptions are ignored (a job that a shell put in the background) they stay ignored.
"""

from __future__ import annotations

import signal
from typing import NoReturn


def main() -> NoReturn:
    """Load the command line, run it, and end the process with its exit code."""
    heard = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heard:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from dpiprobe.cli.main import main as command

    try:
        if heard:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        command()
    except KeyboardInterrupt:  # a second one, while the first was being reported
        raise SystemExit(130) from None
    finally:
        if heard:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
