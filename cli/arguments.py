"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Folder with your own GIFs and animated WebPs. Default: bundled GIFs.")
]
Model = Annotated[str | None, typer.Option("--model", help="Name of a bundled model, or a bundle's folder.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
