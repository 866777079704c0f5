"""What a piece of work leaves behind that only the cyclic collector would free."""

from __future__ import annotations

import gc
from collections.abc import Callable


def left_in_circles(work: Callable[[], object]) -> set[str]:
    """Types of this package that refer to one another in a circle after `work`, done a second time (the first makes what is made once)."""
    work()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        work()
        gc.collect()
        left = {type(one).__module__ + "." + type(one).__name__ for one in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    return {name for name in left if name.startswith("dpiprobe.")}
