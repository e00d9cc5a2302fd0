"""What the reaction head learns from and is judged by.

In this folder, written by hand:

    phrases.csv    what people type (text, reaction, split); several reactions where several fit, "literal" for the
                   description of a scene, "other" for reactions of no kind among the 43
    emoji.csv      the reactions that an emoji stands for
    gifs.csv       the texts of invented GIFs (title, tags, alt, words in the picture), to choose how GIFs are read

From the data folder:

    text/goemotions-train.tsv, goemotions-labels.txt    comments and their emotions (Demszky et al. 2020)
    text/emoji-keywords.json                            names and keywords of emoji
    reactions/goemotions.csv                            the emotions that each reaction answers to (Shmueli et al. 2021)
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgif.models.networks.reaction import CLASSES, LITERAL, OTHER

HERE = Path(__file__).parent
TRAIN, DEV = "train", "dev"
LONGEST_COMMENT = 100  # characters; queries are shorter still


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts, and for each how likely it is of each class: ``targets`` (N, C)."""

    texts: tuple[str, ...]
    targets: NDArray[np.float32]

    @property
    def is_literal(self) -> NDArray[np.bool_]:
        """(N,): texts that describe a scene and ask for no reaction."""
        return np.asarray(self.targets[:, CLASSES.index(LITERAL)] == 1)

    @property
    def is_reaction(self) -> NDArray[np.bool_]:
        """(N,): texts that ask for a reaction and describe no scene."""
        return np.asarray(self.targets[:, CLASSES.index(LITERAL)] == 0)


def read_phrases(split: str) -> Labelled:
    """The phrases of one split."""
    return _labelled((row["text"], row["reaction"]) for row in _rows(HERE / "phrases.csv") if row["split"] == split)


def read_emoji(data: Path) -> Labelled:
    """Each emoji of a reaction, its name, and its first keywords."""
    keywords: dict[str, list[str]] = json.loads((data / "text" / "emoji-keywords.json").read_text(encoding="utf-8"))
    rows: dict[str, str] = {}
    for row in _rows(HERE / "emoji.csv"):
        words = [word.replace("_", " ") for word in keywords[row["emoji"]]]
        rows |= dict.fromkeys((row["emoji"], words[0], " ".join(words[:6])), row["reaction"])
    return _labelled(rows.items())


def read_comments(data: Path, count: int) -> Labelled:
    """At most ``count`` short comments with an emotion, always the same ones. ``targets`` are the likelihoods of their
    emotions given each class: a reaction answers to its emotions alike, another reaction to any, a scene to none."""
    emotions = (data / "text" / "goemotions-labels.txt").read_text(encoding="utf-8").split()
    answers = np.zeros((len(emotions), len(CLASSES)), np.float32)  # p(emotion | class)
    for row in _rows(data / "reactions" / "goemotions.csv"):
        column = np.array([float(row.get(emotion.capitalize(), 0)) for emotion in emotions], np.float32)
        answers[:, CLASSES.index(row["Reaction"])] = column / max(column.sum(), 1)
    answers[:, CLASSES.index(OTHER)] = 1 / len(emotions)
    lines = (data / "text" / "goemotions-train.tsv").read_text(encoding="utf-8").splitlines()
    neutral = str(emotions.index("neutral"))
    comments = [
        (text, labels.split(","))
        for text, labels, _ in (line.split("\t") for line in lines)
        if len(text) <= LONGEST_COMMENT and neutral not in labels.split(",")
    ]
    chosen = sorted(comments, key=lambda comment: zlib.crc32(comment[0].encode()))[:count]
    targets = [answers[[int(label) for label in labels]].sum(axis=0) for _, labels in chosen]
    return Labelled(tuple(text for text, _ in chosen), np.array(targets, np.float32).reshape(-1, len(CLASSES)))


def read_gifs() -> tuple[list[list[str]], Labelled]:
    """The texts of each invented GIF (its tags are one text), and its title with the reactions that it shows."""
    rows = _rows(HERE / "gifs.csv")
    texts = [[row["title"], row["tags"].replace(",", ", "), row["alt"], row["words"]] for row in rows]
    return texts, _labelled((row["title"], row["reaction"]) for row in rows)


def _labelled(rows: Iterable[tuple[str, str]]) -> Labelled:
    pairs = list(rows)
    targets = np.zeros((len(pairs), len(CLASSES)), np.float32)
    for target, (_, names) in zip(targets, pairs, strict=True):
        classes = [CLASSES.index(name) for name in names.split()]
        target[classes] = 1 / len(classes)
    return Labelled(tuple(text for text, _ in pairs), targets)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
