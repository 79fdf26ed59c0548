"""Labels of texts and of pairs of texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._tokenizer import Text
from transom.pipelines import _base

_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "softmax": _base.softmax,
    "sigmoid": _base.sigmoid,
    "none": lambda logits: logits,
}


class TextClassification(_base.Framed):
    """pipeline("text-classification", library)

    An item is a text or {"text": ..., "text_pair": ...}. Its answer is a dict
    with "label" and "score", or with `top_k` a list of them, best first. As in
    transformers, one text alone without `top_k` gives a list of one.
    """

    tasks: tuple[str, ...] = ("text-classification",)
    outputs: tuple[str, ...] = ("logits",)

    @dataclasses.dataclass(frozen=True)
    class Parameters(_base.TokenizerParameters):
        """
        top_k: how many labels, best first; None: all.
        function_to_apply: "softmax", "sigmoid" or "none". Default: what
            "problem_type" in config.json says, or else softmax, or sigmoid if
            there is one label.
        truncation, max_length, add_special_tokens: the tokenizer's.
        """

        # transformers' default is a third thing beside a number and None.
        top_k: int | None | str = ""
        function_to_apply: str | None = None

        def __post_init__(self) -> None:
            super().__post_init__()
            function = self.function_to_apply
            if function is not None and function.lower() not in _FUNCTIONS:
                raise ValueError(
                    f"function_to_apply: expects {', '.join(_FUNCTIONS)}, "
                    f"got {function!r}"
                )

    def __call__(self, inputs: Any, **options: Any) -> Any:
        answer = super().__call__(inputs, **options)
        single = isinstance(inputs, str) and "top_k" not in options
        return [answer] if single else answer

    def framed_texts(self, item: Any) -> list[Text]:
        return [_base.text_of(item)]

    def forward(self, encodings: list[Encoding], parameters: Parameters) -> np.ndarray:
        output = next(name for name in self.outputs if name in self.library.outputs)
        return self.run_sequences(encodings, output)

    def postprocess(self, results: _base.Results, parameters: Parameters) -> Any:
        function = parameters.function_to_apply or self.function(len(results.value))
        scores = _FUNCTIONS[function.lower()](results.value)
        if parameters.top_k == "":
            best = int(scores.argmax())
            return {"label": self.label(best), "score": scores[best].item()}
        order = np.argsort(-scores, kind="stable")[: parameters.top_k]
        return [{"label": self.label(int(i)), "score": scores[i].item()} for i in order]

    def function(self, labels: int) -> str:
        """What makes scores of the logits of a model with so many labels."""
        problem = self.library.config.get("problem_type")
        if problem == "regression":
            return "none"
        if problem == "multi_label_classification" or labels == 1:
            return "sigmoid"
        return "softmax"
