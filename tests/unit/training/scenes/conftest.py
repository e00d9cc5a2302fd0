"""The fonts, where there are any."""

import pytest

from deepgif.training.scenes.chat.lettering import CAPTION_FONT, Letters
from deepgif.training.scenes.stage import DEFAULT_FONT, Glyphs


@pytest.fixture(scope="session")
def glyphs() -> Glyphs:
    """Drawings from Debian's copy of the font."""
    if not DEFAULT_FONT.exists():
        pytest.skip(f"{DEFAULT_FONT} is missing: install the Debian package fonts-noto-color-emoji")
    return Glyphs()


@pytest.fixture(scope="session")
def letters() -> Letters:
    """Words in Debian's bold DejaVu."""
    if not CAPTION_FONT.exists():
        pytest.skip(f"{CAPTION_FONT} is missing: install the Debian package fonts-dejavu-extra")
    return Letters()
