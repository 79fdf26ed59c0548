"""Text to token ids: `tokenizers`, with the files that a model comes with."""

from __future__ import annotations

import json
import pathlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union

import tokenizers

from transom import _files, _tokenizer_classes, _tokenizer_settings

#: One text, a pair of texts, or words; what `tokenizers` calls an input.
Text = Union[str, tuple[str, str], Sequence[str]]

# What stands for bytes that are not a character.
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# transformers writes 1e30 where a tokenizer has no maximum.
_NO_MAXIMUM = 10**9

# transformers' name for cleaning up what BPE decodes, too.
_CLEAN_UP_BPE = (
    "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
)


def _maximum(settings: _tokenizer_settings.Settings) -> int | None:
    """The longest sequence that the tokenizer's files allow."""
    arguments = settings.arguments
    key = "model_max_length" if "model_max_length" in arguments else "max_len"
    maximum = arguments.get(key)
    if maximum is None:
        return None
    if isinstance(maximum, bool) or not isinstance(maximum, (int, float)):
        settings.refuse(key, "a number")
    if maximum < 1:
        settings.refuse(key, "1 or more")
    return int(maximum) if maximum < _NO_MAXIMUM else None


class Tokenizer:
    """The tokenizer of a model, with the ids of transformers' AutoTokenizer.

    Truncation and padding that tokenizer.json has recorded are switched off:
    they are what it was last used with, and no part of the model.

    Args:
        folder: holds tokenizer.json and what else the model has.
        model: the model's config.json, by which transformers chooses the tokenizer's
            class, if there is none in the folder.

    Raises:
        FileNotFoundError: there is no tokenizer.json.
        ValueError: a file is broken, or says what is not supported.
    """

    def __init__(self, folder: pathlib.Path, model: Mapping[str, Any] | None = None):
        model = _files.read_object(folder, "config.json") or model or {}
        settings = _tokenizer_settings.read(folder)
        self.backend, self.special = _tokenizer_classes.make(settings, model)
        self.model_max_length = _maximum(settings)
        side = settings.arguments.get("truncation_side", "right")
        if side not in ("left", "right"):
            settings.refuse("truncation_side", "left, right")
        self._truncation_side: str = side
        clean_up = settings.flag_or_null("clean_up_tokenization_spaces")
        forced = settings.arguments.get(_CLEAN_UP_BPE)
        is_bpe = isinstance(self.backend.model, tokenizers.models.BPE)
        self._cleans_up = bool(clean_up)
        self._can_clean_up = bool(forced) or not is_bpe
        # A Tokenizer holds its truncation as state, so each one in use has its
        # own: threads must not change it under each other's hands.
        self._truncating: dict[tuple[int, int, str], tokenizers.Tokenizer] = {}
        self._lock = threading.Lock()

    def lower(self) -> None:
        """From now on texts are lower-cased before all else."""
        normalizers = tokenizers.normalizers
        old: Any = self.backend.normalizer
        is_sequence = isinstance(old, normalizers.Sequence)
        steps: list[Any] = [*old] if is_sequence else [old]
        if not any(isinstance(step, normalizers.Lowercase) for step in steps):
            steps = [normalizers.Lowercase(), *filter(None, steps)]
            self.backend.normalizer = normalizers.Sequence(steps)

    def frame(self, start: str, delimiter: str | None, extract: str) -> None:
        """From now on texts are `start` text `extract`, and pairs `start` text
        `delimiter` text `extract`, whatever the tokenizer's own template is.
        Without a delimiter pairs are as texts that are one.
        """

        def special(token: str) -> dict[str, Any]:
            return {"SpecialToken": {"id": token, "type_id": 0}}

        def text(name: str) -> dict[str, Any]:
            return {"Sequence": {"id": name, "type_id": 0}}

        between = [] if delimiter is None else [special(delimiter)]
        tokens = {}
        for token in filter(None, (start, delimiter, extract)):
            number = self.backend.token_to_id(token)
            if number is None:
                raise ValueError(f"{token!r} is not a token of this model")
            tokens[token] = {"id": token, "ids": [number], "tokens": [token]}
        empty = tokenizers.Tokenizer(tokenizers.models.BPE())
        description = json.loads(empty.to_str())
        description["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [special(start), text("A"), special(extract)],
            "pair": [
                special(start), text("A"), *between, text("B"), special(extract)
            ],
            "special_tokens": tokens,
        }  # fmt: skip
        framing = tokenizers.Tokenizer.from_str(json.dumps(description))
        self.backend.post_processor = framing.post_processor

    def token_id(self, kind: str) -> int | None:
        """The id of "mask_token", "pad_token", ...; None if there is none."""
        return self.special.id(kind)

    def encode(
        self,
        texts: Sequence[Text],
        max_length: int | None = None,
        stride: int = 0,
        strategy: str = "longest_first",
        add_special_tokens: bool = True,
        words: bool = False,
    ) -> list[tokenizers.Encoding]:
        """One encoding for each text.

        Args:
            max_length: longer ones are cut, special tokens included in the
                count; what was cut off is in `encoding.overflowing`.
            stride: how many tokens the parts have in common.
            strategy: what is cut of a pair: "longest_first", "only_first" or
                "only_second".
            words: each text is a list of words.
        """
        backend = self.backend
        if max_length is not None:
            key = (max_length, stride, strategy)
            with self._lock:
                if key not in self._truncating:
                    copy = self.special.copy_of(backend)
                    copy.enable_truncation(
                        max_length,
                        stride=stride,
                        strategy=strategy,
                        direction=self._truncation_side,
                    )
                    self._truncating[key] = copy
                backend = self._truncating[key]
        return backend.encode_batch(
            list(texts), is_pretokenized=words, add_special_tokens=add_special_tokens
        )

    def decode(
        self,
        ids: Sequence[int],
        skip_special_tokens: bool = False,
        clean_up: bool | None = None,
    ) -> str:
        """The text of ids; `clean_up`: without spaces before marks. Default: as
        tokenizer_config.json says."""
        text = self.backend.decode(ids, skip_special_tokens=skip_special_tokens)
        if clean_up is None:
            clean_up = self._cleans_up
        if clean_up and self._can_clean_up:
            for mark in (".", "?", "!", ","):
                text = text.replace(" " + mark, mark)
            text = text.replace(" ' ", "'")
            for ending in ("n't", "'m", "'s", "'ve", "'re"):
                text = text.replace(" " + ending, ending)
        return text

    def join(self, tokens: Sequence[str]) -> str:
        """The text that tokens stand for."""
        decoder = self.backend.decoder
        return decoder.decode(list(tokens)) if decoder else " ".join(tokens)


class TextStream:
    """The text of tokens that come one after the other.

    The text is that of all tokens decoded at once. A piece is held back while a later
    token may change it: while it ends with bytes that are not a whole character.

    Args:
        decode: the text of token ids.
        prompt: the ids before the first one.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], prompt: Sequence[int]):
        self._decode = decode
        # How a token reads may depend on the one before it, so what is new is found by
        # decoding the last piece's tokens, too: `_ids` up to `_read`. They begin where
        # a piece began. Anywhere else they might begin within a character, whose bytes
        # spoil all others in a row with them: the decoder for bytes gives one mark of
        # replacement for each.
        self._ids = list(prompt)
        self._read = len(self._ids)

    def put(self, token: int) -> str:
        """The text that is sure with this token; may be empty."""
        self._ids.append(token)
        text = self._new()
        if not text or text.endswith(_REPLACEMENT):
            return ""
        if not self._old().endswith(_REPLACEMENT):
            del self._ids[: self._read]
        self._read = len(self._ids)
        return text

    def end(self) -> str:
        """What was held back."""
        text = self._new()
        self._read = len(self._ids)
        return text

    def _old(self) -> str:
        return self._decode(self._ids[: self._read])

    def _new(self) -> str:
        # A prompt may end within a character.
        old = self._old().rstrip(_REPLACEMENT)
        return self._decode(self._ids)[len(old) :]
