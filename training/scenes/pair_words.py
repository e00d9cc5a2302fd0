"""What is said of clips that differ in nothing but the order of their frames (``deepgif.training.scenes.pairs``).

Wordings are written a line each, ``forwards / backwards``; without a slash the two nouns change places. ``moves, goes :
right / left; up / down`` stands for every beginning with every pair of endings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """What is said of a clip as it runs forwards, and backwards: a verb phrase about the first noun, or a sentence in
    which ``{a}`` and ``{b}`` stand for the nouns."""

    forwards: str
    backwards: str


@dataclass(frozen=True, slots=True)
class PairKind:
    """One way to differ in order. ``nouns`` says how many take part; ``held_out`` are wordings to judge by, made with
    words that ``wordings``, those to learn from, do not put so."""

    name: str
    nouns: int
    wordings: tuple[Wording, ...]
    held_out: tuple[Wording, ...]


def _kind(name: str, nouns: int, wordings: str, held_out: str) -> PairKind:
    return PairKind(name, nouns, tuple(_wordings(wordings)), tuple(_wordings(held_out)))


def _wordings(lines: str) -> Iterator[Wording]:
    for line in lines.strip().splitlines():
        beginnings, colon, endings = line.strip().partition(" : ")
        if not colon:
            yield _wording(beginnings)
            continue
        for beginning in beginnings.split(", "):
            for ending in endings.split("; "):
                forwards, backwards = ending.split(" / ")
                yield Wording(f"{beginning} {forwards}", f"{beginning} {backwards}")


def _wording(line: str) -> Wording:
    forwards, slash, backwards = line.partition(" / ")
    swapped = forwards.replace("{a}", "{x}").replace("{b}", "{a}").replace("{x}", "{b}")
    return Wording(forwards, backwards if slash else swapped)


PAIR_KINDS: tuple[PairKind, ...] = (
    _kind(
        "left or right",
        1,
        """moves, goes, slides, flies, runs, walks, drives, jumps, swims : to the right / to the left; right / left
        moves, goes, slides, flies, runs, walks, drives : rightwards / leftwards; towards the right / towards the left
        moves, goes, slides, flies, crosses the picture : from left to right / from right to left
        moves, goes, walks : to the right side / to the left side
        moves, goes, walks : from the left to the right / from the right to the left
        heads right / heads left
        turns right / turns left""",
        """rolls, travels, glides : right / left; to the right / to the left
        rolls, travels, glides : from left to right / from right to left""",
    ),
    _kind(
        "up or down",
        1,
        """moves, goes, floats, slides, flies, climbs, jumps : up / down; upwards / downwards
        moves, goes, floats, flies : to the top / to the bottom; up into the air / down to the ground
        moves, goes, slides : from the bottom to the top / from the top to the bottom
        rises / falls
        rises / sinks
        climbs / drops
        ascends / descends
        is lifted up / is let down
        takes off / lands
        soars / falls down""",
        """drifts, travels, glides : up / down; upwards / downwards; to the top / to the bottom""",
    ),
    _kind(
        "nearer or farther",
        1,
        """comes, moves, walks, flies : nearer / farther away; towards us / away from us; closer / into the distance
        gets, becomes, grows : bigger / smaller; larger / tinier; bigger and bigger / smaller and smaller
        comes nearer / goes away
        grows / shrinks
        approaches / recedes into the distance
        swells / dwindles
        expands / contracts
        zooms in / zooms out
        inflates / deflates
        comes closer and closer / moves farther and farther away""",
        """gets larger and larger / gets tinier and tinier
        travels, drifts : closer / farther away; towards us / away from us
        becomes huge / becomes tiny""",
    ),
    _kind(
        "clockwise or anticlockwise",
        1,
        """turns, rotates, spins, goes round : clockwise / anticlockwise; clockwise / counterclockwise
        turns, rotates, spins, twirls : clockwise / counter-clockwise
        turns, rotates, spins, twirls : in clockwise direction / in anticlockwise direction
        tips over, topples, tilts, leans : to the right / to the left""",
        """whirls, revolves, circles : clockwise / anticlockwise; clockwise / counterclockwise""",
    ),
    _kind(
        "appears or disappears",
        1,
        """appears / disappears
        fades in / fades out
        comes into view / vanishes
        shows up out of nowhere / vanishes into thin air
        materialises / dissolves
        becomes visible / becomes invisible
        is made visible / is made invisible
        fades into view / fades from view
        appears before our eyes / disappears before our eyes
        appears like magic / disappears like magic
        appears again / disappears again
        turns up / gets lost
        pops into existence / pops out of existence
        comes out of the blue / goes up in smoke
        appears suddenly / disappears suddenly
        pops up / goes missing
        shows itself / hides itself
        is conjured up / is made to vanish
        appears slowly / vanishes slowly""",
        """emerges / fades away
        appears out of thin air / disappears into thin air
        is there all of a sudden / is gone all of a sudden""",
    ),
    _kind(
        "comes in or goes out",
        1,
        """walks, runs, moves, flies, drives : into the picture / out of the picture; into view / out of view
        walks, runs, moves, jumps : in / out; into the room / out of the room; into the frame / out of the frame
        comes in / goes out
        comes in / leaves
        enters / leaves
        arrives / departs
        enters the room / leaves the room
        comes home / goes away
        walks in / walks off
        runs in / runs off""",
        """steps, rolls : into the scene / out of the scene; into the picture / out of the picture
        enters the screen / exits the screen""",
    ),
    _kind(
        "opens or closes",
        1,
        """the curtain, a curtain, the gate, a big door : opens / closes; is opened / is closed
        the curtain, a curtain, the gate, a big door : slides open / slides shut
        the curtain, the gate, the door : opens before {a} / closes before {a}; opens wide / shuts
        the curtains, curtains, the doors, gates : open / close; open up / shut; are drawn open / are drawn shut
        the curtain opens and {a} is seen / the curtain closes before {a}
        the doors open and reveal {a} / the doors shut and hide {a}
        is uncovered / is covered
        is revealed / is hidden""",
        """two doors slide open and show {a} / two doors slide shut in front of {a}
        shutters open / shutters close""",
    ),
    _kind(
        "light or dark",
        1,
        """the light, the lamp, a light : goes on / goes out; is switched on / is switched off
        the light, the lamp, a light : is turned on / is turned off
        the lights, lights : go on / go out; are turned on / are turned off; come on / go off
        it gets, it becomes, the room gets : bright / dark; light / dark; brighter / darker
        it gets, it becomes, the room gets : bright around {a} / dark around {a}
        is lit up / is plunged into darkness
        day breaks / night falls
        the sun comes up / the sun goes down
        morning comes / evening comes""",
        """the lamps come on / the lamps go out
        it grows brighter around {a} / it grows darker around {a}
        it brightens / it darkens""",
    ),
    _kind(
        "together or apart",
        2,
        """{a} and {b} move, {a} and {b} come, {a} and {b} go, {a} and {b} run : together / apart
        {a} and {b} move, {a} and {b} walk, {a} and {b} run : towards each other / away from each other
        {a} and {b} move, {a} and {b} get, {a} and {b} come : closer / farther apart; nearer / farther away
        {a} and {b} meet / {a} and {b} part
        {a} and {b} meet / {a} and {b} separate
        {a} and {b} approach each other / {a} and {b} leave each other
        {a} joins {b} / {a} separates from {b}
        {a} meets {b} / {a} leaves {b}
        {a} comes to {b} / {a} goes away from {b}
        {a} and {b} unite / {a} and {b} split up""",
        """{a} and {b} get closer to each other / {a} and {b} get farther from each other
        {a} and {b} drift, {a} and {b} roll : together / apart; towards each other / away from each other""",
    ),
    _kind(
        "one, then another",
        2,
        """{a} turns into {b}
        {a} becomes {b}
        first {a}, then {b}
        {a} and then {b}
        {a} changes into {b}
        {a} followed by {b}
        from {a} to {b}
        {a} is replaced by {b}
        {b} after {a}""",
        """{a} transforms into {b}
        {a}, then {b}
        {a} morphs into {b}""",
    ),
    _kind(
        "who chases whom",
        2,
        """{a} chases {b}
        {a} runs after {b}
        {a} pursues {b}
        {b} flees from {a}
        {a} is behind {b}
        {b} is followed by {a}""",
        """{a} hunts {b}
        {b} runs away from {a}""",
    ),
)
PAIR_KINDS_BY_NAME = {kind.name: kind for kind in PAIR_KINDS}
