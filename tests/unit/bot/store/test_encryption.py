"""Only the same secret decrypts, and signatures can't be forged."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.bot.store.encryption import Cipher, load_or_create_secret, new_id

CIPHER, OTHER = Cipher("one"), Cipher("another")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_encryption(value):
    """Only the same secret decrypts a value, and only if it is unchanged."""
    encrypted = CIPHER.encrypt(value)
    assert CIPHER.decrypt(encrypted) == value
    with pytest.raises(ValueError, match="not encrypted"):
        OTHER.decrypt(encrypted)
    with pytest.raises(ValueError, match="not encrypted"):
        CIPHER.decrypt(encrypted[:-2])


@given(st.text())
def test_forged_signatures(text):
    """Arbitrary text is refused."""
    with pytest.raises(ValueError, match="signature"):
        CIPHER.verify(text)


def test_signatures():
    """Changed text and other secrets are refused. A signed ID is short enough for a Discord button."""
    session_id = new_id()
    signed = CIPHER.sign(session_id)
    assert CIPHER.verify(signed) == session_id
    assert len(signed) == 39
    for wrong in (OTHER.sign(session_id), signed + "a", "a" + signed, signed.replace(".", "")):
        with pytest.raises(ValueError, match="signature"):
            CIPHER.verify(wrong)


def test_the_stored_secret(tmp_path):
    """It is created once, readable by its owner only."""
    path = tmp_path / "new" / "secret"
    first = load_or_create_secret(path)
    assert len(first) == 64
    assert load_or_create_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
