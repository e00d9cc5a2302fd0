"""What is decided before anything is served."""

import pytest

from deepgif.engine.api.server import DRAIN_S, drain_seconds


@pytest.mark.parametrize(
    ("setting", "host", "drain_s"),
    [
        (None, "127.0.0.1", 0.0),
        (None, "localhost", 0.0),
        (None, "::1", 0.0),
        (None, "0.0.0.0", DRAIN_S),
        (None, "::", DRAIN_S),
        (None, "gifs.internal", DRAIN_S),
        (3.0, "127.0.0.1", 3.0),
        (0.0, "0.0.0.0", 0.0),
    ],
)
def test_how_long_a_stopping_service_answers_on(setting, host, drain_s):
    """As it is set; else not at all where only this machine reaches it, so that Ctrl-C ends it at once."""
    assert drain_seconds(setting, host) == drain_s
