"""Runs the tests beside busy loops: ``python -m tests.busy [--loops 8] [arguments of pytest]``.

Nothing in the tests may depend on how fast the machine is; here it is slow. Exits with pytest's status.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time


def main() -> int:
    """Starts the loops, runs pytest, stops the loops, and prints how long the tests took."""
    parser = argparse.ArgumentParser(prog="python -m tests.busy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--loops", type=int, default=8, help="processes that only compute (default: %(default)s)")
    options, arguments = parser.parse_known_args()
    # A loop whose parent is gone ends by itself.
    loop = "import os\nparent = os.getppid()\nwhile os.getppid() == parent:\n    sum(range(100_000))"
    loops = [subprocess.Popen([sys.executable, "-c", loop]) for _ in range(options.loops)]
    started = time.monotonic()
    try:
        status = subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode
    finally:
        for one in loops:
            one.kill()
            one.wait()
    print(f"Beside {options.loops} busy loops the tests took {time.monotonic() - started:.0f} seconds.")
    return status


if __name__ == "__main__":
    sys.exit(main())
