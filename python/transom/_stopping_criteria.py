"""What ends a sequence besides its tokens: stop strings and time."""

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
        self.tokens: list[int] = prompt.tolist()
        # A string that ends in a new token begins no earlier than that many
        # tokens before it: each has a byte.
        self.reach = self._CONTEXT + max(len(s.encode()) for s in strings)
        self.begun = self._forget(self._CONTEXT)

    def _forget(self, least: int) -> int:
        """Keeps the last tokens, at least so many; returns the length of their text.
        They must not begin within a character: the decoder for bytes spoils all others
        in a row with it."""
        text = self.tokenizer.decode(self.tokens)
        start = max(0, len(self.tokens) - least)
        while start > 0:
            rest = self.tokenizer.decode(self.tokens[start:])
            if text.endswith(rest):
                text = rest
                break
            start -= 1
        del self.tokens[:start]
        # Bytes that are not a whole character yet become one of fewer marks.
        return len(text.rstrip("\N{REPLACEMENT CHARACTER}"))

    def ends_with(self, token: int) -> bool:
        """Whether a string ends with this next token."""
        self.tokens.append(token)
        text = self.tokenizer.decode(self.tokens)
        for string in self.strings:
            if text.find(string, max(0, self.begun - len(string) + 1)) >= 0:
                return True
        if len(self.tokens) > 2 * self.reach:
            self.begun = self._forget(self.reach)
        return False


class StoppingCriteria:
    """Says when a sequence ends for its text or the time, if either is bounded."""

    def __init__(self, settings: Settings, prompt: Prompt):
        self._deadline = None
        if settings.max_time is not None:
            self._deadline = time.monotonic() + settings.max_time
        self._strings = None
        if settings.stop_strings:
            self._strings = StopStrings(
                settings.stop_strings, settings.tokenizer, prompt.tokens
            )

    def ends_with(self, token: int) -> bool:
        """Whether the sequence ends with this next token."""
        if self._strings is not None and self._strings.ends_with(token):
            return True
        return self._deadline is not None and time.monotonic() >= self._deadline
