"""Which scenes there are, and how people describe them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from deepgif.training.scenes.grammar import STOP_WORDS, content_stems, participle, with_article, words_of
from deepgif.training.scenes.vocabulary import ACTIONS, SETTINGS, SUBJECTS, Action, Setting, Subject, actions_of


@dataclass(frozen=True, slots=True)
class Scene:
    """A subject that does something somewhere; ``object`` is the second noun where the action takes one."""

    subject: Subject
    action: Action
    object: Subject | None
    setting: Setting

    def __hash__(self) -> int:
        return hash(self.names)

    @property
    def names(self) -> tuple[str, str, str, str]:
        """What tells this scene from all others: subject, action, object (or nothing) and setting."""
        return (self.subject.name, self.action.name, self.object.name if self.object else "", self.setting.name)


def objects_for(subject: Subject, action: Action) -> tuple[Subject | None, ...]:
    """The second nouns that fit, ``(None,)`` where the action takes none. Nothing meets its like: the two share no
    word that either is known by."""
    if not action.objects:
        return (None,)
    return tuple(other for other in action.objects if not _known_by(subject) & _known_by(other))


def all_scenes() -> Iterator[Scene]:
    """Every scene once, in a lasting order."""
    for subject in SUBJECTS:
        for action in actions_of(subject):
            for second in objects_for(subject, action):
                for setting in SETTINGS:
                    yield Scene(subject, action, second, setting)


def random_scene(rng: random.Random) -> Scene:
    """A scene with each subject, then each of its actions, objects and settings equally likely."""
    subject = rng.choice(SUBJECTS)
    action = rng.choice(actions_of(subject))
    return Scene(subject, action, rng.choice(objects_for(subject, action)), rng.choice(SETTINGS))


def sample_scenes(rng: random.Random, n: int) -> list[Scene]:
    """``n`` different scenes. Raises ``ValueError`` where so many are not found in a hundred tries for each."""
    found: dict[Scene, None] = {}
    for _ in range(100 * n):
        if len(found) == n:
            break
        found[random_scene(rng)] = None
    if len(found) < n:
        raise ValueError(f"only {len(found)} of {n} different scenes were found")
    return list(found)


def title(scene: Scene) -> str:
    """Such as ``A cat jumps over a fire at night``."""
    noun = with_article(scene.object.name) if scene.object else ""
    verb = scene.action.title.replace("{o}", noun)
    return _sentence(with_article(scene.subject.name), verb, scene.setting.phrase)


def describe(scene: Scene, rng: random.Random) -> str:
    """A description to learn from: the title's words and others mixed, in full or as a search query."""
    subject = rng.choice((scene.subject.name, rng.choice(scene.subject.other_words)))
    verb = rng.choice((scene.action.title, rng.choice(scene.action.other_phrases)))
    second = ""
    if scene.object:
        second = rng.choice((scene.object.name, rng.choice(scene.object.other_words)))
    place = ""
    if scene.setting.phrase and rng.random() < 0.65:
        place = rng.choice((scene.setting.phrase, rng.choice(scene.setting.other_phrases)))
    style = rng.choices(("verb", "ing", "bare", "fronted", "keywords"), (30, 25, 20, 10, 15))[0]
    text = _worded(subject, verb, second, place, style)
    return rng.choice(("", "", "", "", "", "", "a gif of ", "animation of ")) + text if style == "ing" else text


def _known_by(subject: Subject) -> frozenset[str]:
    return content_stems(" ".join((subject.name, *subject.other_words)))


def _sentence(subject: str, verb: str, place: str) -> str:
    text = f"{subject} {verb} {place}".rstrip()
    return text[0].upper() + text[1:]


def _worded(subject: str, verb: str, second: str, place: str, style: str) -> str:
    """The parts put together as a sentence (``verb``, ``fronted``), with a participle (``ing``), the same without
    articles (``bare``), or as the words that matter (``keywords``)."""
    full = verb.replace("{o}", with_article(second) if second else "")
    if style == "verb":
        return _sentence(with_article(subject), full, place)
    if style == "fronted" and place:
        return f"{place} {with_article(subject)} {full}"
    if style in {"ing", "fronted"}:
        return f"{with_article(subject)} {participle(full)} {place}".rstrip()
    bare = f"{subject} {participle(verb.replace('{o}', second))} {place}".rstrip()
    return bare if style == "bare" else " ".join(word for word in words_of(bare) if word not in STOP_WORDS)


__all__ = [
    "ACTIONS",
    "SETTINGS",
    "SUBJECTS",
    "Scene",
    "all_scenes",
    "describe",
    "objects_for",
    "random_scene",
    "sample_scenes",
    "title",
]
