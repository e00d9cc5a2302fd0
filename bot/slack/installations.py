"""The workspaces that installed the app, and their tokens: one from the settings, or many through OAuth."""

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
STATE_S = 600  # for one installation
_TOKENS = ("bot_token", "bot_refresh_token", "user_token", "user_refresh_token")
_ENCRYPTED = "sealed:"  # in front of encrypted tokens; stored ones begin with it
Stored = TypeVar("Stored", Bot, Installation)


class SingleWorkspace:
    """The workspace that the bot's token belongs to."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client

    async def client(self, workspace: str, enterprise: str) -> AsyncWebClient | None:
        """The client with the token."""
        return self._client


class EncryptedInstallationStore(AsyncSQLAlchemyInstallationStore):
    """slack_sdk's store, with encrypted tokens."""

    def __init__(self, client_id: str, engine: AsyncEngine, cipher: Cipher) -> None:
        self._cipher = cipher
        super().__init__(client_id, engine, logger=_log)

    @classmethod
    def build_installations_table(cls, metadata: sa.MetaData, table_name: str) -> sa.Table:
        """Widens the columns: encrypted tokens are longer."""
        return _with_wide_tokens(super().build_installations_table(metadata, table_name))

    @classmethod
    def build_bots_table(cls, metadata: sa.MetaData, table_name: str) -> sa.Table:
        """Widens the columns: encrypted tokens are longer."""
        return _with_wide_tokens(super().build_bots_table(metadata, table_name))

    async def async_save(self, installation: Installation) -> None:
        """Stores an installation."""
        await super().async_save(self._encrypt(installation))

    async def async_save_bot(self, bot: Bot) -> None:
        """Stores a bot's token."""
        await super().async_save_bot(self._encrypt(bot))

    async def async_find_bot(self, **where: Any) -> Bot | None:
        """The newest bot of a workspace."""
        return self._decrypt(await super().async_find_bot(**where))

    async def async_find_installation(self, **where: Any) -> Installation | None:
        """The newest installation in a workspace."""
        return self._decrypt(await super().async_find_installation(**where))

    def _encrypt(self, stored: Stored) -> Stored:
        for name in _TOKENS:
            token = getattr(stored, name, None)
            if token and not token.startswith(_ENCRYPTED):
                setattr(stored, name, _ENCRYPTED + self._cipher.encrypt(token))
        return stored

    def _decrypt(self, stored: Stored | None) -> Stored | None:
        if stored is None:
            return None
        for name in _TOKENS:
            token = getattr(stored, name, None)
            if token:
                try:
                    setattr(stored, name, self._cipher.decrypt(token.removeprefix(_ENCRYPTED)))
                except ValueError:
                    _log.error("Can't decrypt a workspace's token: DEEPGIF_BOT_ENCRYPTION_KEY has changed.")
                    return None
        return stored


@dataclass(frozen=True, slots=True)
class OAuthOptions:
    """The app's credentials. Slack redirects to ``redirect_url`` after an installation."""

    client_id: str
    client_secret: str
    redirect_url: str
    authorize_url: str


class OAuthWorkspaces:
    """Every workspace that installed the app."""

    def __init__(
        self, options: OAuthOptions, engine: AsyncEngine, cipher: Cipher, client_for: Callable[[str], AsyncWebClient]
    ) -> None:
        self._options = options
        self._client_for = client_for
        self.store = EncryptedInstallationStore(options.client_id, engine, cipher)
        self._states = AsyncSQLAlchemyOAuthStateStore(STATE_S, engine, logger=_log)

    async def open(self) -> None:
        """Creates the tables."""
        await self.store.create_tables()  # type: ignore[no-untyped-call]
        await self._states.create_tables()

    def settings(self) -> AsyncOAuthSettings:
        """The settings of bolt's OAuth flow."""
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
        """Finds the token for a request, and rotates it in time."""
        return AsyncInstallationStoreAuthorize(
            logger=_log,
            installation_store=self.store,
            client_id=self._options.client_id,
            client_secret=self._options.client_secret,
            client=self._client_for(""),
            cache_enabled=True,
        )

    async def client(self, workspace: str, enterprise: str) -> AsyncWebClient | None:
        """A client with the workspace's token; None if the app is not installed there."""
        team = None if workspace == enterprise else workspace  # installed for the whole organization
        bot = await self.store.async_find_bot(enterprise_id=enterprise or None, team_id=team)
        return self._client_for(bot.bot_token) if bot is not None else None

    async def delete(self, team: str, enterprise: str) -> None:
        """Deletes a workspace's tokens."""
        await self.store.async_delete_all(enterprise_id=enterprise or None, team_id=team or None)


def _with_wide_tokens(table: sa.Table) -> sa.Table:
    for name in _TOKENS:
        if name in table.c:
            table.c[name].type = sa.Text()
    return table
