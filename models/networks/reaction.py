"""Which reaction a text asks for. Queries and the texts of GIFs are read alike, so that they can be compared.

"when the build passes" asks for a reaction (win, applause, happy dance), "a cat falling off a table" describes a
scene, "a lion yawning" does both. The 43 kinds are those that people were seen to send in reply to each other
(Shmueli, Ray & Ku 2021, "Happy Dance, Slow Clap: Using Reaction GIFs to Predict Induced Affect on Twitter"). One
softmax over them, "another reaction" and "a scene" reads the sentence vector and hashed n-grams of a text.

Shapes: N texts, B = 384 of a sentence vector, H hash buckets, K = 43 kinds, C = K + 2 classes, M GIFs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgif.models.preprocess.ngrams import hashed_ngrams

Floats = NDArray[np.float32]

_SEARCH_TERMS = {
    "agree": "i agree",
    "applause": "applause",
    "awww": "awww",
    "dance": "dance",
    "deal_with_it": "deal with it",
    "do_not_want": "do not want",
    "eww": "eww",
    "eye_roll": "eye roll",
    "facepalm": "facepalm",
    "fist_bump": "fist bump",
    "good_luck": "good luck",
    "happy_dance": "happy dance",
    "hearts": "hearts",
    "high_five": "high five",
    "hug": "hug",
    "idk": "i don't know",
    "kiss": "kiss",
    "mic_drop": "mic drop",
    "no": "no",
    "oh_snap": "oh snap",
    "ok": "ok",
    "omg": "omg",
    "oops": "oops",
    "please": "please",
    "popcorn": "eating popcorn",
    "scared": "scared",
    "seriously": "seriously",
    "shocked": "shocked",
    "shrug": "shrug",
    "sigh": "sigh",
    "slow_clap": "slow clap",
    "smh": "shaking my head",
    "sorry": "sorry",
    "thank_you": "thank you",
    "thumbs_down": "thumbs down",
    "thumbs_up": "thumbs up",
    "want": "i want it",
    "win": "win",
    "wink": "wink",
    "yawn": "yawn",
    "yes": "yes",
    "yolo": "yolo",
    "you_got_this": "you got this",
}
REACTIONS = tuple(_SEARCH_TERMS)
OTHER, LITERAL = "other", "literal"  # a reaction of no kind above; the description of a scene
CLASSES = (*REACTIONS, OTHER, LITERAL)


@dataclass(frozen=True, slots=True)
class ReactionScores:
    """``probabilities`` (N, K), in the order of ``REACTIONS``, that a text asks for each kind; a row's sum is at most
    the text's ``is_reaction`` (N,), the probability that it asks for a reaction of whatever kind."""

    probabilities: Floats
    is_reaction: Floats


@dataclass(frozen=True, slots=True)
class ReactionHead:
    """A softmax over ``CLASSES``: ``sentence`` (B, C) weighs sentence vectors, ``ngrams`` (H, C) hashed n-grams (H may
    be 0), ``bias`` is (C,)."""

    sentence: Floats
    ngrams: Floats
    bias: Floats

    def predict(self, sentence_vectors: Floats, texts: Sequence[str]) -> ReactionScores:
        """Reads texts and their unit sentence vectors (N, B)."""
        logits = sentence_vectors @ self.sentence + self.bias  # (N, C)
        if len(self.ngrams):
            for row, text in zip(logits, texts, strict=True):
                found, values = hashed_ngrams(text, len(self.ngrams))
                row += values @ self.ngrams[found]
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)
        shares[[not text.strip() for text in texts]] = 0  # nothing is asked for
        kinds = len(REACTIONS)
        return ReactionScores(shares[:, :kinds], shares[:, : kinds + 1].sum(axis=1).clip(0, 1))


def gif_probabilities(
    head: ReactionHead, encode: Callable[[Sequence[str]], Floats], texts_of_gifs: Sequence[Sequence[str]]
) -> Floats:
    """(M, K): for each GIF the mean of what its texts (title, tags, alt text, words in the picture) ask for. Blank
    texts are skipped; a GIF without text has zeros. ``encode`` makes unit sentence vectors."""
    texts = [text for given in texts_of_gifs for text in given if text.strip()]
    owners = [gif for gif, given in enumerate(texts_of_gifs) for text in given if text.strip()]
    pooled = np.zeros((len(texts_of_gifs), len(REACTIONS)), np.float32)
    if texts:
        np.add.at(pooled, owners, head.predict(encode(texts), texts).probabilities)
        pooled /= np.bincount(owners, minlength=len(pooled)).clip(1)[:, None]
    return pooled


def agreement(query: Floats, gifs: Floats) -> Floats:
    """(M,): the probability, in [0, 1], that GIFs (M, K) show the very reaction that a query (K,) asks for. It is near
    0 for a query or a GIF that is no reaction, as all its probabilities are."""
    shared: Floats = gifs @ query
    return shared.clip(0, 1)


def search_term(reaction: str) -> str:
    """What to search a GIF provider for. Raises ``KeyError`` for what is not one of ``REACTIONS``."""
    return _SEARCH_TERMS[reaction]
