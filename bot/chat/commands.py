"""What somebody typed after ``/deepgif`` or a mention, as a command."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.text import normalize_query
from deepgif.engine.types import MAX_WORDS_LENGTH


class Verb(StrEnum):
    """What is to be done. Only ``SEARCH`` has words."""

    SEARCH = "search"
    HELP = "help"
    SETTINGS = "settings"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``words`` are clean (``deepgif.engine.text``)."""

    verb: Verb
    words: str = ""


def parse(text: str) -> Command:
    """The command in ``text``: a verb that stands alone, or words to search with; nothing at all asks for help.

    Raises ``InvalidRequestError`` where the words are too many.
    """
    if not text.strip():
        return Command(Verb.HELP)
    words = normalize_query(text)
    verb = words.casefold()
    if verb in (Verb.HELP, Verb.SETTINGS, Verb.DELETE):
        return Command(Verb(verb))
    return Command(Verb.SEARCH, words)


def words_of_message(text: str) -> str:
    """A whole message as words to search with, cut between words where it is long.

    Raises ``InvalidRequestError`` where there are none.
    """
    start = " ".join(text[: 4 * MAX_WORDS_LENGTH].split())
    if not start:
        raise InvalidRequestError("That message has no words to find a GIF for.")
    if len(start) > MAX_WORDS_LENGTH:
        cut = start[: MAX_WORDS_LENGTH + 1].rfind(" ")
        start = start[: cut if cut > 0 else MAX_WORDS_LENGTH]
    return normalize_query(start)
