"""Texts continued."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom import _generate
from transom._generation_config import Settings, merge
from transom._tokenizer import Text, TextStream
from transom.pipelines import _base

# What transformers' pipeline does where neither user nor model says otherwise.
_NEW_TOKENS = 256
_TEMPERATURE = 0.7


class TextGeneration(_base.Pipeline):
    """pipeline("text-generation", library)

    An item is a text, or {"text": ...}; its answer a list of dicts, one for each
    of num_return_sequences, with "generated_text", the text and what follows it.

    As in transformers, 256 tokens are drawn at temperature 0.7, unless arguments
    or the model's generation_config.json say otherwise; here no more than the
    model has positions for. All options of `Library.generate` may be given, when
    the pipeline is made and in each call.
    """

    tasks = ("text-generation",)

    @dataclasses.dataclass(frozen=True)
    class Parameters(_base.TokenizerParameters):
        """
        return_full_text: whether the answer begins with the item's text.
        return_tensors: "generated_token_ids", prompt included, in place of the
            text.
        prefix: goes before each text, and is no part of the answer.
        stop_sequence: a text or texts; a sequence ends with one of them.
        handle_long_generation: "hole": of a prompt that leaves no room for the
            new tokens the end is taken.
        skip_special_tokens: whether the text leaves them out.
        truncation, max_length, add_special_tokens: the tokenizer's; max_length
            is that of `generate`, too.
        """

        return_full_text: bool = True
        return_tensors: bool = False
        prefix: str = ""
        stop_sequence: str | Sequence[str] | None = None
        handle_long_generation: str | None = None
        skip_special_tokens: bool = True
        generation: Mapping[str, Any] = dataclasses.field(default_factory=dict)
        numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.handle_long_generation not in (None, "hole"):
                raise ValueError(
                    'handle_long_generation: expects None or "hole", got '
                    f"{self.handle_long_generation!r}"
                )

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

    def settings(self, parameters: Parameters, length: int) -> Settings:
        """How a prompt of so many tokens is continued."""
        given = dict(parameters.generation)
        config = given.pop("generation_config", None)
        if parameters.max_length is not None:
            given["max_length"] = parameters.max_length
        if parameters.stop_sequence is not None:
            given["stop_strings"] = parameters.stop_sequence
        given.setdefault("tokenizer", self.tokenizer)
        model = self.library.metadata.get("generation_config", {})
        defaults = {
            "do_sample": True,
            "temperature": _TEMPERATURE,
            "pad_token_id": self.tokenizer.token_id("pad_token"),
        }
        values = merge(model, config, given, defaults)
        if values["max_new_tokens"] is None and values["max_length"] is None:
            values["max_new_tokens"] = _NEW_TOKENS
            if self.library.max_positions is not None:
                room = self.library.max_positions + 1 - length
                values["max_new_tokens"] = max(1, min(_NEW_TOKENS, room))
        return Settings.of(values)

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        return [parameters.prefix + _text_of(item)]

    def tokenization(self, parameters: Parameters) -> dict[str, Any]:
        return parameters.tokenization(self.max_length())

    def prompt(self, encoding: Encoding, parameters: Parameters) -> np.ndarray:
        """The ids of a text."""
        ids = np.array(encoding.ids, np.int64)
        settings = self.settings(parameters, len(ids))
        if len(ids) == 0:
            if settings.bos is None:
                raise ValueError("expects a text, since the model has no bos_token_id")
            return np.array([settings.bos])
        limit = self.max_length()
        if parameters.handle_long_generation == "hole" and limit is not None:
            new = settings.max_new_tokens
            if new is None:
                new = (settings.max_length or 0) - len(ids)
            if not 0 < new < limit:
                raise ValueError(
                    f"handle_long_generation: expects 1 to {limit - 1} new tokens, "
                    f"got {new}"
                )
            ids = ids[-(limit - new) :]
        return ids

    def forward(
        self, encodings: list[Encoding], parameters: Parameters
    ) -> Sequence[tuple[np.ndarray, list[np.ndarray]]]:
        """For each encoding its prompt, and its sequences' new ids."""
        prompts = [self.prompt(encoding, parameters) for encoding in encodings]
        settings = [self.settings(parameters, len(ids)) for ids in prompts]
        for own in settings:
            # The same seed for all of a call; streams set texts apart.
            own.options.stream = next(parameters.numbers) << 32
        new = _generate.generate_each(self.library, prompts, settings)
        return list(zip(prompts, new))

    def postprocess(
        self,
        item: Any,
        encodings: list[Encoding],
        results: list[tuple[np.ndarray, list[np.ndarray]]],
        parameters: Parameters,
    ) -> list[dict[str, Any]]:
        prompt, sequences = results[0]
        if parameters.return_tensors:
            return [
                {"generated_token_ids": [*prompt.tolist(), *ids.tolist()]}
                for ids in sequences
            ]
        begin = _text_of(item) if parameters.return_full_text else ""
        skip = parameters.skip_special_tokens
        return [
            {"generated_text": begin + self.tokenizer.decode(ids.tolist(), skip)}
            for ids in sequences
        ]

    def stream(self, text: Any, **options: Any) -> Iterator[str]:
        """Continues one text; gives the new text piece by piece, as it comes.
        Who stops reading stops the generation."""
        parameters = self.given(options)
        (encodings,) = self._encode([text], parameters)
        prompt = self.prompt(encodings[0], parameters)
        settings = self.settings(parameters, len(prompt))
        for name in ("num_beams", "num_return_sequences"):
            if getattr(settings, name) > 1:
                raise ValueError(f"{name}: expects 1, since one sequence is streamed")
        ids = _generate.stream_prompt(self.library, prompt, settings, None)
        return self._pieces(ids, TextStream(self.tokenizer, prompt.tolist()))

    @staticmethod
    def _pieces(ids: Iterator[int], stream: TextStream) -> Iterator[str]:
        for token in ids:
            piece = stream.put(token)
            if piece:
                yield piece
        piece = stream.end()
        if piece:
            yield piece


def _text_of(item: Any) -> str:
    if isinstance(item, dict) and set(item) == {"text"}:
        item = item["text"]
    if not isinstance(item, str):
        raise ValueError(f'expects a text, or {{"text": ...}}, got {item!r:.80}')
    return item
