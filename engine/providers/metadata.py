"""What is said of the GIFs in a folder: by its ``catalogue.json`` where there is one, else by their files' names."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deepgif.engine.errors import NotFoundError
from deepgif.engine.types import Rating

CATALOGUE = "catalogue.json"
MAX_CATALOGUE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CatalogueMetadata:
    """Titles, alt texts and ratings by path below the folder, and whom to name for all of them."""

    attribution: str = ""
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def title(self, path: str) -> str:
        """The title given, or the words of the file's name: ``cat_jump-2.gif`` is "Cat jump 2"."""
        return str(self._entry(path).get("title") or _words(path))

    def alt_text(self, path: str) -> str:
        """The alt text given, or the title."""
        return str(self._entry(path).get("alt_text") or self.title(path))

    def rating(self, path: str, default: Rating) -> Rating:
        """The rating given, in letters of either case; ``default`` where there is none, or one that is not known."""
        given = str(self._entry(path).get("rating")).strip().lower()
        return Rating(given) if given in list(Rating) else default

    def _entry(self, path: str) -> Mapping[str, Any]:
        return self.entries.get(path, {})


def load_metadata(folder: Path) -> CatalogueMetadata:
    """Reads ``catalogue.json`` in ``folder``; blocks. Raises ``NotFoundError`` where it is there but unusable."""
    path = folder / CATALOGUE
    try:
        if path.stat().st_size > MAX_CATALOGUE_BYTES:
            raise ValueError("too large")
        document = json.loads(path.read_text(encoding="utf-8"))
        entries = {str(entry["file"]): dict(entry) for entry in document["gifs"]}
        return CatalogueMetadata(str(document.get("attribution", "")), entries)
    except FileNotFoundError:
        return CatalogueMetadata()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotFoundError(f"{path} cannot be read: it must hold a list “gifs” of objects with a “file”.") from error


def _words(path: str) -> str:
    words = re.sub(r"[\W_]+", " ", Path(path).stem).strip()
    return words[:1].upper() + words[1:] if words else "GIF"
