"""Reads what a user typed after ``/deepgif`` or a mention."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deepgif.bot.chat.replies import NO_TEXT
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import MAX_QUERY_LENGTH, normalize_query


class Verb(StrEnum):
    """A command other than a search."""

    HELP = "help"
    SETTINGS = "settings"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Command:
    """A verb, or a normalized query to search for."""

    verb: Verb | None = None
    query: str = ""


def parse(text: str) -> Command:
    """The command in ``text``: a verb on its own, or a query. Empty text asks for help.

    Raises ``InvalidRequestError`` if the query is too long or has no visible character.
    """
    if not text.strip():
        return Command(Verb.HELP)
    query = normalize_query(text)
    verb = query.casefold()
    return Command(Verb(verb)) if verb in list(Verb) else Command(query=query)


def query_from_message(text: str) -> str:
    """A query that is a whole message, cut between two words if it is too long.

    Raises ``InvalidRequestError`` if the message has no text.
    """
    start = " ".join(text[: 4 * MAX_QUERY_LENGTH].split())
    if len(start) > MAX_QUERY_LENGTH:
        cut = start[: MAX_QUERY_LENGTH + 1].rfind(" ")
        start = start[: cut if cut > 0 else MAX_QUERY_LENGTH]
    try:
        return normalize_query(start)
    except InvalidRequestError:
        raise InvalidRequestError(NO_TEXT) from None
