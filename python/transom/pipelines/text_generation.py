"""Texts continued."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._prompts import Prompt
from transom._tokenizer import Text
from transom.pipelines import _base, _generating

# What transformers' pipeline does where neither user nor model says otherwise.
_TEMPERATURE = 0.7


class TextGeneration(_generating.Generating):
    """pipeline("text-generation", library)

    An item is a text, or {"text": ...}; its answer a list of dicts, one for each
    of num_return_sequences, with "generated_text", the text and what follows it.

    As in transformers, 256 tokens are drawn at temperature 0.7, unless arguments
    or the model's generation_config.json say otherwise; here no more than the
    model has positions for. All options of `Library.generate` may be given, when
    the pipeline is made and in each call.
    """

    tasks = ("text-generation", "double-heads")

    @dataclasses.dataclass(frozen=True)
    class Parameters(_generating.GeneratingParameters):
        """
        return_full_text: whether the answer begins with the item's text.
        return_tensors: "generated_token_ids", prompt included, in place of the
            text.
        prefix: goes before each text, and is not part of the answer.
        stop_sequence: a text or texts; a sequence ends with one of them.
        handle_long_generation: "hole": of a prompt that leaves no room for the
            new tokens the end is taken.
        skip_special_tokens: whether the text leaves them out.
        truncation, max_length, add_special_tokens: the tokenizer's; max_length
            is that of `generate`, too.
        """

        return_full_text: bool = True
        prefix: str = ""
        stop_sequence: str | Sequence[str] | None = None
        handle_long_generation: str | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            if self.handle_long_generation not in (None, "hole"):
                raise ValueError(
                    'handle_long_generation: expects None or "hole", got '
                    f"{self.handle_long_generation!r}"
                )

    def values(
        self, parameters: Parameters, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        if parameters.stop_sequence is not None:
            given = {**given, "stop_strings": parameters.stop_sequence}
        return self.merged(given, {"do_sample": True, "temperature": _TEMPERATURE})

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        return [parameters.prefix + _text_of(item)]

    def prompt(self, encoding: Encoding, parameters: Parameters) -> Prompt:
        ids = np.array(encoding.ids, np.int64)
        settings = self.settings(parameters, len(ids))
        if len(ids) == 0:
            if settings.bos_token_id is None:
                raise ValueError("expects a text, since the model has no bos_token_id")
            return Prompt(np.array([settings.bos_token_id]))
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
        return Prompt(ids)

    def postprocess(
        self, results: _base.Results, parameters: Parameters
    ) -> list[dict[str, Any]]:
        prompt, sequences = results.value
        if parameters.return_tensors:
            return [
                {"generated_token_ids": [*prompt.tokens.tolist(), *ids.tolist()]}
                for ids in sequences
            ]
        begin = _text_of(results.item) if parameters.return_full_text else ""
        return [
            {"generated_text": begin + self.decode(parameters, ids.tolist())}
            for ids in sequences
        ]


def _text_of(item: Any) -> str:
    if isinstance(item, dict) and set(item) == {"text"}:
        item = item["text"]
    if not isinstance(item, str):
        raise ValueError(f'expects a text, or {{"text": ...}}, got {item!r:.80}')
    return item
