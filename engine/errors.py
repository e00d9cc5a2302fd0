"""What can go wrong, in words a person may read.

    DeepGifError
    ├── InvalidRequestError      the words or the options cannot be searched with
    ├── MediaError               the bytes of one GIF are refused or unreadable
    ├── ModelError               the model is missing or damaged
    ├── NotFoundError            no such GIF, or no such folder
    ├── NotReadyError            the engine is still loading, or closing down
    ├── OverloadedError          more work is waiting than the queue holds
    ├── UnauthorizedError        the bearer token is missing or wrong
    ├── IndexUnavailableError    the server that holds the index does not answer, or refuses
    ├── StoreError               what is kept on disk cannot be used
    ├── ProviderError            a provider of GIFs does not answer, or refuses
    │   ├── BudgetError          no call to the provider may be made at present
    │   └── RestingError         the provider has failed several times and is left alone
    ├── ListenError              the address cannot be listened on
    └── EngineUnavailableError   (client side) the engine does not answer

The text of every ``DeepGifError`` is one clear sentence that may be shown to whoever asked; causes go into
``__cause__`` and from there into the log.
"""


class DeepGifError(Exception):
    """Base of all errors whose text may be shown to a person."""


class InvalidRequestError(DeepGifError):
    """The words or the options cannot be searched with."""


class MediaError(DeepGifError):
    """The bytes of one GIF are refused (too large, too many frames, ...) or cannot be decoded."""


class ModelError(DeepGifError):
    """The model is missing or damaged."""


class NotFoundError(DeepGifError):
    """There is no such GIF, or no such folder."""


class NotReadyError(DeepGifError):
    """The engine is still loading, or closing down."""


class OverloadedError(DeepGifError):
    """More work is waiting than the queue holds."""


class UnauthorizedError(DeepGifError):
    """The bearer token is missing or wrong."""


class ProviderError(DeepGifError):
    """A provider of GIFs does not answer, or refuses."""


class QuotaError(ProviderError):
    """No call to the provider may be made at present: its hourly allowance is used up. ``minutes`` is when one may."""

    def __init__(self, provider: str, minutes: int) -> None:
        plural = "s" if minutes > 1 else ""
        super().__init__(
            f"The hourly allowance of calls to {provider} is nearly used up; more come back within {minutes} "
            f"minute{plural}."
        )
        self.minutes = minutes


class CircuitOpenError(ProviderError):
    """The provider has failed several times in a row and is left alone for a moment."""

    def __init__(self, provider: str) -> None:
        super().__init__(f"{provider} has failed several times; it is asked again in a moment.")


class IndexUnavailableError(DeepGifError):
    """The server that holds the index does not answer, or refuses."""


class StoreError(DeepGifError):
    """What is kept on disk cannot be used."""


class ListenError(DeepGifError):
    """The address cannot be listened on."""


class EngineUnavailableError(DeepGifError):
    """The engine could not be reached, or did not answer in time."""
