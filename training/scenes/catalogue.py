"""The scenes that ship with the engine as its demo catalogue, and how they are written.

The catalogue is a folder: ``catalogue.json`` (titles, alt texts, ratings), ``queries.csv`` (sentences in words that
the titles do not use, to measure a search with), ``LICENSE.md`` and ``gifs/``. With the same Pillow and font it is
the same byte for byte.
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deepgif.training.scenes.gif import encode_gif
from deepgif.training.scenes.grammar import words_of
from deepgif.training.scenes.render import render
from deepgif.training.scenes.scene import Scene, alt_text, objects_for, paraphrase, title
from deepgif.training.scenes.stage import Glyphs
from deepgif.training.scenes.vocabulary import ACTIONS, SETTINGS, SUBJECTS_BY_NAME, actions_of

SHIPPED = 360
GIF_SIZE = 168  # pixels a side
GIF_FRAMES = 8
FRAME_MS = 110
MAX_GIF_BYTES = 18_000  # aimed at, at ``GIF_SIZE``
QUERIES_PER_GIF = 2
LICENCE = "SIL Open Font License 1.1"
ATTRIBUTION = "Noto Color Emoji, Copyright Google LLC (SIL OFL 1.1)"
_SEED = 2024
_FEATURED = (("cat", "jumps over", "fire", "plain"), ("rocket", "takes off", "", "night"))
_LICENCE_TEXT = """\
# Licence of the demo catalogue

The GIFs in `gifs/` are made from the drawings of **Noto Color Emoji**, Copyright 2013-2023 Google LLC
(<https://github.com/googlefonts/noto-emoji>), licensed under the **SIL Open Font License, Version 1.1**.

What was changed: single drawings of the font were resized, rotated, mirrored and combined with painted backgrounds
and effects into animated scenes, reduced to few colours. No file here is a font or part of one.

The licence is available with a FAQ at <https://openfontlicense.org>, and its text is also in
<https://github.com/googlefonts/noto-emoji/blob/main/fonts/LICENSE>. The GIFs are passed on under the same licence.

Titles, alt texts and queries (`catalogue.json`, `queries.csv`) are part of DeepGIF and under its licence.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A shipped scene: its file, relative to the catalogue's folder, and the seed it is drawn with."""

    scene: Scene
    file: str
    seed: int


@cache
def shipped_scenes() -> tuple[Scene, ...]:
    """The ``SHIPPED`` scenes of the catalogue: every subject at least once, actions, second nouns and settings as
    evenly as the subjects allow, and no two with the same subject and action. Needs no font."""
    rng = random.Random(_SEED)  # noqa: S311 - a lasting choice, not secrets
    used: Counter[str] = Counter()
    chosen: dict[tuple[str, str], Scene] = {}

    def least_used(prefix: str, names: list[str]) -> str:
        return min(names, key=lambda name: (used[prefix + name], rng.random()))

    def take(scene: Scene) -> None:
        subject, action, second, setting = scene.names
        chosen[subject, action] = scene
        used.update((f"subject {subject}", f"action {action}", f"object {second}", f"setting {setting}"))

    settings = {setting.name: setting for setting in SETTINGS}
    actions = {action.name: action for action in ACTIONS}
    for names in _FEATURED:
        second = SUBJECTS_BY_NAME.get(names[2])
        take(Scene(SUBJECTS_BY_NAME[names[0]], actions[names[1]], second, settings[names[3]]))
    while len(chosen) < SHIPPED:
        subject = SUBJECTS_BY_NAME[least_used("subject ", list(SUBJECTS_BY_NAME))]
        free = [action.name for action in actions_of(subject) if (subject.name, action.name) not in chosen]
        action = actions[least_used("action ", free)]
        fitting = [other.name if other else "" for other in objects_for(subject, action)]
        second = SUBJECTS_BY_NAME.get(least_used("object ", fitting))
        take(Scene(subject, action, second, settings[least_used("setting ", list(settings))]))
    return tuple(chosen.values())


@cache
def _shipped_combinations() -> frozenset[tuple[str, str, str, str]]:
    return frozenset(combination for scene in shipped_scenes() for combination in _combinations(scene))


def _combinations(scene: Scene) -> set[tuple[str, str, str, str]]:
    subject, action, second, setting = scene.names
    return {(subject, action, "object", second), (subject, action, "setting", setting)}


def is_shipped_combination(scene: Scene) -> bool:
    """Whether a shipped scene has the same subject and action together with the same second noun (none counts as
    one) or the same setting. Training leaves these out, so that what ships was never seen."""
    return not _shipped_combinations().isdisjoint(_combinations(scene))


def shipped_entries() -> tuple[Entry, ...]:
    """The shipped scenes with their files and seeds."""
    return tuple(
        Entry(scene, f"gifs/{'-'.join(words_of(title(scene))).replace('’', '')}.gif", _SEED + i)
        for i, scene in enumerate(shipped_scenes())
    )


def catalogue_document() -> dict[str, object]:
    """What ``catalogue.json`` holds."""
    gifs = [
        {"file": entry.file, "title": title(entry.scene), "alt_text": alt_text(entry.scene), "rating": "g"}
        for entry in shipped_entries()
    ]
    return {"version": 1, "licence": LICENCE, "attribution": ATTRIBUTION, "gifs": gifs}


def catalogue_queries() -> list[tuple[str, str]]:
    """Files and the sentences that ought to find them, ``QUERIES_PER_GIF`` different ones for each."""
    rows = []
    for entry in shipped_entries():
        rng = random.Random(entry.seed)  # noqa: S311 - a lasting choice, not secrets
        sentences: dict[str, None] = {}
        while len(sentences) < QUERIES_PER_GIF:
            sentences[paraphrase(entry.scene, rng)] = None
        rows += [(entry.file, sentence) for sentence in sentences]
    return rows


def write_catalogue(folder: Path, glyphs: Glyphs, size: int = GIF_SIZE) -> Iterator[Path]:
    """Writes the catalogue into a folder; yields each GIF's path once it is written."""
    max_bytes = MAX_GIF_BYTES * size**2 // GIF_SIZE**2
    (folder / "gifs").mkdir(parents=True, exist_ok=True)
    for entry in shipped_entries():
        path = folder / entry.file
        path.write_bytes(encode_gif(render(entry.scene, size, GIF_FRAMES, glyphs, entry.seed), FRAME_MS, max_bytes))
        yield path
    document = json.dumps(catalogue_document(), ensure_ascii=False, indent=1)
    (folder / "catalogue.json").write_text(document + "\n", encoding="utf-8")
    (folder / "LICENSE.md").write_text(_LICENCE_TEXT, encoding="utf-8")
    with (folder / "queries.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "sentence"))
        writer.writerows(catalogue_queries())
