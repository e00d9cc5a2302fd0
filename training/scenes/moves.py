"""Which function draws which action."""

from __future__ import annotations

from collections.abc import Callable

from deepgif.training.scenes import doings, motions
from deepgif.training.scenes.cast import Cast
from deepgif.training.scenes.stage import Stage

Move = Callable[[Stage, Cast, float], None]
# The moment of the loop that clips begin with, where the first is not the most telling one.
FIRST_MOMENTS: dict[str, float] = {
    "jumps over": 0.4,
    "falls off": 0.45,
    "explodes": 0.55,
    "grows": 0.6,
    "gets an idea": 0.5,
    "rolls along": 0.4,
    "hides behind": 0.3,
    "speeds past": 0.4,
    "kisses": 0.45,
    "gives a present": 0.4,
    "kicks a football": 0.1,
    "takes a photo": 0.55,
    "freezes": 0.55,
    "appears": 0.55,
}
MOVES: dict[str, Move] = {
    "jumps over": motions.jump,
    "falls off": motions.fall,
    "spins": motions.spin,
    "chases": motions.chase,
    "runs from": motions.run_from,
    "dances": doings.dance,
    "eats": motions.eat,
    "flies on wings": motions.fly,
    "takes off": motions.take_off,
    "explodes": motions.explode,
    "grows": motions.grow,
    "trembles": motions.tremble,
    "sleeps": doings.sleep,
    "falls in love": doings.love,
    "cries": doings.cry,
    "laughs": doings.laugh,
    "gets angry": doings.rage,
    "celebrates": doings.celebrate,
    "gets an idea": doings.idea,
    "is on fire": motions.burn,
    "bounces": motions.bounce,
    "rolls along": motions.roll,
    "hides behind": motions.hide,
    "gets rich": doings.rich,
    "speeds past": motions.speed,
    "kisses": motions.kiss,
    "gives a present": motions.give,
    "says hello": doings.greet,
    "reads a book": doings.read,
    "drinks coffee": doings.drink,
    "plays the guitar": doings.strum,
    "kicks a football": doings.kick,
    "takes a photo": doings.photograph,
    "works on a laptop": doings.work,
    "sings a song": doings.sing,
    "wins a trophy": doings.win,
    "rides": motions.ride,
    "freezes": motions.freeze,
    "dreams of": doings.dream,
    "appears": motions.appear,
    "glows": doings.glow,
}
