"""Tables of GIFs. None of this needs a font, but for the drawings."""

from pathlib import Path

import pytest

from deepgif.training.scenes.chat.effects import Effect
from deepgif.training.scenes.chat.grounds import COLOURS
from deepgif.training.scenes.chat.table import Actor, Bubble, TableError, items, read_table
from deepgif.training.scenes.stage import Glyphs

GIF = """
[hug.cat]
title = "A cat hugs"
alt = "It hugs."
says = "kitty embraces"
tags = "hug,  cuddle"
back = "plain sky"
draw = [{draw}]
"""


def written(folder: Path, text: str, name: str = "themes.toml") -> Path:
    """A table."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_the_kind_is_a_reaction_in_the_tables_of_reactions(tmp_path: Path) -> None:
    """Elsewhere it is only a theme."""
    text = GIF.format(draw='"🐱"')
    (theme,) = read_table(written(tmp_path, text))
    (reaction,) = read_table(written(tmp_path, text, "reactions-9.toml"))
    assert (theme.reaction, reaction.reaction) == (None, "hug")
    assert theme.file == reaction.file == "gifs/hug-cat.gif"
    assert theme.tags == ("hug", "cuddle")


def test_everything_about_an_actor(tmp_path: Path) -> None:
    """Faces, motions with their number and start, place, width, side and angle; words have a colour."""
    draw = '"🐱>🐶 hop*2~25+sway 20,-30 45 flip turn=-90", "\'HA_HA pop 10,20 15 red", "🐱"'
    (item,) = read_table(written(tmp_path, GIF.format(draw=draw)))
    motions = (("hop", 2.0, 0.25), ("sway", 1.0, 0.0))
    assert item.layers == (
        Actor(("🐱", "🐶"), motions, (0.2, -0.3), 0.45, -90.0, flipped=True),
        Actor(("HA HA",), (("pop", 1.0, 0.0),), (0.1, 0.2), 0.15, lettering=COLOURS["red"][0]),
        Actor(("🐱",), (), (0.5, 0.5), 0.58),
    )
    assert item.words_in_picture == "HA HA"


def test_effects_and_bubbles(tmp_path: Path) -> None:
    """Effects have glyphs, a place and a width; bubbles a place and a side."""
    text = GIF.format(draw='"rain 🌹,🌸 50,20 11", "confetti"') + 'caption = "Hug"\nbubble = "Hi/you @60,15 left"\n'
    (item,) = read_table(written(tmp_path, text))
    assert item.layers == (Effect("rain", ("🌹", "🌸"), (0.5, 0.2), 0.11), Effect("confetti", (), (0.5, 0.5), 0.13))
    assert item.bubble == Bubble("Hi/you", (0.6, 0.15), to_left=True)
    assert item.words_in_picture == "Hug Hi you"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("plain sky", "plain mauve"), "no such ground"),
        (('"🐱"', '"🐱 hopp"'), "no such motion"),
        (('"🐱"', '"rian 🌹"'), "neither an emoji nor an effect"),
        (('title = "A cat hugs"', 'titel = "A cat hugs"'), "title"),
        (('"It hugs."', '"It hugs."\nloud = true'), "unknown: loud"),
        (('"It hugs."', '"It hugs."\nbubble = "Hi 60,15 left"'), "not WORDS"),
    ],
)
def test_mistakes_name_the_gif(change: tuple[str, str], says: str, tmp_path: Path) -> None:
    """What cannot be drawn, or is misspelt, is refused."""
    text = GIF.format(draw='"🐱"')
    assert change[0] in text
    with pytest.raises(TableError, match=says) as caught:
        read_table(written(tmp_path, text.replace(*change)))
    assert "hug.cat" in str(caught.value)


def test_the_font_has_every_emoji(glyphs: Glyphs) -> None:
    """Each has a drawing, and not that of a code point that there is not."""
    missing = glyphs.sprite("\U0001faff", 64, 64, False).tobytes()
    used = {
        glyph
        for item in items()
        for layer in item.layers
        for glyph in (layer.glyphs if isinstance(layer, Effect) else () if layer.lettering else layer.faces)
    }
    assert len(used) > 300
    assert [glyph for glyph in used if glyphs.sprite(glyph, 64, 64, False).tobytes() == missing] == []
