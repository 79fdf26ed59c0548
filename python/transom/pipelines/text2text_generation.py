"""Texts made of texts by a model with an encoder and a decoder, such as T5."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._prompts import Prompt, Prompts
from transom._tokenizer import Text
from transom.pipelines import _base, _generating

# What transformers' pipelines do where neither user nor model says otherwise.
_BEAMS = 4


class Text2TextGeneration(_generating.Generating):
    """pipeline("text2text-generation", library)

    An item is a text, or a dict of named texts, which are written one after the
    other, "name: text name: text", as T5 was trained. Its answer is a list of
    dicts, one for each of num_return_sequences, with "generated_text"; as in
    transformers a list of texts with one sequence each gives a list of dicts.

    config.json may have "task_specific_params": for each of several tasks of one
    model a prefix that goes before each text, and options of `generate`. Those of
    the pipeline's own task are used, or of the one that `subtask` names.

    As in transformers, there are 4 beams and at most 256 new tokens, unless
    arguments, task_specific_params or the model's generation_config.json say
    otherwise. All options of `Library.generate` may be given, when the pipeline is
    made and in each call.
    """

    tasks = ("text2text-generation",)
    #: The pipeline's own name among task_specific_params.
    subtask = "text2text-generation"
    #: What the answer's names begin with.
    answer = "generated"

    @dataclasses.dataclass(frozen=True)
    class Parameters(_generating.GeneratingParameters):
        """
        subtask: which of task_specific_params is used.
        prefix: goes before each text. Default: the subtask's, or else that of
            config.json.
        number: whether the answer has "number", too: the text read as one, or None
            if it is none. A step, such as 0.2 for STS-B, rounds it to a multiple.
            Default: that of the subtask, if it says so.
        return_tensors: "generated_token_ids", the decoder's start included, in
            place of the text.
        skip_special_tokens: whether the text leaves them out.
        clean_up_tokenization_spaces: whether it has no spaces before marks.
        stop_sequence: a sequence ends with this token, and no other.
        truncation: of the text, to the tokenizer's model_max_length.
        max_length: of the answer, as that of `generate`.
        add_special_tokens: the tokenizer's.
        """

        subtask: str | None = None
        prefix: str | None = None
        number: bool | float | None = None
        clean_up_tokenization_spaces: bool = False
        stop_sequence: str | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            step = self.number
            if step is not None and not (math.isfinite(step) and step >= 0):
                raise ValueError(f"number: expects True, False or a step, got {step!r}")

    def __call__(self, inputs: Any, **options: Any) -> Any:
        answers = super().__call__(inputs, **options)
        if isinstance(inputs, list) and all(len(answer) == 1 for answer in answers):
            return [answer[0] for answer in answers]
        return answers

    def task_name(self, parameters: Parameters) -> str | None:
        """The name of the task_specific_params to use."""
        return parameters.subtask

    def task_params(self, parameters: Parameters) -> Mapping[str, Any]:
        """What config.json says of the task."""
        known = self.library.config.get("task_specific_params") or {}
        name = self.task_name(parameters)
        if name is None:
            return known.get(self.subtask) or {}
        if name not in known:
            raise ValueError(
                "subtask: expects one of config.json's task_specific_params, "
                f"{', '.join(known) or 'which has none'}; got {name!r}"
            )
        return known[name]

    def values(
        self, parameters: Parameters, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        stop = parameters.stop_sequence
        if stop is not None:
            ids = self.tokenizer.encode([stop], add_special_tokens=False)[0].ids
            if not ids:
                raise ValueError(f"stop_sequence: expects a token, got {stop!r}")
            if len(ids) > 1:
                warnings.warn(
                    f"stop_sequence: {stop!r} is {len(ids)} tokens; the first one "
                    "ends a sequence",
                    stacklevel=2,
                )
            given = {**given, "eos_token_id": ids[0]}
        given = {k: v for k, v in given.items() if k != "decoder_input_ids"}
        return self.merged(given, {"num_beams": _BEAMS}, self.task_params(parameters))

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        prefix = parameters.prefix
        if prefix is None:
            task = self.task_params(parameters)
            prefix = task.get("prefix", self.library.config.get("prefix")) or ""
        return [prefix + _text_of(item)]

    def tokenization(self, parameters: Parameters) -> dict[str, Any]:
        own = dataclasses.replace(parameters, max_length=None)
        return own.tokenization(self.max_length())

    def prompt(self, encoding: Encoding, parameters: Parameters) -> Prompt:
        ids = np.array([encoding.ids], np.int64)
        begun = parameters.generation.get("decoder_input_ids")
        settings = self.settings(parameters, 1)
        mask = np.ones_like(ids)  # No id of a text is padding.
        prompts = Prompts.of(self.library, ids, mask, begun, None, settings)
        return prompts.each()[0]

    def decode(self, parameters: Parameters, ids: Sequence[int]) -> str:
        clean_up = parameters.clean_up_tokenization_spaces
        return self.tokenizer.decode(ids, parameters.skip_special_tokens, clean_up)

    def postprocess(
        self, results: _base.Results, parameters: Parameters
    ) -> list[dict[str, Any]]:
        prompt, sequences = results.value
        rows = [[*prompt.tokens.tolist(), *ids.tolist()] for ids in sequences]
        if parameters.return_tensors:
            return [{f"{self.answer}_token_ids": row} for row in rows]
        step = parameters.number
        if step is None:
            step = self.task_params(parameters).get("number")
        answers: list[dict[str, Any]] = []
        for row in rows:
            text = self.decode(parameters, row)
            answers.append({f"{self.answer}_text": text})
            if step:
                answers[-1]["number"] = _number_of(text, step)
        return answers

    def stream(self, text: Any, **options: Any) -> Iterator[str]:
        options.setdefault("num_beams", 1)
        return super().stream(text, **options)


def _text_of(item: Any) -> str:
    if isinstance(item, dict) and set(item) == {"text"}:
        item = item["text"]
    if isinstance(item, dict):
        texts = list(item.values())
        if texts and all(isinstance(text, str) for text in texts):
            return " ".join(f"{name}: {text}" for name, text in item.items())
    if not isinstance(item, str):
        raise ValueError(f"expects a text, or a dict of texts, got {item!r:.80}")
    return item


def _number_of(text: str, step: bool | float) -> float | None:
    """The number that a text is, as a multiple of `step`; None: it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if step is True or not math.isfinite(number / step):
        return number
    # A multiple as it is written: 3 * 0.2 is not 0.6.
    return float(f"{round(number / step) * step:.12g}")
