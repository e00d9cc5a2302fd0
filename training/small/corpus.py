"""The texts that the sentence encoder is trained on, and those held out to evaluate it.

Everything is read from one data folder:

    flickr8k/captions.csv, train.txt      captions of photographs (training photographs only)
    msvd/sentences.json                   captions of short videos
    exercises/exercises.json              instructions for movements
    text/wordnet.tsv                      words, definitions, examples
    text/goemotions-{train,dev}.tsv       short chat comments
    text/emoji-keywords.json              names and keywords of emoji

Held out: the comments of ``goemotions-dev.tsv`` and the definitions and examples of one synset in 33.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deepgif.training.data.datasets import read_captions

HELD_OUT_ONE_IN = 33
LONG = 80  # characters; queries are shorter: of longer texts one in four is kept, of those over 160 none
SPANS = 60_000  # contiguous runs of 2 to 6 words, like queries


@dataclass(frozen=True, slots=True)
class Corpus:
    """Unique texts. ``unseen`` shares no comment and no synset with ``train``."""

    train: tuple[str, ...]
    unseen: tuple[str, ...]


def read_corpus(data: Path, seed: int = 0) -> Corpus:
    """All texts in ``data``. Raises ``DatasetError`` or ``FileNotFoundError`` naming a missing file."""
    glosses, unseen_glosses = _wordnet(data / "text" / "wordnet.tsv")
    captions = read_captions(data / "flickr8k" / "train.txt", files=False).captions
    comments = first_column(data / "text" / "goemotions-train.tsv")
    full = [*captions, *_msvd(data), *_exercises(data), *comments, *glosses, *_emoji(data)]
    full = [text for text in full if len(text) <= LONG or (len(text) <= 2 * LONG and _one_in(4, text))]
    unseen_comments = first_column(data / "text" / "goemotions-dev.tsv")
    train = dict.fromkeys([*full, *_spans([*captions, *comments], random.Random(seed))])  # noqa: S311
    unseen = dict.fromkeys(text for text in [*unseen_comments, *unseen_glosses] if text not in train)
    return Corpus(tuple(train), tuple(unseen))


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
    """The text before the first tab of each line."""
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
