"""What goes wrong while a message is translated."""

from __future__ import annotations


class PrintError(ValueError):
    """A message that has no JSON form; the text is the C++ library's."""


class TranscodingError(ValueError):
    """What the client is told instead of an answer; `code` is the name of the status code in the response details."""

    def __init__(self, text: str, code: str = "INVALID_ARGUMENT", status: int = 400) -> None:
        super().__init__(text)
        self.code = code
        self.status = status
