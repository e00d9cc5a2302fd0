"""Where glyphs are put: one picture with a unit square for coordinates.

x runs to the right and y down, both in [0, 1]; widths are shares of the picture's side; angles are in degrees,
counter-clockwise. A mirrored stage swaps left and right of everything, so that what is drawn always moves to the
left as Noto's animals do.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

DEFAULT_FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
_STRIKE_SIZE = 109  # the only size of the font's bitmaps
_NEVER_MIRRORED = frozenset("💤🎵🎶💯✅❓❗👉💵💸🎸📦🚓🚑📺⏰💰🧻")
MAX_CACHED_SPRITES = 768

Colour = tuple[int, int, int]
Point = tuple[float, float]


class FontMissingError(RuntimeError):
    """The emoji font cannot be read; the text says how to get it."""


class Glyphs:
    """The font's drawings as sprites, cut to what they show; the last ``MAX_CACHED_SPRITES`` sizes are kept."""

    def __init__(self, font: Path = DEFAULT_FONT) -> None:
        try:
            self._font = ImageFont.truetype(font, _STRIKE_SIZE, layout_engine=ImageFont.Layout.BASIC)
        except OSError as error:
            raise FontMissingError(
                f"The font {font} cannot be read: install the Debian package fonts-noto-color-emoji, "
                "or name another copy of NotoColorEmoji.ttf."
            ) from error
        self._cut = lru_cache(maxsize=512)(self._draw)
        self.sprite = lru_cache(maxsize=MAX_CACHED_SPRITES)(self._sprite)

    def _draw(self, glyph: str) -> Image.Image:
        image = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(image).text((12, 12), glyph, font=self._font, embedded_color=True)
        return image.crop(image.getbbox())

    def _sprite(self, glyph: str, width_px: int, height_px: int, mirrored: bool) -> Image.Image:
        """The glyph fitted into a box of ``width_px`` x ``height_px`` that stands for a square."""
        image = self._cut(glyph)
        side = max(image.size)
        size = (max(1, round(width_px * image.width / side)), max(1, round(height_px * image.height / side)))
        if mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)


class Stage:
    """One frame while it is drawn."""

    def __init__(self, glyphs: Glyphs, image: Image.Image, mirrored: bool = False) -> None:
        self.image = image
        self.side = image.width
        self._glyphs = glyphs
        self._mirrored = mirrored
        self.draw = ImageDraw.Draw(image)

    def put(
        self,
        glyph: str,
        at: Point,
        width: float,
        angle: float = 0.0,
        opacity: float = 1.0,
        stretch: Point = (1.0, 1.0),
        flipped: bool = False,
    ) -> None:
        """Draws a glyph with its centre ``at`` a point."""
        side_px = width * self.side
        if side_px < 2:
            return
        mirrored = (self._mirrored != flipped) and glyph not in _NEVER_MIRRORED
        sprite = self._glyphs.sprite(glyph, round(side_px * stretch[0]), round(side_px * stretch[1]), mirrored)
        if angle % 360:
            turn = -angle if self._mirrored else angle
            sprite = sprite.rotate(turn, Image.Resampling.BICUBIC, expand=True)
        mask = sprite.getchannel("A")
        if opacity < 1.0:
            mask = mask.point([round(value * opacity) for value in range(256)])
        x, y = self.pixel(at)
        self.image.paste(sprite, (round(x - sprite.width / 2), round(y - sprite.height / 2)), mask)

    def pixel(self, at: Point) -> Point:
        """A point of the unit square in pixels."""
        x, y = at
        return ((1.0 - x if self._mirrored else x) * self.side, y * self.side)

    def ellipse(self, at: Point, radii: Point, colour: Colour) -> None:
        """A filled ellipse."""
        x, y = self.pixel(at)
        rx, ry = radii[0] * self.side, radii[1] * self.side
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)

    def polygon(self, points: list[Point], colour: Colour) -> None:
        """A filled polygon."""
        self.draw.polygon([self.pixel(point) for point in points], fill=colour)

    def line(self, start: Point, end: Point, width: float, colour: Colour) -> None:
        """A straight line."""
        self.draw.line([self.pixel(start), self.pixel(end)], fill=colour, width=max(1, round(width * self.side)))

    def box(self, left_top: Point, right_bottom: Point, colour: Colour) -> None:
        """A filled upright rectangle."""
        (left, top), (right, bottom) = left_top, right_bottom
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def veil(self, left_top: Point, right_bottom: Point, colour: Colour, opacity: float) -> None:
        """A see-through upright rectangle with round corners."""
        (x0, y0), (x1, y1) = self.pixel(left_top), self.pixel(right_bottom)
        x0, x1 = min(x0, x1), max(x0, x1)
        mask = Image.new("L", (max(1, round(x1 - x0)), max(1, round(y1 - y0))))
        corners = (0, 0, mask.width - 1, mask.height - 1)
        ImageDraw.Draw(mask).rounded_rectangle(corners, radius=0.05 * self.side, fill=round(255 * opacity))
        self.image.paste(colour, (round(x0), round(y0)), mask)

    def write(self, text: str, at: Point, height: float, colour: Colour) -> None:
        """Bold words with a white edge, never mirrored."""
        font = _letters(round(height * self.side))
        edge = max(1, round(0.012 * self.side))
        self.draw.text(
            self.pixel(at), text, font=font, fill=colour, anchor="mm", stroke_width=edge, stroke_fill=(255, 255, 255)
        )


@lru_cache(maxsize=32)
def _letters(height_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height_px)
