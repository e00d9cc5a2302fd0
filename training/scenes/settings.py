"""Where and when things happen, with the words that people have for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """Where or when it happens. ``phrase`` and ``other_phrases`` follow a sentence; ``phrase`` is empty for a plain
    background."""

    name: str
    phrase: str
    other_phrases: tuple[str, ...]


SETTINGS: tuple[Setting, ...] = (
    Setting("plain", "", ()),
    Setting(
        "meadow",
        "in a meadow",
        ("on a green field", "on the grass in daylight", "outdoors on a summer's day", "among flowers"),
    ),
    Setting(
        "night",
        "at night",
        ("under the stars", "after dark", "on a moonlit evening", "by the light of the moon"),
    ),
    Setting(
        "snow",
        "in the snow",
        ("on a cold winter's day", "among falling flakes", "in icy white weather", "in a blizzard"),
    ),
    Setting(
        "rain",
        "in the rain",
        ("during a downpour", "in wet weather", "under grey clouds", "in a heavy shower"),
    ),
    Setting(
        "beach",
        "on the beach",
        ("by the seaside", "on the sand", "on a holiday shore", "along the coast"),
    ),
    Setting(
        "city",
        "in the city",
        ("between skyscrapers", "downtown", "in a street with tall buildings", "in town"),
    ),
    Setting(
        "space",
        "in space",
        ("among the planets", "far away in the galaxy", "out in the universe", "in zero gravity"),
    ),
    Setting(
        "party",
        "at a party",
        ("with balloons and a disco ball", "in a nightclub", "during the festivities", "at the disco"),
    ),
    Setting(
        "underwater",
        "under water",
        ("in the deep ocean", "beneath the waves", "submerged in the sea", "on the sea floor"),
    ),
    Setting(
        "desert",
        "in the desert",
        ("on hot dunes", "in the dry Sahara", "in a sandy wasteland", "under the scorching sun"),
    ),
    Setting(
        "forest",
        "in the forest",
        ("in the woods", "among the trees", "between tall pines", "under green branches"),
    ),
    Setting(
        "sunset",
        "at sunset",
        ("at dusk", "in the evening glow", "under an orange sky", "as daylight fades"),
    ),
    Setting(
        "living room",
        "in the living room",
        ("at home", "inside the house", "on the carpet", "indoors"),
    ),
    Setting(
        "stage",
        "on a stage",
        ("in the theatre", "in the spotlight", "before red curtains", "in front of an audience"),
    ),
    Setting(
        "mountains",
        "in the mountains",
        ("up on the peaks", "in the Alps", "high in the hills", "near a rocky summit"),
    ),
)
