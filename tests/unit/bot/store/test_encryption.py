"""Nobody reads what is sealed, nobody makes up what is signed."""

import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.bot.store.encryption import Cipher, load_or_create_secret, new_name

SEAL, OTHER = Cipher("one"), Cipher("another")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_sealed(value):
    """Only the same secret opens it."""
    sealed = SEAL.close(value)
    assert SEAL.open(sealed) == value
    with pytest.raises(ValueError, match="not sealed"):
        OTHER.open(sealed)
    with pytest.raises(ValueError, match="not sealed"):
        SEAL.open(sealed[:-2])


@given(st.text())
def test_nothing_made_up_is_taken(text):
    """Whatever a button carries, it is its own or refused."""
    with pytest.raises(ValueError, match="signature"):
        SEAL.check(text)


def test_signed():
    """A name comes back; changed, or of another secret, it does not. It fits Discord's 100 characters."""
    name = new_name()
    signed = SEAL.sign(name)
    assert SEAL.check(signed) == name
    assert len(signed) == 39
    for wrong in (OTHER.sign(name), signed + "a", "a" + signed, signed.replace(".", "")):
        with pytest.raises(ValueError, match="signature"):
            SEAL.check(wrong)


def test_the_kept_secret(tmp_path):
    """It is made once, readable by its owner only."""
    path = tmp_path / "new" / "secret"
    first = load_or_create_secret(path)
    assert len(first) == 64
    assert load_or_create_secret(path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
