"""`python -m dpiprobe` is the command `dpiprobe`."""

from __future__ import annotations

from dpiprobe.cli.main import main

if __name__ == "__main__":
    main()
