"""The texts that the sentence encoder learns from, and those kept apart to judge it by.

Everything is read from one data folder:

    flickr8k/captions.csv, train.txt      what photographs show (training photographs only)
    msvd/sentences.json                   what short videos show
    exercises/exercises.json              instructions for movements
    text/wordnet.tsv                      words, definitions, examples
    text/goemotions-{train,dev}.tsv       short comments, as people chat
    text/emoji-keywords.json              names and keywords of emoji

To these come headlines drawn from a grammar, and texts altered by a word (``deepgif.training.small.headlines``). Kept
apart: the comments of ``goemotions-dev.tsv`` and the definitions and examples of one synset in 33.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepgif.training.small.headlines import altered, headlines

HELD_OUT_ONE_IN = 33
LONG = 80  # characters; nobody searches with that much, so of longer texts only one in four is kept, none over 160
HEADLINES = 40_000
ALTERED = 80_000
SPANS = 60_000  # contiguous runs of 2 to 6 words: what queries look like


@dataclass(frozen=True, slots=True)
class Corpus:
    """Texts without repetition. ``unseen`` shares no comment and no synset with ``train``."""

    train: tuple[str, ...]
    unseen: tuple[str, ...]


def read_corpus(data: Path, seed: int = 0) -> Corpus:
    """All texts below ``data``. Raises ``FileNotFoundError`` naming a missing file."""
    glosses, unseen_glosses = _wordnet(data / "text" / "wordnet.tsv")
    captions = [text for texts in read_captions(data, "train").values() for text in texts]
    comments = first_column(data / "text" / "goemotions-train.tsv")
    full = [*captions, *_msvd(data), *_exercises(data), *comments, *glosses, *_emoji(data)]
    full = [text for text in full if len(text) <= LONG or (len(text) <= 2 * LONG and _one_in(4, text))]
    unseen_comments = first_column(data / "text" / "goemotions-dev.tsv")
    rng = random.Random(seed)  # noqa: S311 - not a secret
    spans = _spans([*captions, *comments], rng)
    news = list(headlines(HEADLINES, rng))
    train = dict.fromkeys([*full, *spans, *news, *altered([*full, *news], ALTERED, rng)])
    unseen = dict.fromkeys(text for text in [*unseen_comments, *unseen_glosses] if text not in train)
    return Corpus(tuple(train), tuple(unseen))


def read_captions(data: Path, split: str) -> dict[str, list[str]]:
    """Photograph name to its five sentences, for the ``train`` or ``dev`` part of Flickr8k."""
    names = (data / "flickr8k" / f"{split}.txt").read_text(encoding="utf-8").split()
    captions: dict[str, list[str]] = {name: [] for name in names}
    with (data / "flickr8k" / "captions.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["image"] in captions:
                captions[row["image"]].append(row["caption"].strip())
    return captions


def _wordnet(path: Path) -> tuple[list[str], list[str]]:
    train: list[str] = []
    unseen: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        words, definition, examples = [*line.split("\t"), "", ""][:3]
        texts = [text for text in (definition, *examples.split(" | ")) if text]
        if _one_in(HELD_OUT_ONE_IN, line):
            unseen += texts
        else:
            train += texts
        train += words.split("; ")
    return train, unseen


def _one_in(n: int, text: str) -> bool:
    """True for one text in ``n``, always the same ones."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % n == 0


def first_column(path: Path) -> list[str]:
    """What stands before the first tab of each line."""
    return [line.split("\t")[0].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _msvd(data: Path) -> list[str]:
    clips = json.loads((data / "msvd" / "sentences.json").read_text(encoding="utf-8"))
    return [sentence for clip in clips for sentence in clip["caption"]]


def _exercises(data: Path) -> list[str]:
    exercises = json.loads((data / "exercises" / "exercises.json").read_text(encoding="utf-8"))
    return [text for one in exercises for text in (one["name"], *one["instructions"])]


def _emoji(data: Path) -> list[str]:
    keywords: dict[str, list[str]] = json.loads((data / "text" / "emoji-keywords.json").read_text(encoding="utf-8"))
    phrases = [[word.replace("_", " ") for word in words] for words in keywords.values()]
    return list(itertools.chain.from_iterable((words[0], " ".join(words[1:6])) for words in phrases if len(words) > 1))


def _spans(texts: list[str], rng: random.Random) -> Iterator[str]:
    for text in rng.choices(texts, k=SPANS):
        words = text.split()
        length = rng.randint(2, 6)
        if len(words) > length:
            start = rng.randrange(len(words) - length + 1)
            yield " ".join(words[start : start + length]).strip(" .,;:")
