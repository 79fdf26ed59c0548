"""What pipelines that generate text share: options, prefix, streams."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom import _engine
from transom._generation_config import Settings, merge
from transom._prompts import Prompt
from transom._tokenizer import TextStream
from transom.pipelines import _base

# What transformers' pipelines do where neither user nor model says otherwise.
_NEW_TOKENS = 256


@dataclasses.dataclass(frozen=True)
class GeneratingParameters(_base.TokenizerParameters):
    """
    return_tensors: "..._token_ids" in place of the text.
    skip_special_tokens: whether the text leaves them out.
    truncation, max_length, add_special_tokens: the tokenizer's.
    """

    return_tensors: bool = False
    skip_special_tokens: bool = True
    generation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)


class Generating(_base.Pipeline):
    """A pipeline whose options are its own parameters, and those of
    `Library.generate`."""

    Parameters = GeneratingParameters

    def __init__(
        self,
        library: Any,
        tokenizer: Any = None,
        batch_size: int = 32,
        progress: bool | None = None,
        **options: Any,
    ):
        super().__init__(library, tokenizer, batch_size, progress)
        self.defaults = self.given(options)
        # At once, so that wrong options are an error here.
        self.settings(self.defaults, 1)

    # What subclasses define.

    def values(self, parameters: Any, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of `generate`; `given` are those of the user."""
        raise NotImplementedError

    def prompt(self, encoding: Encoding, parameters: Any) -> Prompt:
        """What the new tokens of a text follow."""
        raise NotImplementedError

    # What they have.

    def decode(self, parameters: Any, ids: Sequence[int]) -> str:
        """The text of an answer."""
        return self.tokenizer.decode(ids, parameters.skip_special_tokens)

    def given(self, options: dict[str, Any]) -> Any:
        """The parameters of a call; what is none of ours is for `generate`."""
        names = {field.name for field in dataclasses.fields(self.Parameters)}
        names -= {"generation", "numbers"}
        own = {k: v for k, v in options.items() if k in names}
        rest = set(options) - names - {"batch_size", "progress"}
        return dataclasses.replace(
            self.defaults,
            **own,
            generation={**self.defaults.generation, **{k: options[k] for k in rest}},
            # Each text of a call draws numbers of its own.
            numbers=itertools.count(),
        )

    def settings(self, parameters: Any, length: int) -> Settings:
        """How so many tokens are continued."""
        given = dict(parameters.generation)
        if parameters.max_length is not None:
            given["max_length"] = parameters.max_length
        given.setdefault("tokenizer", self.tokenizer)
        values = self.values(parameters, given)
        if values["max_new_tokens"] is None and values["max_length"] is None:
            values["max_new_tokens"] = _NEW_TOKENS
            if self.library.max_positions is not None:
                room = self.library.max_positions + 1 - length
                values["max_new_tokens"] = max(1, min(_NEW_TOKENS, room))
        return Settings.of(values)

    def merged(
        self,
        given: Mapping[str, Any],
        defaults: Mapping[str, Any],
        task: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """All arguments of `generate`; see `_generation_config.merge`."""
        given = dict(given)
        config = given.pop("generation_config", None)
        model = self.library.metadata.get("generation_config", {})
        pad = self.tokenizer.token_id("pad_token")
        return merge(model, config, given, {"pad_token_id": pad, **defaults}, task)

    def forward(
        self, encodings: list[Encoding], parameters: Any
    ) -> Sequence[tuple[Prompt, list[np.ndarray]]]:
        """For each encoding its prompt, and its sequences' new ids."""
        prompts = [self.prompt(encoding, parameters) for encoding in encodings]
        settings = [self.settings(parameters, len(p.tokens)) for p in prompts]
        # The same seed for all of a call; streams set texts apart.
        settings = [
            dataclasses.replace(own, stream=next(parameters.numbers) << 32)
            for own in settings
        ]
        new = _engine.generate_each(self.library, prompts, settings)
        return list(zip(prompts, new))

    def stream(self, text: Any, **options: Any) -> Iterator[str]:
        """Answers one text; gives the new text piece by piece, as it comes.
        Who stops reading stops the generation. There are no beams."""
        parameters = self.given(options)
        (encodings,) = self.encode([text], parameters)
        prompt = self.prompt(encodings[0], parameters)
        settings = self.settings(parameters, len(prompt.tokens))
        settings.check_streamed()
        ids = _engine.stream_prompt(self.library, prompt, settings)
        decode = functools.partial(self.decode, parameters)
        return self._pieces(ids, TextStream(decode, prompt.tokens.tolist()))

    @staticmethod
    def _pieces(ids: Iterator[int], stream: TextStream) -> Iterator[str]:
        for token in ids:
            piece = stream.put(token)
            if piece:
                yield piece
        piece = stream.end()
        if piece:
            yield piece
