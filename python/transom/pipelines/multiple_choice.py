"""The best of several continuations of a text."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._tokenizer import Text
from transom.pipelines import _base


class MultipleChoice(_base.Framed):
    """pipeline("multiple-choice", library)

    An item is {"text": ..., "choices": [...]}. Each choice is put to the model
    as a pair (text, choice); the answer is a dict with "index", "choice" and
    "score", a softmax over the choices, or with `top_k` a list of them, best
    first. A classifier of one label gives a logit for each choice, too, and so do
    double heads, at the last token.
    """

    tasks = ("multiple-choice", "text-classification", "double-heads")

    @dataclasses.dataclass(frozen=True)
    class Parameters(_base.TokenizerParameters):
        """
        top_k: how many choices, best first; None: all.
        truncation, max_length, add_special_tokens: the tokenizer's.
        """

        top_k: int | None | str = ""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.output = "mc_logits" if "mc_logits" in self.library.outputs else "logits"
        width = self.library.outputs[self.output]["dims"][1:]
        if width not in ([], [1]):
            raise ValueError(
                f"{self.library.path}: expects one logit for each choice, and the "
                f"model has {width[0]}"
            )

    def framed_texts(self, item: Any) -> list[Text]:
        if isinstance(item, dict) and set(item) == {"text", "choices"}:
            choices = item["choices"]
            if isinstance(choices, list) and choices:
                return [(item["text"], choice) for choice in choices]
        raise ValueError(
            'expects {"text": ..., "choices": [...]} with at least one choice, '
            f"got {item!r:.80}"
        )

    def forward(self, encodings: list[Encoding], parameters: Parameters) -> np.ndarray:
        return self.run_sequences(encodings, self.output).reshape(-1)

    def postprocess(self, results: _base.Results, parameters: Parameters) -> Any:
        scores = _base.softmax(np.array(results.values))
        order = np.argsort(-scores, kind="stable").tolist()
        ranked = [
            {
                "index": i,
                "choice": results.item["choices"][i],
                "score": scores[i].item(),
            }
            for i in order
        ]
        if isinstance(parameters.top_k, str):
            return ranked[0]
        return ranked[: parameters.top_k]
