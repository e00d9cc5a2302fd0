"""The emoji font, where there is one."""

import pytest

from deepgif.training.scenes.stage import DEFAULT_FONT, Glyphs


@pytest.fixture(scope="session")
def glyphs() -> Glyphs:
    """Drawings from Debian's copy of the font."""
    if not DEFAULT_FONT.exists():
        pytest.skip(f"{DEFAULT_FONT} is missing: install the Debian package fonts-noto-color-emoji")
    return Glyphs()
