"""What subjects can do, with the words that people have for it."""

from __future__ import annotations

from dataclasses import dataclass

from deepgif.training.scenes.settings import SETTINGS, Setting
from deepgif.training.scenes.subjects import SUBJECTS, SUBJECTS_BY_NAME, Kind, Subject


@dataclass(frozen=True, slots=True)
class Action:
    """Something that a subject does. ``title`` and ``other_phrases`` are verb phrases in the third person; ``{o}``
    stands for the second noun, with its article. ``objects`` are the subjects that
    the second noun may be, empty where there is none."""

    name: str
    title: str
    other_phrases: tuple[str, ...]
    kinds: frozenset[Kind]
    objects: tuple[Subject, ...] = ()


_LIVING = frozenset({Kind.ANIMAL, Kind.PERSON})
_EXPRESSIVE = _LIVING | {Kind.FACE}
_MACHINES = frozenset({Kind.VEHICLE, Kind.AIRCRAFT})
_DEAD = frozenset({Kind.FOOD, Kind.THING})
_SYMBOLS = frozenset({Kind.SIGN, Kind.GESTURE})
_ALL = frozenset(Kind)

_ANIMALS = "cat, dog, pig, cow, horse, rabbit, mouse, lion, tiger, monkey, elephant, penguin, duck, chicken, frog, "
_ANIMALS += "crocodile, snake, dinosaur, dragon, unicorn, crab, bee, butterfly, snail, spider"
_FOODS = "pizza, burger, box of fries, hot dog, taco, doughnut, cookie, birthday cake, ice cream, apple, banana, "
_FOODS += "strawberry, watermelon, carrot, cheese, sushi, bag of popcorn, lollipop"


def _names(table: str) -> tuple[Subject, ...]:
    return tuple(SUBJECTS_BY_NAME[name] for name in table.split(", ")) if table else ()


def _action(title: str, others: str, kinds: frozenset[Kind], objects: str = "") -> Action:
    """An action from its phrases (separated by commas); its name is the title without the second noun."""
    name = title.replace(" {o}", "")
    return Action(name, title, tuple(others.split(", ")), kinds, _names(objects))


ACTIONS: tuple[Action, ...] = (
    _action(
        "jumps over {o}",
        "leaps across {o}, hops past {o}, clears {o} in one bound",
        _LIVING | {Kind.VEHICLE, Kind.FACE},
        "fire, rock, box, log, cactus, birthday cake, mushroom, chair, car, snake, crocodile, toilet, pumpkin, sofa",
    ),
    _action(
        "falls off {o}",
        "tumbles from {o}, drops down from {o}, slips from the top of {o}",
        _LIVING | {Kind.FOOD, Kind.FACE},
        "chair, bed, box, rock, house, tree, horse, sofa, elephant, log",
    ),
    _action("spins", "turns round and round, twirls, whirls like a top", _ALL),
    _action(
        "chases {o}",
        "runs after {o}, pursues {o}, hunts {o}",
        _LIVING | {Kind.VEHICLE},
        _ANIMALS + ", pizza, doughnut, burger, cookie, balloon, football, car, clown, ghost",
    ),
    _action(
        "runs from {o}",
        "flees from {o}, escapes from {o}, gets away from {o}",
        _LIVING,
        "dog, bear, lion, tiger, wolf, crocodile, snake, dinosaur, dragon, shark, bee, spider, zombie, ghost, robot, "
        "police car, tornado, fire, clown, alien",
    ),
    _action(
        "dances",
        "grooves to the music, shakes its hips to a song, boogies",
        _EXPRESSIVE | {Kind.FOOD},
    ),
    _action(
        "eats {o}",
        "munches {o}, gobbles up {o}, has {o} for lunch, swallows {o}",
        _EXPRESSIVE,
        _FOODS,
    ),
    _action(
        "flies on wings",
        "soars through the air, flutters by like a bird, floats above the ground",
        _ALL,
    ),
    _action(
        "takes off",
        "lifts into the sky, launches, blasts upwards",
        _MACHINES | {Kind.ANIMAL, Kind.THING},
    ),
    _action("explodes", "blows up, bursts with a bang, detonates", _ALL),
    _action(
        "grows",
        "gets bigger and bigger, swells to a giant size, expands, zooms in",
        _ALL,
    ),
    _action(
        "trembles",
        "shakes, shivers, quivers, vibrates",
        _ALL,
    ),
    _action(
        "sleeps",
        "takes a nap, snoozes, dozes, snores",
        _LIVING,
    ),
    _action(
        "falls in love",
        "feels romantic, has a crush, is head over heels with hearts, adores somebody",
        _LIVING | {Kind.THING, Kind.FOOD},
    ),
    _action(
        "cries",
        "weeps, sheds tears, sobs",
        _LIVING | {Kind.FOOD},
    ),
    _action(
        "laughs",
        "giggles, cracks up, chuckles, finds it hilarious",
        _LIVING,
    ),
    _action(
        "gets angry",
        "loses its temper, fumes, is mad with rage, becomes furious",
        _LIVING,
    ),
    _action(
        "celebrates",
        "cheers, parties with confetti, rejoices",
        _ALL,
    ),
    _action(
        "gets an idea",
        "has a brainwave, thinks of something clever, finds the solution",
        _LIVING,
    ),
    _action(
        "is on fire",
        "burns, goes up in flames, blazes",
        _ALL,
    ),
    _action(
        "bounces",
        "boings up and down, hops like a rubber ball, springs about",
        _ALL,
    ),
    _action(
        "rolls along",
        "tumbles over the ground, wheels across, goes head over heels",
        _DEAD | {Kind.FACE, Kind.ANIMAL, Kind.SIGN},
    ),
    _action(
        "hides behind {o}",
        "peeks out from {o}, plays peekaboo with {o}, lurks at {o}",
        _EXPRESSIVE,
        "tree, rock, box, house, cactus, television, toilet, Christmas tree, pumpkin",
    ),
    _action(
        "gets rich",
        "makes it rain money, swims in cash, wins the jackpot, is showered with dollars",
        _EXPRESSIVE,
    ),
    _action(
        "speeds past",
        "races by, rushes through, zooms along, dashes off",
        _LIVING | _MACHINES,
    ),
    _action(
        "kisses {o}",
        "smooches {o}, gives {o} a peck, pecks {o}",
        _LIVING,
        "frog, cat, dog, pig, rabbit, panda, unicorn, penguin, prince, princess, grandmother, baby, robot, snowman",
    ),
    _action(
        "gives {o} a present",
        "hands {o} a gift, brings {o} a wrapped surprise, makes {o} happy with a parcel",
        _LIVING,
        "cat, dog, rabbit, panda, monkey, penguin, girl, boy, baby, princess, Santa Claus, robot, snowman, alien",
    ),
    _action(
        "says hello",
        "waves, greets you, gives a friendly wave",
        _LIVING | {Kind.THING},
    ),
    _action("reads a book", "studies a novel, enjoys some literature", _LIVING),
    _action(
        "drinks coffee",
        "sips a hot espresso, has a cup of java, needs caffeine",
        _EXPRESSIVE,
    ),
    _action(
        "plays the guitar",
        "strums six strings, makes rock music, performs a solo",
        _LIVING,
    ),
    _action(
        "kicks a football",
        "plays soccer, practises with the ball, shoots for the goal",
        _LIVING,
    ),
    _action(
        "takes a photo",
        "snaps a picture, photographs you, shoots a selfie",
        _LIVING,
    ),
    _action(
        "works on a laptop",
        "types at the computer, sits in the office, writes code",
        _LIVING,
    ),
    _action(
        "sings a song",
        "performs karaoke, croons at the microphone, belts out a tune",
        _LIVING,
    ),
    _action(
        "wins a trophy",
        "lifts the golden cup, becomes champion, comes first",
        _EXPRESSIVE,
    ),
    _action(
        "rides {o}",
        "travels on {o}, sits on top of {o}, gets about on {o}",
        _LIVING | {Kind.FOOD},
        "skateboard, bicycle, motorbike, tractor, horse, elephant, pig, turtle, crocodile, dinosaur, shopping trolley, "
        "rocket, car",
    ),
    _action(
        "freezes",
        "turns to ice, is stuck in a frozen block, becomes icy",
        _ALL,
    ),
    _action(
        "dreams of {o}",
        "thinks about {o}, imagines {o}, longs for {o}",
        _EXPRESSIVE,
        _FOODS + ", money bag, red heart, trophy, house, present, crown, diamond, rocket, palm, cat, dog, unicorn",
    ),
    _action(
        "appears",
        "pops up, shows up, comes into view, emerges",
        _SYMBOLS | {Kind.FACE},
    ),
    _action(
        "glows",
        "shines brightly, radiates light, is lit up in gold",
        _SYMBOLS | _DEAD,
    ),
)


def actions_of(subject: Subject) -> tuple[Action, ...]:
    """What this subject can do."""
    return tuple(action for action in ACTIONS if subject.kind in action.kinds)


__all__ = ["ACTIONS", "SETTINGS", "SUBJECTS", "SUBJECTS_BY_NAME", "Action", "Kind", "Setting", "Subject", "actions_of"]
