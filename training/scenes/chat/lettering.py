"""Words in the picture: captions as people know them from memes, letters that move, and speech bubbles."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from deepgif.training.scenes.stage import Colour, FontMissingError

CAPTION_FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansCondensed-Bold.ttf")
_WHITE: Colour = (255, 255, 255)
_BLACK: Colour = (20, 20, 26)
_MARGIN = 0.94  # of the picture's width that a line may take
_LARGEST, _SMALLEST = 0.155, 0.085  # heights of letters, as shares of the picture's side


class Letters:
    """Words as pictures. Raises ``FontMissingError`` where the font cannot be read."""

    def __init__(self, font: Path = CAPTION_FONT) -> None:
        self._path = font
        self._font = lru_cache(maxsize=64)(self._sized)
        self.sprite = lru_cache(maxsize=256)(self._sprite)
        self._font(20)

    def _sized(self, height_px: int) -> ImageFont.FreeTypeFont:
        try:
            return ImageFont.truetype(self._path, height_px, layout_engine=ImageFont.Layout.BASIC)
        except OSError as error:
            raise FontMissingError(
                f"The font {self._path} cannot be read: install the Debian package fonts-dejavu-extra, "
                "or name another bold font."
            ) from error

    def _sprite(self, text: str, height_px: int, fill: Colour) -> Image.Image:
        """One line in ``fill`` with a dark edge, cut to what it shows."""
        font, edge = self._font(height_px), max(2, round(height_px * 0.11))
        left, top, right, bottom = font.getbbox(text, stroke_width=edge)
        image = Image.new("RGBA", (int(right - left) + 2, int(bottom - top) + 2))
        ImageDraw.Draw(image).text(
            (1 - left, 1 - top), text, font=font, fill=fill, stroke_width=edge, stroke_fill=_BLACK
        )
        return image

    def lines_of(self, text: str, side: int) -> int:
        """How many lines ``caption`` takes for ``text``."""
        return len(self._fitted(text.upper(), side)[0])

    def caption(self, image: Image.Image, text: str, top: bool = False) -> None:
        """Writes ``text`` in capitals at the lower edge of a square picture, or at the upper one, in one or two
        lines as large as fit."""
        side = image.width
        lines, height = self._fitted(text.upper(), side)
        step = round(height * 1.13)
        y = round(0.03 * side) if top else side - round(0.035 * side) - step * len(lines)
        for line in lines:
            sprite = self.sprite(line, height, _WHITE)
            image.paste(sprite, ((side - sprite.width) // 2, y + (step - sprite.height) // 2), sprite)
            y += step

    def _fitted(self, text: str, side: int) -> tuple[list[str], int]:
        words = text.split()
        one = self._height([text], side)
        splits = [[" ".join(words[:n]), " ".join(words[n:])] for n in range(1, len(words))]
        if not splits or one >= 0.1 * side:
            return [text], one
        two = max(splits, key=lambda lines: self._height(lines, side))
        return two, self._height(two, side)

    def _height(self, lines: list[str], side: int) -> int:
        height = round(_LARGEST * side)
        while height > _SMALLEST * side and max(self.sprite(line, height, _WHITE).width for line in lines) > (
            _MARGIN * side
        ):
            height -= 1
        return height

    def bubble(self, image: Image.Image, text: str, at: tuple[float, float], to_left: bool) -> None:
        """A speech bubble with its centre ``at`` a point of the unit square, its tail down to one side."""
        side = image.width
        height = round(0.1 * side)
        lines = text.split("/")
        font = self._font(height)
        width = max(font.getlength(line) for line in lines)
        x, y = at[0] * side, at[1] * side
        half_w, half_h = width / 2 + 0.045 * side, (len(lines) * height * 1.12) / 2 + 0.03 * side
        x = min(max(x, half_w + 0.02 * side), side - half_w - 0.02 * side)
        draw = ImageDraw.Draw(image)
        edge = max(2, round(0.011 * side))
        way = -1 if to_left else 1
        foot = (x + way * half_w * 0.45, y + half_h - 1)
        tail = [
            (foot[0] - 0.045 * side, foot[1]),
            (foot[0] + way * 0.075 * side, foot[1] + 0.1 * side),
            (foot[0] + 0.045 * side, foot[1]),
        ]
        draw.polygon(tail, fill=_WHITE, outline=_BLACK, width=edge)
        draw.rounded_rectangle(
            (x - half_w, y - half_h, x + half_w, y + half_h),
            radius=0.07 * side,
            fill=_WHITE,
            outline=_BLACK,
            width=edge,
        )
        inner = [(tail[0][0] + edge, foot[1] - edge), tail[1], (tail[2][0] - edge, foot[1] - edge)]
        inner[1] = (tail[1][0] - way * edge * 0.8, tail[1][1] - edge * 2.2)
        draw.polygon(inner, fill=_WHITE)
        for i, line in enumerate(lines):
            middle = y + (i - (len(lines) - 1) / 2) * height * 1.12
            draw.text((x, middle), line, font=font, fill=_BLACK, anchor="mm")
