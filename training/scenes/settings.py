"""Where and when things happen, with the words that people have for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """Where or when it happens. ``phrase`` and ``other_phrases`` follow a sentence; ``phrase`` is empty for a plain
    background. ``scenery`` says what is seen."""

    name: str
    phrase: str
    other_phrases: tuple[str, ...]
    scenery: str


SETTINGS: tuple[Setting, ...] = (
    Setting("plain", "", (), "a plain background"),
    Setting(
        "meadow",
        "in a meadow",
        ("on a green field", "on the grass in daylight", "outdoors on a summer's day", "among flowers"),
        "green grass with flowers under a blue sky",
    ),
    Setting(
        "night",
        "at night",
        ("under the stars", "after dark", "on a moonlit evening", "by the light of the moon"),
        "a dark blue sky with stars and a crescent moon",
    ),
    Setting(
        "snow",
        "in the snow",
        ("on a cold winter's day", "among falling flakes", "in icy white weather", "in a blizzard"),
        "white hills and falling flakes",
    ),
    Setting(
        "rain",
        "in the rain",
        ("during a downpour", "in wet weather", "under grey clouds", "in a heavy shower"),
        "grey clouds and falling drops",
    ),
    Setting(
        "beach",
        "on the beach",
        ("by the seaside", "on the sand", "on a holiday shore", "along the coast"),
        "yellow sand, blue sea and a palm",
    ),
    Setting(
        "city",
        "in the city",
        ("between skyscrapers", "downtown", "in a street with tall buildings", "in town"),
        "tall buildings with lit windows",
    ),
    Setting(
        "space",
        "in space",
        ("among the planets", "far away in the galaxy", "out in the universe", "in zero gravity"),
        "black sky with stars and a ringed planet",
    ),
    Setting(
        "party",
        "at a party",
        ("with balloons and a disco ball", "in a nightclub", "during the festivities", "at the disco"),
        "a purple room with balloons and a mirror ball",
    ),
    Setting(
        "underwater",
        "under water",
        ("in the deep ocean", "beneath the waves", "submerged in the sea", "on the sea floor"),
        "blue depths with bubbles and coral",
    ),
    Setting(
        "desert",
        "in the desert",
        ("on hot dunes", "in the dry Sahara", "in a sandy wasteland", "under the scorching sun"),
        "orange dunes with a small cactus",
    ),
    Setting(
        "forest",
        "in the forest",
        ("in the woods", "among the trees", "between tall pines", "under green branches"),
        "dark green trees",
    ),
    Setting(
        "sunset",
        "at sunset",
        ("at dusk", "in the evening glow", "under an orange sky", "as daylight fades"),
        "an orange and purple sky with a low sun",
    ),
    Setting(
        "living room",
        "in the living room",
        ("at home", "inside the house", "on the carpet", "indoors"),
        "a papered wall with a picture, a sofa and a plant",
    ),
    Setting(
        "stage",
        "on a stage",
        ("in the theatre", "in the spotlight", "before red curtains", "in front of an audience"),
        "red curtains and a spotlight",
    ),
    Setting(
        "mountains",
        "in the mountains",
        ("up on the peaks", "in the Alps", "high in the hills", "near a rocky summit"),
        "grey peaks with white tops",
    ),
)
