"""Titles and other metadata of the GIFs in a folder, from its ``catalogue.json`` or from file names."""

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
MAX_TAGS = 50  # of one GIF
MAX_TAG_LENGTH = 100  # characters
MAX_CATALOGUE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CatalogueMetadata:
    """Titles, alt texts and ratings by path below the folder, and one attribution for all GIFs."""

    attribution: str = ""
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def title(self, path: str) -> str:
        """The title, by default the words of the file's name: ``cat_jump-2.gif`` is "Cat jump 2"."""
        return str(self._entry(path).get("title") or _words(path))

    def alt_text(self, path: str) -> str:
        """The alt text, by default the title."""
        return str(self._entry(path).get("alt_text") or self.title(path))

    def rating(self, path: str, default: Rating) -> Rating:
        """The rating in upper or lower case; ``default`` if it is missing or unknown."""
        given = str(self._entry(path).get("rating")).strip().lower()
        return Rating(given) if given in list(Rating) else default

    def tags(self, path: str) -> tuple[str, ...]:
        """The tags given; other values than texts are ignored, and so is what comes after ``MAX_TAGS``."""
        given = self._entry(path).get("tags")
        some = given if isinstance(given, list) else []
        return tuple(tag[:MAX_TAG_LENGTH] for tag in some if isinstance(tag, str) and tag.strip())[:MAX_TAGS]

    def _entry(self, path: str) -> Mapping[str, Any]:
        return self.entries.get(path, {})


def load_metadata(folder: Path) -> CatalogueMetadata:
    """Reads ``catalogue.json`` in ``folder``, if there is one; blocks. Raises ``NotFoundError`` if it is invalid."""
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
        raise NotFoundError(f"{path} is invalid. It must have a list “gifs” of objects with a “file”.") from error


def _words(path: str) -> str:
    words = re.sub(r"[\W_]+", " ", Path(path).stem).strip()
    return words[:1].upper() + words[1:] if words else "GIF"
