"""Vectors of sentences or of tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._tokenizer import Text
from transom.pipelines import _base, _pooling


class FeatureExtraction(_base.Pipeline):
    """pipeline("feature-extraction", library)

    A text gives a vector [width], a list of texts an array [texts, width]:
    pooled and normalized as the sentence-transformers files of the model say.
    A model without such files gives vectors of tokens instead: for a text an
    array [length, width], for a list a list of them.

    Longer texts than the model allows are cut, as sentence-transformers does.
    """

    @dataclasses.dataclass(frozen=True)
    class Parameters(_base.Parameters):
        """
        pooling: "cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean",
            "lasttoken", or "none": vectors of tokens. Default: the model's.
        normalize: whether vectors have length 1. Default: the model's.
        truncation: False refuses texts that are too long.
        max_length: the longest sequence of tokens. Default: the model's.
        prompt: a text that stands before each text.
        """

        pooling: str | None = None
        normalize: bool | None = None
        truncation: bool = True
        max_length: int | None = None
        prompt: str = ""

        def __post_init__(self) -> None:
            if self.pooling not in (None, "none", *_pooling.POOLING):
                raise ValueError(
                    f"pooling: expects none, {', '.join(_pooling.POOLING)}, "
                    f"got {self.pooling!r}"
                )

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        if "last_hidden_state" not in self.library.outputs:
            raise ValueError(
                f"{self.library.path} was compiled for {self.library.task} and has no "
                'output "last_hidden_state": transom compile --task=feature-extraction'
            )
        self.model = _pooling.SentenceModel.read(self.folder)
        self.max_seq_length = self.model.max_length or self.max_length()

    def modes(self, parameters: Parameters) -> tuple[str, ...] | None:
        """How tokens are pooled; None: not at all."""
        if parameters.pooling is None:
            return self.model.modes
        return None if parameters.pooling == "none" else (parameters.pooling,)

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        if not isinstance(item, str):
            raise ValueError(f"expects a text, got {item!r:.80}")
        text = (parameters.prompt + item).strip()
        return [text.lower() if self.model.lower else text]

    def tokenization(self, parameters: Parameters) -> dict[str, Any]:
        if not parameters.truncation:
            return {}
        return {"max_length": parameters.max_length or self.max_seq_length}

    def forward(
        self, encodings: list[Encoding], parameters: Parameters
    ) -> Sequence[np.ndarray] | np.ndarray:
        modes = self.modes(parameters)
        if modes is None:
            vectors = self.run_tokens(encodings, "last_hidden_state")
            if parameters.normalize:
                vectors = [_pooling.normalized(rows) for rows in vectors]
            return vectors
        outputs, offsets = self.run(encodings, ["last_hidden_state"])
        pooled = _pooling.pool(outputs["last_hidden_state"], offsets, modes)
        normalize = parameters.normalize
        if self.model.normalize if normalize is None else normalize:
            pooled = _pooling.normalized(pooled)
        return pooled

    def postprocess(self, results: _base.Results, parameters: Parameters) -> Any:
        return results.value

    def __call__(self, inputs: Any, **options: Any) -> Any:
        vectors = super().__call__(inputs, **options)
        given = self.given(options)
        if isinstance(inputs, list) and self.modes(given) is not None:
            return np.stack(vectors) if vectors else np.zeros((0, self.width(given)))
        return vectors

    def width(self, parameters: Parameters | None = None) -> int:
        """The length of a vector."""
        modes = self.modes(self.defaults if parameters is None else parameters)
        width = self.library.outputs["last_hidden_state"]["dims"][-1]
        return width * len(modes or ("none",))
