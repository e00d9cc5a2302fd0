"""The bots' database, for all platforms: a SQLite file, or PostgreSQL.

Queries are stored for a day, encrypted (``deepgif.bot.store.encryption``).
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
_DRIVERS = {"postgres": "postgresql+asyncpg", "postgresql": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}
SCHEMA_VERSION = 2
# The statements that bring each version to the next one. New tables need none.
_MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "ALTER TABLE preferences RENAME COLUMN subject TO scope_id",
        "ALTER TABLE preferences RENAME COLUMN chosen TO choices",
        "UPDATE preferences SET scope = 'user' WHERE scope = 'person'",
        "ALTER TABLE blocked_gifs RENAME COLUMN gif TO gif_id",
        "ALTER TABLE blocked_gifs RENAME COLUMN at TO created_at",
        "ALTER TABLE favourites RENAME COLUMN person TO user_id",
        "ALTER TABLE favourites RENAME COLUMN gif TO gif_id",
        "ALTER TABLE favourites RENAME COLUMN at TO created_at",
        "ALTER TABLE posted RENAME TO posted_gifs",
        "ALTER TABLE posted_gifs RENAME COLUMN gif TO gif_id",
        "ALTER TABLE posted_gifs RENAME COLUMN at TO created_at",
        "DROP INDEX showings_of",
        "ALTER TABLE showings RENAME TO sessions",
        "ALTER TABLE sessions RENAME COLUMN name TO id",
        "ALTER TABLE sessions RENAME COLUMN person TO user_id",
        "ALTER TABLE sessions RENAME COLUMN sealed TO encrypted",
        "ALTER TABLE sessions RENAME COLUMN at TO updated_at",
        "CREATE INDEX sessions_by_user ON sessions (platform, workspace, channel, user_id)",
        "DROP INDEX jobs_waiting",
        "ALTER TABLE jobs RENAME COLUMN name TO id",
        "ALTER TABLE jobs RENAME COLUMN sealed TO encrypted",
        "ALTER TABLE jobs RENAME COLUMN lease TO leased_until",
        "ALTER TABLE jobs RENAME COLUMN at TO created_at",
        "CREATE INDEX jobs_by_lease ON jobs (platform, state, leased_until)",
    ),
)
_LOCK = 0x64656570676966  # PostgreSQL advisory lock for migrations: replicas may start at the same time
CLOSE_S = 5.0  # for connections in use at shutdown
KEEP_S = 24 * 3600.0  # sessions and jobs
KEEP_POSTED_S = 31 * 24 * 3600.0  # longer than the longest ``repeat_hours``


def _workspace() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("platform", sa.String(16), primary_key=True),
        sa.Column("workspace", sa.String(64), primary_key=True),
    )


def _gif() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("provider", sa.String(32), primary_key=True),
        sa.Column("gif_id", sa.String(200), primary_key=True),
    )


preferences = sa.Table(
    "preferences",
    metadata,
    *_workspace(),
    sa.Column("scope", sa.String(16), primary_key=True),
    sa.Column("scope_id", sa.String(64), primary_key=True),
    sa.Column("choices", sa.JSON, nullable=False),
)
blocked_gifs = sa.Table(
    "blocked_gifs",
    metadata,
    *_workspace(),
    *_gif(),
    sa.Column("title", sa.String(500), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
favourites = sa.Table(
    "favourites",
    metadata,
    *_workspace(),
    sa.Column("user_id", sa.String(64), primary_key=True),
    *_gif(),
    sa.Column("title", sa.String(500), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
posted_gifs = sa.Table(
    "posted_gifs",
    metadata,
    *_workspace(),
    sa.Column("channel", sa.String(64), primary_key=True),
    *_gif(),
    sa.Column("created_at", sa.Float, nullable=False),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("platform", sa.String(16), nullable=False),
    sa.Column("workspace", sa.String(64), nullable=False),
    sa.Column("channel", sa.String(64), nullable=False),
    sa.Column("user_id", sa.String(64), nullable=False),
    sa.Column("message", sa.String(64), nullable=False),
    sa.Column("encrypted", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
    sa.Index("sessions_by_user", "platform", "workspace", "channel", "user_id"),
)
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("platform", sa.String(16), primary_key=True),
    sa.Column("id", sa.String(200), primary_key=True),
    sa.Column("workspace", sa.String(64), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("encrypted", sa.Text, nullable=False),
    sa.Column("leased_until", sa.Float, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Index("jobs_by_lease", "platform", "state", "leased_until"),
)
versions = sa.Table(
    "schema_version", sa.MetaData(), sa.Column("version", sa.Integer, primary_key=True, autoincrement=False)
)


def database_url(setting: str, folder: Path) -> str:
    """The URL for SQLAlchemy: the setting with an async driver, or a file in ``folder``."""
    if not setting:
        return f"sqlite+aiosqlite:///{folder / FILE}"
    scheme, separator, rest = setting.partition("://")
    return _DRIVERS.get(scheme, scheme) + separator + rest


class Database:
    """The tables, migrated to this version. An async context manager."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._closed = False
        self.engine: AsyncEngine

    async def __aenter__(self) -> Self:
        local = self._url.get_backend_name() == "sqlite"
        # SQLite has one writer: with a single connection, nobody finds the file locked.
        pool = {"pool_size": 1, "max_overflow": 0} if local else {"pool_pre_ping": True}
        self.engine = create_async_engine(self._url, hide_parameters=True, **pool)
        if local:
            sa.event.listen(self.engine.sync_engine, "connect", _on_connect)
        try:
            if local and self._url.database:
                Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
            async with self.write() as connection:
                await connection.run_sync(_migrate)
        except (sa.exc.SQLAlchemyError, OSError) as error:
            await self.engine.dispose()
            raise StoreError(
                "Can't open the bot's database. Check DEEPGIF_BOT_DATABASE_URL and DEEPGIF_DATA_DIR."
            ) from error
        except BaseException:  # an open connection would keep its thread
            await self.engine.dispose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        pool = self.engine.pool
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                # ``dispose`` would leave connections in use open.
                while isinstance(pool, sa.QueuePool) and pool.checkedout():  # noqa: ASYNC110 - the pool has no event
                    await asyncio.sleep(0.01)
        await self.engine.dispose()

    def _check_open(self) -> None:
        if self._closed:  # a new connection would never be closed
            raise StoreError("I'm restarting. Try again in a moment.")

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end of the block. Raises ``StoreError`` after the database was closed."""
        self._check_open()
        async with self.engine.begin() as connection:
            yield connection

    async def upsert(self, table: sa.Table, **values: Any) -> None:
        """Inserts a row, or updates the one with the same key. Safe to run concurrently."""
        keys = list(table.primary_key.columns.keys())
        others = {name: value for name, value in values.items() if name not in keys}
        async with self.write() as connection:
            await connection.execute(
                self._insert(table).values(**values).on_conflict_do_update(index_elements=keys, set_=others)
            )

    async def merge(self, table: sa.Table, column: str, changes: Mapping[str, Any], **key: Any) -> None:
        """Merges ``changes`` into the JSON object in a ``column`` of the row with this ``key``, which is created if
        needed. Concurrent changes to other fields are kept."""
        same = sa.and_(*(table.c[name] == value for name, value in key.items()))
        async with self.write() as connection:
            # The insert comes first because it locks SQLite: the value read next can't be stale.
            await connection.execute(self._insert(table).values({**key, column: {}}).on_conflict_do_nothing())
            old = await connection.scalar(sa.select(table.c[column]).where(same).with_for_update())
            await connection.execute(table.update().where(same).values({column: {**(old or {}), **changes}}))

    def _insert(self, table: sa.Table) -> Any:
        postgres = self._url.get_backend_name() == "postgresql"
        return postgresql.insert(table) if postgres else sqlite.insert(table)

    async def read(self, query: sa.Select[Any], **parameters: str) -> list[Any]:
        """All rows of a query. Raises ``StoreError`` after the database was closed."""
        self._check_open()
        async with self.engine.connect() as connection:
            return list((await connection.execute(query, parameters)).all())

    async def delete_workspace(self, platform: str, workspace: str) -> None:
        """Deletes all data of a workspace."""
        async with self.write() as connection:
            for table in metadata.sorted_tables:
                await connection.execute(
                    table.delete().where(table.c.platform == platform, table.c.workspace == workspace)
                )

    async def workspaces(self, platform: str) -> list[str]:
        """All workspaces that have data."""
        found: set[str] = set()
        for table in metadata.sorted_tables:
            query = sa.select(table.c.workspace).where(table.c.platform == platform).distinct()
            found.update(row.workspace for row in await self.read(query))
        return sorted(found)

    async def delete_expired(self) -> None:
        """Deletes what is too old to be used."""
        now = time.time()
        async with self.write() as connection:
            for column, keep_s in (
                (posted_gifs.c.created_at, KEEP_POSTED_S),
                (sessions.c.updated_at, KEEP_S),
                (jobs.c.created_at, KEEP_S),
            ):
                await connection.execute(sa.delete(column.table).where(column < now - keep_s))


def _migrate(connection: sa.Connection) -> None:
    """Creates the tables, or brings those of an earlier version to this one. Raises ``StoreError`` for a later one."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    else:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    names = set(sa.inspect(connection).get_table_names())
    version = connection.scalar(sa.select(sa.func.max(versions.c.version))) if versions.name in names else None
    if version is None:  # a new database, or one from before versions were recorded
        version = 1 if jobs.name in names else SCHEMA_VERSION
    if version > SCHEMA_VERSION:
        raise StoreError("The bot's database was written by a newer version of DeepGIF. Install that version.")
    for migration in _MIGRATIONS[version - 1 :]:
        for statement in migration:
            connection.execute(sa.text(statement))
    metadata.create_all(connection)
    versions.create(connection, checkfirst=True)
    connection.execute(versions.delete())
    connection.execute(versions.insert().values(version=SCHEMA_VERSION))


def _on_connect(connection: Any, record: object) -> None:
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()
