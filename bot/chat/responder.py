"""How a reply reaches the user. Each platform has its own responder."""

from __future__ import annotations

from typing import Protocol

from deepgif.bot.chat.replies import Edit, Post, Preview
from deepgif.engine.errors import DeepGifError


class DeliveryError(DeepGifError):
    """The platform didn't accept a reply."""


class Responder(Protocol):
    """Answers one request. Every method raises ``DeliveryError``."""

    @property
    def can_repeat(self) -> bool:
        """Whether posting a second time replaces the first post."""

    async def notify(self, text: str, *, replace: bool = False) -> None:
        """Shows ``text`` to the user only, if the platform can do that. With ``replace``, it takes the place of the
        private message whose button they pressed."""

    async def dismiss(self) -> None:
        """Removes the private message whose button was pressed."""

    async def preview(self, reply: Preview) -> None:
        """Shows a GIF to the user only."""

    async def post(self, reply: Post) -> str:
        """Posts a GIF and returns the ID of its message."""

    async def edit(self, reply: Edit) -> None:
        """Shows another GIF in a message that was posted."""

    async def show_controls(self, reply: Post | Edit, message: str) -> None:
        """Shows the user the buttons for their post, unless they are part of it."""

    async def delete(self, message: str) -> None:
        """Deletes a message that was posted."""
