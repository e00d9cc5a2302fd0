"""All settings, from environment variables or a ``.env`` file. Only entry points read them.

The variable of a setting is ``DEEPGIF_`` and its name in capitals; ``deepgif.config.reference`` prints them all.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "DEEPGIF_"
MIN_KEY_LENGTH = 16
_URL = r"^(https?://[^\s/?#]+[^\s?#]*)?$"
_ENV_FILE = ".env"
# Variables that Kubernetes and Docker set for a service whose name begins with deepgif.
_SERVICE_LINK = re.compile(r".*_(SERVICE_(HOST|PORT).*|PORT_\d+_.*|NAME)")


class SettingsError(Exception):
    """A setting is wrong; the message names it and says what it must be."""


def default_data_dir() -> Path:
    """The user's data folder (XDG Base Directory Specification 0.8)."""
    base = os.environ.get("XDG_DATA_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / "deepgif"


class Settings(BaseSettings):
    """All settings with their defaults; frozen."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=_ENV_FILE, extra="ignore", frozen=True)

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Address that the engine listens on. Any address but loopback requires DEEPGIF_ENGINE_TOKEN.",
    )
    port: int = Field(8710, ge=0, le=65535, description="Port that the engine listens on; 0 picks a free one.")
    public_url: str = Field(
        "",
        pattern=_URL,
        description="Base URL at which others reach the engine, such as "
        "https://gifs.example.org. Chat platforms load local GIFs from there.",
    )
    engine_url: str = Field(
        "",
        pattern=_URL,
        description="The engine that bots and the command line use. Empty: bots use "
        "http://127.0.0.1:8710, and the command line loads the model itself.",
    )
    engine_token: SecretStr = Field(
        SecretStr(""),
        description="Bearer token that the engine requires and its clients send, "
        "such as the output of: openssl rand -hex 32",
    )
    model: str = Field(
        "small",
        min_length=1,
        description="A bundled model (small, small_motion, clip_vit_b_32, "
        "siglip2_b_16) or a bundle's folder. To change it later, see: deepgif reindex --help",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|onnxruntime|all|cuda(:\d{1,2})?(,cuda:\d{1,2})*)$",
        description="Where the model runs: auto (the first GPU, if any), cpu, onnxruntime (CPU, faster; needs the "
        "extra onnx), cuda:1, several GPUs (cuda:0,cuda:1) or all.",
    )
    threads: int = Field(0, ge=0, le=1024, description="CPU threads for the model; 0 uses one per core.")
    data_dir: Annotated[Path, NoDecode] = Field(
        default_factory=default_data_dir,
        description="Folder for DeepGIF's databases, downloaded weights and the bots' generated key.",
    )
    folder: Annotated[Path | None, NoDecode] = Field(
        None,
        description="Folder with your own GIFs and animated WebPs. Empty: "
        "the bundled catalogue, unless a provider has a key.",
    )
    weights_dir: Annotated[Path | None, NoDecode] = Field(
        None, description="Folder for published weights that some models need. Empty: weights in the data folder."
    )
    local_answer_min_confidence: float = Field(
        0.8,
        ge=0,
        le=1,
        description="If the best indexed GIF is at least this likely "
        "to match, it is returned without calling a provider.",
    )
    search_deadline_seconds: float = Field(
        2.5, gt=0, le=30, description="Time limit for a search; after it, the best answer so far is returned."
    )
    max_rating: Literal["g", "pg", "pg-13", "r"] = Field("pg-13", description="Highest rating of GIFs that are shown.")
    shutdown_drain_seconds: float | None = Field(
        None,
        ge=0,
        le=600,
        description="On SIGTERM, how long the engine keeps "
        "answering while /readyz returns 503, so that load balancers stop sending requests. "
        "Empty: 5, or 0 on loopback.",
    )
    index: Literal["auto", "exact", "compact", "qdrant"] = Field(
        "auto",
        description="How embeddings are searched: exact "
        "compares all (float32), compact preselects by sign bits and keeps float16, auto is exact up to 100,000 GIFs "
        "and on GPUs, qdrant uses a Qdrant server (needs the extra qdrant).",
    )
    ocr: Literal["auto", "on", "off"] = Field(
        "auto", description="Reads the words in GIFs, to find them by. auto does so if the extra ocr is installed."
    )
    qdrant_url: str = Field("", pattern=_URL, description="Qdrant server, such as http://127.0.0.1:6333")
    qdrant_api_key: SecretStr = Field(SecretStr(""), description="API key of the Qdrant server.")
    qdrant_shards: int = Field(0, ge=0, le=1024, description="Shards of a new collection; 0 lets Qdrant decide.")
    qdrant_replicas: int = Field(1, ge=1, le=64, description="Replicas of each shard of a new collection.")
    qdrant_quantization: Literal["none", "scalar", "binary"] = Field(
        "scalar",
        description="What Qdrant keeps in memory per "
        "dimension of a new collection: a float (none), a byte (scalar) or a bit (binary). The best matches "
        "are rescored.",
    )
    giphy_api_key: SecretStr = Field(SecretStr(""), description="GIPHY API key (developers.giphy.com); enables GIPHY.")
    klipy_api_key: SecretStr = Field(SecretStr(""), description="Klipy API key (partner.klipy.com); enables Klipy.")
    providers: Literal["all", "giphy", "klipy"] = Field(
        "all", description="Which of the providers with a key are searched."
    )
    giphy_calls_per_hour: int = Field(100, ge=0, description="Hourly quota of the GIPHY key; 0 means no limit.")
    klipy_calls_per_hour: int = Field(100, ge=0, description="Hourly quota of the Klipy key; 0 means no limit.")
    giphy_cache_urls: bool = Field(False, description="Store GIPHY's media URLs. Only with GIPHY's approval.")
    klipy_cache_urls: bool = Field(False, description="Store Klipy's media URLs. Only with Klipy's approval.")
    giphy_pingbacks: bool = Field(False, description="Report posted GIFs to GIPHY.")
    provider_cache_ttl_days: float = Field(
        30, gt=0, le=3650, description="How many days IDs, titles, tags and embeddings of providers' GIFs are stored."
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="Redis or Valkey that several engines share, such as "
        "redis://:PASSWORD@HOST:6379/0, rediss://... or unix://... (needs the extra redis). Empty: a single engine.",
    )
    redis_cluster: bool = Field(False, description="Whether it is a Redis Cluster.")
    redis_prefix: str = Field("deepgif", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="Prefix of all Redis keys.")
    bot_database_url: SecretStr = Field(
        SecretStr(""),
        description="The bots' database, such as "
        "postgresql://USER:PASSWORD@HOST/NAME (needs the extra postgresql). Empty: an SQLite file in the data folder.",
    )
    bot_encryption_key: SecretStr = Field(
        SecretStr(""),
        description="Key that encrypts what the bots store and signs their "
        "buttons; at least 16 characters, the same for all replicas. Empty: generated and stored in the data folder.",
    )
    bot_lease_seconds: float = Field(
        20, ge=1, le=600, description="If a bot stops responding for this long, another replica takes over its jobs."
    )
    slack_bot_token: SecretStr = Field(SecretStr(""), description="Bot token (xoxb-...).")
    slack_app_token: SecretStr = Field(SecretStr(""), description="App-level token for Socket Mode (xapp-...).")
    slack_mode: Literal["socket", "http"] = Field(
        "socket", description="How Slack delivers events. http needs the signing secret and a public URL."
    )
    slack_signing_secret: SecretStr = Field(SecretStr(""), description="Signing secret, for http mode.")
    slack_client_id: str = Field(
        "", description="Client ID of the app, to install it in many workspaces; replaces the bot token."
    )
    slack_client_secret: SecretStr = Field(SecretStr(""), description="Client secret of the app, with the client ID.")
    slack_public_url: str = Field(
        "", pattern=_URL, description="Base URL at which Slack reaches the bot, such as https://bot.example.org"
    )
    slack_host: str = Field(
        "127.0.0.1", min_length=1, description="Address that the Slack bot listens on, for metrics and http mode."
    )
    slack_port: int = Field(8720, ge=0, le=65535, description="Port that the Slack bot listens on.")
    slack_api_url: str = Field(
        "https://slack.com/api/",
        pattern=r"^https?://[^\s?#]+/$",
        description="Base URL of Slack's Web API; GovSlack has its own.",
    )
    slack_authorize_url: str = Field(
        "https://slack.com/oauth/v2/authorize",
        pattern=r"^https?://[^\s?#]+$",
        description="Slack's OAuth page; GovSlack has its own.",
    )
    discord_token: SecretStr = Field(SecretStr(""), description="Bot token.")
    discord_host: str = Field(
        "127.0.0.1", min_length=1, description="Address that the Discord bot listens on, for metrics."
    )
    discord_port: int = Field(8721, ge=0, le=65535, description="Port that the Discord bot listens on.")
    discord_api_url: str = Field(
        "https://discord.com/api/v10",
        pattern=r"^https?://[^\s?#]+[^\s?#/]$",
        description="Base URL of Discord's API, or of a proxy.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe level that is logged. Search queries are never logged at info or above."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Log lines for people, or one JSON object per line."
    )

    @field_validator(
        "engine_token",
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
            raise ValueError("must consist of ASCII letters, digits and punctuation, without spaces")
        return token

    @field_validator("bot_encryption_key")
    @classmethod
    def _long_enough(cls, key: SecretStr) -> SecretStr:
        if 0 < len(key.get_secret_value()) < MIN_KEY_LENGTH:
            raise ValueError(
                f"must have at least {MIN_KEY_LENGTH} characters, such as the output of: openssl rand -hex 32"
            )
        return key

    @field_validator("redis_url")
    @classmethod
    def _redis_scheme(cls, url: SecretStr) -> SecretStr:
        if not re.fullmatch(r"((rediss?|unix)://\S+)?", url.get_secret_value()):
            raise ValueError("must start with redis://, rediss:// or unix:// and have no spaces")
        return url

    @field_validator("folder", "weights_dir", "shutdown_drain_seconds", mode="before")
    @classmethod
    def _empty_is_none(cls, given: object) -> object:
        return None if given == "" else given

    @field_validator("folder", "data_dir", "weights_dir")
    @classmethod
    def _home(cls, folder: Path | None) -> Path | None:
        return folder.expanduser() if folder is not None else None


def load_settings(**given: object) -> Settings:
    """Settings from the environment; values of ``given`` that are not None override them.

    Raises ``SettingsError`` naming the first setting that is wrong. Its value, which may be a key, is not repeated.
    """
    _check_names()
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
        message = first["msg"].removeprefix("Value error, ")
        description = Settings.model_fields[str(first["loc"][0])].description if first["loc"] else ""
        raise SettingsError(f"{name} is wrong: {message[0].lower()}{message[1:]}. ({description})") from None


def _check_names() -> None:
    """Raises ``SettingsError`` for a variable that looks like a setting but is none."""
    known = [name.upper() for name in Settings.model_fields]
    values = {name.upper(): value or "" for name, value in {**dotenv_values(_ENV_FILE), **os.environ}.items()}
    for name in sorted(values):
        setting = name.removeprefix(PREFIX)
        linked = _SERVICE_LINK.fullmatch(name) or values[name].startswith(("tcp://", "udp://"))
        if setting != name and setting not in known and not linked:
            nearest = get_close_matches(setting, known, 1)
            hint = f"Did you mean {PREFIX}{nearest[0]}?" if nearest else "config/example.env lists all settings."
            raise SettingsError(f"There is no setting {name}. {hint}")
