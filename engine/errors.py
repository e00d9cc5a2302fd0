"""The engine's errors.

    DeepGifError
    ├── InvalidRequestError      the query or an option is invalid
    ├── MediaError               a GIF's file is refused or unreadable
    ├── ModelError               the model is missing or damaged
    ├── NotFoundError            no such GIF, or no such folder
    ├── NotReadyError            the engine is starting or shutting down
    ├── OverloadedError          a queue is full, or the deadline passed
    ├── UnauthorizedError        the bearer token is missing or wrong
    ├── IndexUnavailableError    the index server is down or refuses
    ├── StoreError               stored data cannot be used
    ├── ProviderError            a GIF provider is down or refuses
    │   ├── QuotaError           the provider's hourly quota is used up
    │   └── CircuitOpenError     the provider failed several times in a row
    ├── ListenError              the engine cannot listen on its host and port
    └── EngineUnavailableError   (client side) the engine is not reachable

Every ``DeepGifError`` has a clear message that may be shown to users; the cause is in ``__cause__`` and is logged.
"""


class DeepGifError(Exception):
    """Base of all errors whose message may be shown to users."""


class InvalidRequestError(DeepGifError):
    """The query or an option is invalid."""


class MediaError(DeepGifError):
    """A GIF's file is refused (too large, too many frames, ...) or cannot be decoded."""


class ModelError(DeepGifError):
    """The model is missing or damaged."""


class NotFoundError(DeepGifError):
    """There is no such GIF, or no such folder."""


class NotReadyError(DeepGifError):
    """The engine is starting or shutting down."""


class OverloadedError(DeepGifError):
    """A queue is full, or the deadline passed."""


class UnauthorizedError(DeepGifError):
    """The bearer token is missing or wrong."""


class ProviderError(DeepGifError):
    """A GIF provider is down or refuses."""


class QuotaError(ProviderError):
    """The provider's hourly quota is used up; calls are possible again in ``minutes``."""

    def __init__(self, provider: str, minutes: int) -> None:
        plural = "s" if minutes > 1 else ""
        super().__init__(f"The hourly quota for {provider} is nearly used up. Try again in {minutes} minute{plural}.")
        self.minutes = minutes


class CircuitOpenError(ProviderError):
    """The provider failed several times in a row, so it is not called for a while."""

    def __init__(self, provider: str) -> None:
        super().__init__(f"{provider} failed several times in a row. DeepGIF will try it again in a moment.")


class IndexUnavailableError(DeepGifError):
    """The index server is down or refuses."""


class StoreError(DeepGifError):
    """Stored data cannot be used."""


class ListenError(DeepGifError):
    """The engine cannot listen on its host and port."""


class EngineUnavailableError(DeepGifError):
    """The engine is not reachable, or did not answer in time."""
