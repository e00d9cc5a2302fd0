"""The little English that titles and descriptions need: articles, verb forms, and which words count as the same."""

from __future__ import annotations

import re

_STOP_WORDS = (
    "a about across against along among an and around as at away back behind below beneath beside between by down"
    " during for from high in inside into is it its near of off on onto out over past round some the through to"
    " towards under up upon while with"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
_WORD = re.compile(r"[a-z0-9]+(?:['’-][a-z0-9]+)*")
_LIKE_YOU = ("unic", "univ", "use", "ufo", "eu", "one")  # written with a vowel, spoken with a consonant
_IRREGULAR_BASES = {"has": "have", "is": "be", "goes": "go", "does": "do", "catches": "catch", "dies": "die"}
_NO_ARTICLE = (
    "sushi,bread,cheese,toilet paper,ice cream,Santa Claus,Father Christmas,Saint Nick,Dracula,Earth,"
    "applause,bravo,approval,disapproval,gratitude,agreement,goodbye,thank you,congratulations,hooray,mwah,hmm,meh,"
    "wow,LOL,what,good luck,toast,cheddar,gelato,nigiri,guacamole,bog roll,white bathroom tissue,"
    "reading matter,public transport,breakfast in a pan,Japanese raw salmon on rice,cumulus,"
    "someone who does not know,white fluff in the sky,dairy cattle,sunny side up,Merlot,"
    "half woman half fish,strong biceps,muscle power,cocoa candy,Italian fast food"
)
_UNCOUNTED = frozenset(_NO_ARTICLE.split(","))
_SHORT_VERB = re.compile(r"(?:qu|[^aeiou])*[aeiou][bdgklmnprt]")


def with_article(noun: str) -> str:
    """``cat`` to ``a cat``, ``owl`` to ``an owl``; names and what is not counted stay as they are."""
    if noun in _UNCOUNTED:
        return noun
    word = noun.lower()
    vowel = word[0] in "aeiou" and not word.startswith(_LIKE_YOU)
    return f"{'an' if vowel or word.startswith('hour') else 'a'} {noun}"


def base_form(verb: str) -> str:
    """The infinitive of a verb in the third person: ``flies`` to ``fly``."""
    if verb in _IRREGULAR_BASES:
        return _IRREGULAR_BASES[verb]
    if verb.endswith("ies"):
        return verb[:-3] + "y"
    if verb.endswith(("shes", "sses", "xes", "zzes", "ches")) and not verb.endswith("aches"):
        return verb[:-2]
    return verb[:-1]


def participle(phrase: str) -> str:
    """A verb phrase in the third person as what follows its subject without a finite verb: ``runs home`` to
    ``running home``, ``is on fire`` to ``on fire``."""
    verb, _, rest = phrase.partition(" ")
    if verb == "is":
        return rest
    base = base_form(verb)
    if base == "travel":
        base = "travell"
    elif base.endswith("ie"):
        base = base[:-2] + "y"
    elif base.endswith("e") and not base.endswith(("ee", "oe", "ye")):
        base = base[:-1]
    elif _SHORT_VERB.fullmatch(base):
        base += base[-1]
    return f"{base}ing {rest}".rstrip()


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation."""
    return _WORD.findall(text.lower())


def stem(word: str) -> str:
    """A word without its endings for number, person and time, so that ``jumps`` and ``jumping`` are the same."""
    word = word.removesuffix("'s").removesuffix("’s")
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            if word[-1] == word[-2] and word[-1] not in "ls":
                word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def content_stems(text: str) -> frozenset[str]:
    """The stems of all words of a text that carry meaning; words joined by a hyphen count one by one."""
    parts = (part for word in words_of(text) for part in word.split("-"))
    return frozenset(stem(part) for part in parts if part not in STOP_WORDS)
