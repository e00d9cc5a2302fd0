"""Options and fixtures that all tests share."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from sqlalchemy.ext.asyncio import create_async_engine

from deepgif.bot.store.database import database_url
from tests.fakes.waiting import Clock

# The networks of tests are small: several threads only wait for each other, on a busy machine many times as long as
# they compute. Torch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more about the machine than about the code.
settings.register_profile("deepgif", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("deepgif")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--data", type=Path, default=None, help="Folder with real data; tests marked data need it.")
    parser.addoption(
        "--postgresql",
        default="",
        help="Address of a PostgreSQL database, which is emptied; without one, SQLite.",
    )


@pytest.fixture(scope="session")
def data_dir(request: pytest.FixtureRequest) -> Path:
    """The folder given by --data."""
    given: Path | None = request.config.getoption("--data")
    if given is None:
        pytest.skip("needs --data=PATH: a folder with real data")
    if not given.is_dir():
        pytest.fail(f"--data {given}: there is no such folder")
    return given


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """What ``time.time`` tells during the test."""
    made = Clock()
    monkeypatch.setattr(time, "time", made)
    return made


@pytest.fixture
async def bot_database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database for bots."""
    given = str(request.config.getoption("--postgresql"))
    url = database_url(given, tmp_path)
    if given:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
                await connection.execute(sa.text(statement))
        await engine.dispose()
    return url
