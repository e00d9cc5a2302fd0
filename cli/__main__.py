"""``python -m deepgif.cli``: the same as ``deepgif``."""

from deepgif.cli.app import main

main()
