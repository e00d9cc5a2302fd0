"""``python -m bot PLATFORM``: the processes ``slack`` and ``discord`` of the Procfile."""

from __future__ import annotations

import sys


def main() -> int:
    """Says that no platform is supported yet; the exit status is that of a wrong call."""
    print("This version has no Slack and no Discord bot yet; the search page and deepgif search work.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
