"""`python -m dpiprobe`, and the command `dpiprobe`, from its first moment to its last.

Rules of this file: an interruption is never a traceback. While the program is still being loaded, and once it leaves, it ends the process at once, as it
ends any program; in between it is main's to report. Where interruptions are ignored (a job that a shell put in the background) they stay ignored.

The cyclic collector looks seldom: what is loaded stays, so that looking at it again and again while it grows, and once more when the process ends,
costs a sixth of a second of a large capture and finds nothing (our own measurement).

Nothing here multiplies matrices, so numpy's library for that is told not to start a thread for each core, which costs time where cores are many.
"""

from __future__ import annotations

import gc
import os
import signal
from typing import NoReturn

SELDOM = 200_000
"""Objects made, less those that went, after which the cyclic collector looks: more than loading makes; policy."""


def main() -> NoReturn:
    """Load the command line, run it, and end the process with its exit code."""
    gc.set_threshold(SELDOM, *gc.get_threshold()[1:])
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
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
        gc.freeze()


if __name__ == "__main__":
    main()
