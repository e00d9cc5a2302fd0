"""What the bots keep, for all platforms, in one database: SQLite in a file, or PostgreSQL by address.

People's words are kept only while they are needed, and sealed (``deepgif.bot.store.encryption``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from deepgif.engine.errors import StoreError

metadata = sa.MetaData()
FILE = "bot.sqlite3"  # in the data folder
SCHEMA_VERSION = 1
_STEPS: tuple[tuple[str, ...], ...] = ()  # the statements from each version to the next, but for tables that are new
_LOCK = 0x64656570676966  # of PostgreSQL, while the schema is looked at: replicas may start at once
CLOSE_S = 5.0  # for what is at work when the database is closed
KEPT_S = 24 * 3600.0  # for showings and jobs
POSTED_S = 31 * 24 * 3600.0  # longer than the longest time in which a GIF is not repeated


def _workspace() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("platform", sa.String(16), primary_key=True),
        sa.Column("workspace", sa.String(64), primary_key=True),
    )


def _gif() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("provider", sa.String(32), primary_key=True),
        sa.Column("gif", sa.String(200), primary_key=True),
    )


preferences = sa.Table(
    "preferences",
    metadata,
    *_workspace(),
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("subject", sa.String(64), primary_key=True),
    sa.Column("chosen", sa.JSON, nullable=False),
)
blocked = sa.Table(
    "blocked_gifs",
    metadata,
    *_workspace(),
    *_gif(),
    sa.Column("title", sa.String(500), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
favourites = sa.Table(
    "favourites",
    metadata,
    *_workspace(),
    sa.Column("person", sa.String(64), primary_key=True),
    *_gif(),
    sa.Column("title", sa.String(500), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
)
posted = sa.Table(
    "posted",
    metadata,
    *_workspace(),
    sa.Column("channel", sa.String(64), primary_key=True),
    *_gif(),
    sa.Column("at", sa.Float, nullable=False),
)
showings = sa.Table(
    "showings",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("platform", sa.String(16), nullable=False),
    sa.Column("workspace", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("person", sa.String(64), nullable=False),
    sa.Column("message", sa.String(64), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("showings_of", "platform", "workspace", "channel", "person"),
)
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("platform", sa.String(16), primary_key=True),
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("workspace", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("lease", sa.Float, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Index("jobs_waiting", "platform", "state", "lease"),
)
versions = sa.Table(
    "schema_version", sa.MetaData(), sa.Column("version", sa.Integer, primary_key=True, autoincrement=False)
)
_OF_WORKSPACES = (preferences, blocked, favourites, posted, showings, jobs)


def database_url(setting: str, folder: Path) -> str:
    """The address for SQLAlchemy: the setting with an async driver, or a file in ``folder``."""
    if not setting:
        return f"sqlite+aiosqlite:///{folder / FILE}"
    for scheme in ("postgresql://", "postgres://"):
        setting = setting.replace(scheme, "postgresql+asyncpg://", 1) if setting.startswith(scheme) else setting
    return setting.replace("sqlite://", "sqlite+aiosqlite://", 1) if setting.startswith("sqlite://") else setting


class Database:
    """The tables, ready for use. An async context manager."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._closed = False
        self.engine: AsyncEngine

    async def __aenter__(self) -> Self:
        local = self._url.get_backend_name() == "sqlite"
        # SQLite has one writer; with one connection nobody finds the file locked.
        sizes = {"pool_size": 1, "max_overflow": 0} if local else {"pool_pre_ping": True}
        self.engine = create_async_engine(self._url, hide_parameters=True, **sizes)
        if local:
            sa.event.listen(self.engine.sync_engine, "connect", _on_connect)
        try:
            if local and self._url.database:
                Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
            async with self.write() as connection:
                await connection.run_sync(_prepare)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            await self.engine.dispose()
            raise StoreError(
                "The bot's database cannot be used; please check DEEPGIF_DATABASE_URL and DEEPGIF_DATA_DIR."
            ) from error
        except BaseException:  # whatever it is: an open connection keeps its thread
            await self.engine.dispose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                while self._used():  # noqa: ASYNC110 - the pool tells nobody
                    await asyncio.sleep(0.01)
        await self.engine.dispose()

    def _check(self) -> None:
        if self._closed:  # a new connection would never be closed
            raise StoreError("The bot is stopping; please try again in a moment.")

    def _used(self) -> int:
        """Connections at work; the pool would leave them open."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, sa.QueuePool) else 0

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, kept when its block ends well. Raises ``StoreError`` once the database is closed."""
        self._check()
        async with self.engine.begin() as connection:
            yield connection

    async def put(self, table: sa.Table, **values: Any) -> None:
        """Keeps a row, in place of the one with the same key. Others may put the same row at the same moment."""
        keys = list(table.primary_key.columns.keys())
        others = {name: value for name, value in values.items() if name not in keys}
        async with self.write() as connection:
            await connection.execute(
                self._insert(table).values(**values).on_conflict_do_update(index_elements=keys, set_=others)
            )

    async def merge(self, table: sa.Table, column: str, some: Mapping[str, Any], **key: Any) -> None:
        """Puts ``some`` into the object in the ``column`` of the row with this ``key``, which is made where there is
        none. What others put there at the same moment stays."""
        same = sa.and_(*(table.c[name] == value for name, value in key.items()))
        async with self.write() as connection:
            # First of all, so that SQLite is locked before it is read: what is read is the latest.
            await connection.execute(self._insert(table).values({**key, column: {}}).on_conflict_do_nothing())
            old = await connection.scalar(sa.select(table.c[column]).where(same).with_for_update())
            await connection.execute(table.update().where(same).values({column: {**(old or {}), **some}}))

    def _insert(self, table: sa.Table) -> Any:
        postgres = self._url.get_backend_name() == "postgresql"
        return postgresql.insert(table) if postgres else sqlite.insert(table)

    async def read(self, query: sa.Select[Any], **values: str) -> list[Any]:
        """All rows of a query with ``values`` for its parameters. Raises ``StoreError`` once the database is closed."""
        self._check()
        async with self.engine.connect() as connection:
            return list((await connection.execute(query, values)).all())

    async def forget_workspace(self, platform: str, workspace: str) -> None:
        """Deletes everything of a workspace that the bot was removed from."""
        async with self.write() as connection:
            for table in _OF_WORKSPACES:
                await connection.execute(
                    table.delete().where(table.c.platform == platform, table.c.workspace == workspace)
                )

    async def workspaces(self, platform: str) -> list[str]:
        """All workspaces of which anything is kept."""
        found: set[str] = set()
        for table in _OF_WORKSPACES:
            query = sa.select(table.c.workspace).where(table.c.platform == platform).distinct()
            found.update(row.workspace for row in await self.read(query))
        return sorted(found)

    async def forget_old(self) -> None:
        """Deletes what is of no use any more."""
        now = time.time()
        async with self.write() as connection:
            for table, kept_s in ((posted, POSTED_S), (showings, KEPT_S), (jobs, KEPT_S)):
                await connection.execute(table.delete().where(table.c.at < now - kept_s))


def _prepare(connection: sa.Connection) -> None:
    """Makes the tables, or brings those of an earlier version to this one. Raises ``StoreError`` for a later one."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    there = set(sa.inspect(connection).get_table_names())
    version = connection.scalar(sa.select(sa.func.max(versions.c.version))) if versions.name in there else None
    if version is None:  # new, or from before versions were noted
        version = 1 if jobs.name in there else SCHEMA_VERSION
    if version > SCHEMA_VERSION:
        raise StoreError("The bot's database was written by a newer DeepGIF; install that one.")
    metadata.create_all(connection)
    versions.create(connection, checkfirst=True)
    for step in _STEPS[version - 1 :]:
        for statement in step:
            connection.execute(sa.text(statement))
    connection.execute(versions.delete())
    connection.execute(versions.insert().values(version=SCHEMA_VERSION))


def _on_connect(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()
