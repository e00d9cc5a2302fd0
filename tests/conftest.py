"""Options and fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", type=Path, default=None, help="Folder with real data; tests marked data need it.")


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder given by --data."""
    given: Path | None = request.config.getoption("--data")
    if given is None:
        pytest.skip("needs --data=PATH: a folder with real data")
    if not given.is_dir():
        pytest.fail(f"--data {given}: there is no such folder")
    return given
