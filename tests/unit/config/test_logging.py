"""Log lines, for people and for machines."""

import json
import logging

import pytest

from deepgif.config.logging import configure_logging


@pytest.fixture(autouse=True)
def _restore_root():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_json_lines(capsys):
    """Every line is one JSON object, errors and line breaks included."""
    configure_logging("info", "json")
    log = logging.getLogger("engine.test")
    log.debug("not shown")
    log.info("two\nlines %s", 1)
    try:
        raise ValueError("the cause")
    except ValueError:
        log.exception("failed")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "engine.test", "two\nlines 1")
    assert "ValueError: the cause" in second["error"]


def test_text_lines(capsys):
    """Level, logger and message on one line."""
    configure_logging("warning", "text")
    logging.getLogger("engine.test").info("not shown")
    logging.getLogger("engine.test").warning("shown")
    assert capsys.readouterr().err.rstrip().endswith("WARNING engine.test: shown")
