"""The workspaces that the app is installed in, and their tokens: one by setting, or many through OAuth."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from slack_bolt.authorization.async_authorize import AsyncInstallationStoreAuthorize
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_sdk.oauth.installation_store.models.bot import Bot
from slack_sdk.oauth.installation_store.models.installation import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import AsyncSQLAlchemyInstallationStore
from slack_sdk.oauth.state_store.sqlalchemy import AsyncSQLAlchemyOAuthStateStore
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.ext.asyncio import AsyncEngine

from deepgif.bot.store.encryption import Cipher

_log = logging.getLogger(__name__)
SCOPES = ("app_mentions:read", "chat:write", "chat:write.public", "commands", "im:history", "users:read")
STATE_S = 600  # for which an installation may take
_TOKENS = ("bot_token", "bot_refresh_token", "user_token", "user_refresh_token")
_SEALED = "sealed:"
Kept = TypeVar("Kept", Bot, Installation)


class SingleWorkspace:
    """The workspace of one token."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def client(self, team: str, enterprise: str) -> AsyncWebClient | None:
        """The client for it."""
        return self._client


class SealedInstallationStore(AsyncSQLAlchemyInstallationStore):
    """slack_sdk's store, with every token sealed."""

    def __init__(self, client_id: str, engine: AsyncEngine, seal: Cipher) -> None:
        self._seal = seal
        super().__init__(client_id, engine, logger=_log)

    @classmethod
    def build_installations_table(cls, metadata: sa.MetaData, table_name: str) -> sa.Table:
        """Sealed tokens are longer than tokens."""
        return _with_wide_tokens(super().build_installations_table(metadata, table_name))

    @classmethod
    def build_bots_table(cls, metadata: sa.MetaData, table_name: str) -> sa.Table:
        """Sealed tokens are longer than tokens."""
        return _with_wide_tokens(super().build_bots_table(metadata, table_name))

    async def async_save(self, installation: Installation) -> None:
        """Keeps an installation."""
        await super().async_save(self._close(installation))

    async def async_save_bot(self, bot: Bot) -> None:
        """Keeps a bot's token."""
        await super().async_save_bot(self._close(bot))

    async def async_find_bot(self, **where: Any) -> Bot | None:
        """The newest bot of a workspace."""
        return self._open(await super().async_find_bot(**where))

    async def async_find_installation(self, **where: Any) -> Installation | None:
        """The newest installation in a workspace."""
        return self._open(await super().async_find_installation(**where))

    def _close(self, kept: Kept) -> Kept:
        for name in _TOKENS:
            token = getattr(kept, name, None)
            if token and not token.startswith(_SEALED):
                setattr(kept, name, _SEALED + self._seal.close(token))
        return kept

    def _open(self, kept: Kept | None) -> Kept | None:
        if kept is None:
            return None
        for name in _TOKENS:
            token = getattr(kept, name, None)
            if token:
                try:
                    setattr(kept, name, self._seal.open(token.removeprefix(_SEALED)))
                except ValueError:
                    _log.error("A workspace's token was sealed with another DEEPGIF_SECRET; it must install again.")
                    return None
        return kept


@dataclass(frozen=True, slots=True)
class OAuthOptions:
    """The app's own credentials; ``redirect_url`` is the address Slack sends people back to."""

    client_id: str
    client_secret: str
    redirect_url: str
    authorize_url: str


class OAuthWorkspaces:
    """Every workspace that installed the app."""

    def __init__(
        self, options: OAuthOptions, engine: AsyncEngine, seal: Cipher, client_for: Callable[[str], AsyncWebClient]
    ) -> None:
        self._options = options
        self._client_for = client_for
        self.store = SealedInstallationStore(options.client_id, engine, seal)
        self._states = AsyncSQLAlchemyOAuthStateStore(STATE_S, engine, logger=_log)

    async def open(self) -> None:
        """Makes the tables."""
        await self.store.create_tables()  # type: ignore[no-untyped-call]
        await self._states.create_tables()

    def settings(self) -> AsyncOAuthSettings:
        """For bolt's OAuth flow."""
        options = self._options
        return AsyncOAuthSettings(
            client_id=options.client_id,
            client_secret=options.client_secret,
            scopes=list(SCOPES),
            redirect_uri=options.redirect_url or None,
            authorization_url=options.authorize_url,
            installation_store=self.store,
            state_store=self._states,
            state_expiration_seconds=STATE_S,
        )

    def authorize(self) -> AsyncInstallationStoreAuthorize:
        """Finds the token for a request, and changes it in time where tokens rotate."""
        return AsyncInstallationStoreAuthorize(
            logger=_log,
            installation_store=self.store,
            client_id=self._options.client_id,
            client_secret=self._options.client_secret,
            client=self._client_for(""),
            cache_enabled=True,
        )

    async def client(self, team: str, enterprise: str) -> AsyncWebClient | None:
        """A client with the workspace's token; None where the app is not installed there."""
        bot = await self.store.async_find_bot(enterprise_id=enterprise or None, team_id=team or None)
        return self._client_for(bot.bot_token) if bot is not None else None

    async def forget(self, team: str, enterprise: str) -> None:
        """Deletes the tokens of a workspace."""
        await self.store.async_delete_all(enterprise_id=enterprise or None, team_id=team or None)


def _with_wide_tokens(table: sa.Table) -> sa.Table:
    for name in _TOKENS:
        if name in table.c:
            table.c[name].type = sa.Text()
    return table
