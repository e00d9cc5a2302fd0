"""Everything that can be set, from the environment or a ``.env`` file. Read at entry points only.

Each setting is ``DEEPGIF_`` and its name in capitals; ``example.env`` lists them all.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "DEEPGIF_"


class SettingsError(Exception):
    """A setting cannot be used; the text names it and says what it must be."""


def default_data_dir() -> Path:
    """Where a person's programs keep their data (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "deepgif"


class Settings(BaseSettings):
    """All settings with their defaults; frozen."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", min_length=1, description="Address the engine listens on.")
    port: int = Field(8710, ge=0, le=65535, description="Port the engine listens on; 0 takes any free one.")
    token: SecretStr = Field(
        SecretStr(""), description="Bearer token of searches. Needed on every address other than loopback."
    )
    public_url: str = Field(
        "", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$", description="Address under which others reach the engine."
    )
    engine_url: str = Field(
        "", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$", description="The engine that bots and the command line ask."
    )
    model: str = Field("small", min_length=1, description="Name of a shipped model, or the folder of a bundle.")
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|onnxruntime|all|cuda(:\d{1,2})?(,cuda:\d{1,2})*)$",
        description="Where the model runs: auto (the first GPU, if any), cpu, onnxruntime, cuda:1, several, or all.",
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads of the model; 0 takes as many as there are cores.")
    data_dir: Annotated[Path, NoDecode] = Field(
        default_factory=default_data_dir, description="Folder of what is kept: the vectors of embedded GIFs."
    )
    folder: Annotated[Path | None, NoDecode] = Field(
        None, description="Folder with your own GIFs and animated WebPs, in place of the shipped catalogue."
    )
    weights_dir: Annotated[Path | None, NoDecode] = Field(
        None, description="Folder of weights that others publish; empty: weights in the data folder."
    )
    index: Literal["auto", "exact", "compact", "qdrant"] = Field(
        "auto", description="Where vectors are searched: auto (exact up to 100,000 GIFs), exact, compact or qdrant."
    )
    ocr: Literal["auto", "on", "off"] = Field(
        "auto", description="Reading the words in GIFs: auto (where the extra ocr is installed), on or off."
    )
    qdrant_url: str = Field("", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$", description="A Qdrant server's address.")
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="Key of the Qdrant server.")
    qdrant_shards: int = Field(
        0, ge=0, le=1024, description="Shards of a new Qdrant collection; 0 leaves it to Qdrant."
    )
    qdrant_replicas: int = Field(1, ge=1, le=64, description="Copies of each shard of a new Qdrant collection.")
    qdrant_quantization: Literal["none", "scalar", "binary"] = Field(
        "scalar", description="What Qdrant keeps in memory of a vector: all of it, a byte or a bit a number."
    )
    giphy_api_key: SecretStr = Field(SecretStr(""), description="Key of GIPHY's API; with one, GIPHY is searched.")
    klipy_api_key: SecretStr = Field(SecretStr(""), description="Key of Klipy's API; with one, Klipy is searched.")
    providers: Literal["all", "giphy", "klipy"] = Field(
        "all", description="Which providers are searched, of those with a key; all merges them."
    )
    giphy_calls_per_hour: int = Field(100, ge=0, description="Calls that the GIPHY key allows an hour; 0: no limit.")
    klipy_calls_per_hour: int = Field(100, ge=0, description="Calls that the Klipy key allows an hour; 0: no limit.")
    giphy_keep_urls: bool = Field(False, description="Keep addresses of GIFs: only with GIPHY's approval.")
    klipy_keep_urls: bool = Field(False, description="Keep addresses of GIFs: only with Klipy's approval.")
    giphy_pingbacks: bool = Field(False, description="Tell GIPHY which GIFs are sent.")
    keep_days: float = Field(30, gt=0, le=3650, description="Days for which GIFs of providers are remembered.")
    deadline_s: float = Field(2.5, gt=0, le=30, description="Seconds in which a search is answered.")
    drain_s: float | None = Field(
        None,
        ge=0,
        le=600,
        description="Seconds for which a stopping engine answers on; empty: 5, or 0 on a loopback address.",
    )
    good_enough: float = Field(
        0.8, ge=0, le=1, description="The chance from which on a GIF that is known is answered without a provider."
    )
    max_rating: Literal["g", "pg", "pg-13", "r"] = Field("pg-13", description="Nothing rated above this is shown.")
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="What several engines share: redis://, rediss:// or unix://, or empty for an engine by itself.",
    )
    redis_cluster: bool = Field(False, description="Whether this Redis is a Cluster.")
    redis_prefix: str = Field(
        "deepgif", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="What the keys of this deployment begin with."
    )
    database_url: SecretStr = Field(
        SecretStr(""), description="What the bots keep: a PostgreSQL address, or empty for a file in the data folder."
    )
    secret: SecretStr = Field(
        SecretStr(""), description="What the bots seal and sign with, the same for all replicas; empty: made and kept."
    )
    bot_lease_s: float = Field(20, ge=1, le=600, description="Seconds after which a silent bot's work is taken over.")
    slack_bot_token: SecretStr = Field(SecretStr(""), description="The Slack bot's token (xoxb-...).")
    slack_app_token: SecretStr = Field(SecretStr(""), description="The app-level token for Socket Mode (xapp-...).")
    slack_signing_secret: SecretStr = Field(SecretStr(""), description="The signing secret for HTTP mode.")
    slack_mode: Literal["socket", "http"] = Field("socket", description="How Slack's requests come in.")
    slack_client_id: str = Field("", description="The app's client id; with one, many workspaces can install it.")
    slack_client_secret: SecretStr = Field(SecretStr(""), description="The app's client secret.")
    slack_public_url: str = Field(
        "", pattern=r"^(https?://[^\s/?#]+[^\s?#]*)?$", description="Address under which Slack reaches the bot."
    )
    slack_host: str = Field("127.0.0.1", min_length=1, description="Address the Slack bot listens on.")
    slack_port: int = Field(8720, ge=0, le=65535, description="Port the Slack bot listens on.")
    slack_api_url: str = Field(
        "https://slack.com/api/", pattern=r"^https?://[^\s?#]+/$", description="Slack's Web API; GovSlack has its own."
    )
    slack_authorize_url: str = Field(
        "https://slack.com/oauth/v2/authorize",
        pattern=r"^https?://[^\s?#]+$",
        description="Where people allow the app.",
    )
    discord_token: SecretStr = Field(SecretStr(""), description="The Discord bot's token.")
    discord_host: str = Field("127.0.0.1", min_length=1, description="Address the Discord bot listens on.")
    discord_port: int = Field(8721, ge=0, le=65535, description="Port the Discord bot listens on.")
    discord_api_url: str = Field(
        "https://discord.com/api/v10",
        pattern=r"^https?://[^\s?#]+[^\s?#/]$",
        description="Discord's API, or a proxy's.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="How much is logged. People's words are never logged at info or above."
    )
    log_format: Literal["text", "json"] = Field("text", description="Lines for people, or one JSON object a line.")

    @field_validator(
        "token",
        "giphy_api_key",
        "klipy_api_key",
        "qdrant_api_key",
        "slack_bot_token",
        "slack_app_token",
        "slack_signing_secret",
        "slack_client_secret",
        "discord_token",
    )
    @classmethod
    def _plain_token(cls, token: SecretStr) -> SecretStr:
        if not all("!" <= character <= "~" for character in token.get_secret_value()):
            raise ValueError("must have only plain letters, digits and signs, without spaces")
        return token

    @field_validator("redis_url")
    @classmethod
    def _address_of_redis(cls, url: SecretStr) -> SecretStr:
        if not re.fullmatch(r"((rediss?|unix)://\S+)?", url.get_secret_value()):
            raise ValueError("must begin with redis://, rediss:// or unix://, without spaces")
        return url

    @field_validator("folder", "weights_dir", "drain_s", mode="before")
    @classmethod
    def _empty_is_none(cls, given: object) -> object:
        return None if given == "" else given

    @field_validator("folder", "data_dir", "weights_dir")
    @classmethod
    def _home(cls, folder: Path | None) -> Path | None:
        return folder.expanduser() if folder is not None else None


def load_settings(**given: object) -> Settings:
    """Settings from the environment, with those of ``given`` that are not None in their place.

    Raises ``SettingsError`` naming the first setting that cannot be used; what was given is not repeated, because it
    may be a key.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        message = first["msg"].removeprefix("Value error, ")
        description = Settings.model_fields[str(first["loc"][0])].description if first["loc"] else ""
        raise SettingsError(f"{name} cannot be used: {message}. ({description})") from None
