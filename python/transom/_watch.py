"""When a sequence ends for what its text says, or for the time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from transom._generation_config import Settings
from transom._prompts import Prompt


class StopStrings:
    """Says when the text of new tokens holds one of some strings.

    The string may begin in the prompt, but ends behind it, as in transformers.
    """

    _CONTEXT = 16  # Tokens of the prompt that are looked at.

    def __init__(self, strings: Sequence[str], tokenizer: Any, prompt: np.ndarray):
        self.strings = strings
        self.tokenizer = tokenizer
        self.tokens = prompt[-self._CONTEXT :].tolist()
        self.begun = len(self._text())
        # A string that ends in a new token begins no earlier than that many
        # tokens before it: each has a character.
        self.reach = self._CONTEXT + max(map(len, strings))

    def _text(self) -> str:
        return self.tokenizer.decode(self.tokens)

    def hits(self, token: int) -> bool:
        """Whether a string ends with this next token."""
        self.tokens.append(token)
        text = self._text()
        for string in self.strings:
            if text.find(string, max(0, self.begun - len(string) + 1)) >= 0:
                return True
        if len(self.tokens) > 2 * self.reach:
            del self.tokens[: -self.reach]
            self.begun = len(self._text())
        return False


class Watch:
    """Ends sequences by their text or by the time, whichever is asked for."""

    def __init__(self, settings: Settings, prompts: Sequence[Prompt]):
        self.deadline = None
        if settings.max_time is not None:
            self.deadline = time.monotonic() + settings.max_time
        self.stops = [
            StopStrings(settings.stop_strings, settings.tokenizer, prompt.tokens)
            for prompt in (prompts if settings.stop_strings else [])
        ]

    def ends(self, prompt: int, token: int) -> bool:
        """Whether a sequence ends with this token."""
        if self.stops and self.stops[prompt].hits(token):
            return True
        return self.deadline is not None and time.monotonic() >= self.deadline
