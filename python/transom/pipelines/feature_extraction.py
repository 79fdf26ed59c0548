"""Vectors of sentences or of tokens."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._tokenizer import Text
from transom.pipelines import _base, _pooling
from transom.pipelines._sentence_model import Normalize, SentenceModel


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
        normalize: whether vectors have length 1 in the end. Default: the model's
            modules decide.
        truncate_dim: how many numbers a pooled vector has. Default: the model's.
        truncation: False refuses texts that are too long.
        max_length: the longest sequence of tokens. Default: the model's.
        prompt: a text that stands before each text.
        """

        pooling: str | None = None
        normalize: bool | None = None
        truncate_dim: int | None = None
        truncation: bool = True
        max_length: int | None = None
        prompt: str = ""

        def __post_init__(self) -> None:
            if self.pooling not in (None, "none", *_pooling.POOLING):
                raise ValueError(
                    f"pooling: expects none, {', '.join(_pooling.POOLING)}, "
                    f"got {self.pooling!r}"
                )
            if self.truncate_dim is not None and self.truncate_dim < 1:
                raise ValueError(
                    f"truncate_dim: expects 1 or more, got {self.truncate_dim}"
                )

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        if "last_hidden_state" not in self.library.outputs:
            raise ValueError(
                f"{self.library.path} was compiled for {self.library.task} and has no "
                'output "last_hidden_state": transom compile --task=feature-extraction'
            )
        self.model = SentenceModel.read(self.folder)
        limits = [
            self.model.max_length or self.max_length(),
            self.library.max_positions,
        ]
        self.max_seq_length = min(filter(None, limits), default=None)
        if self.model.lower:
            self.tokenizer.lower()
        self.width()  # An error here if the model's modules do not fit.

    def modes(self, parameters: Parameters) -> tuple[str, ...] | None:
        """How tokens are pooled; None: not at all."""
        if parameters.pooling is None:
            return self.model.modes
        return None if parameters.pooling == "none" else (parameters.pooling,)

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        if not isinstance(item, str):
            raise ValueError(f"expects a text, got {item!r:.80}")
        return [parameters.prompt + item]

    def tokenization(self, parameters: Parameters) -> dict[str, Any]:
        if not parameters.truncation:
            return {}
        return {"max_length": parameters.max_length or self.max_seq_length}

    def forward(
        self, encodings: list[Encoding], parameters: Parameters
    ) -> Sequence[np.ndarray] | np.ndarray:
        modes = self.modes(parameters)
        if modes is None:
            tokens = self.run_tokens(encodings, "last_hidden_state")
            if parameters.normalize:
                tokens = [_pooling.normalized(rows) for rows in tokens]
            return tokens
        outputs, offsets = self.run(encodings, ["last_hidden_state"])
        skip = 0 if self.model.includes_prompt else self.prompt_length(parameters)
        vectors = _pooling.pool(outputs["last_hidden_state"], offsets, modes, skip)
        for step in self.steps(parameters):
            vectors = step(vectors)
        vectors = vectors[:, : self.truncate_dim(parameters)]
        return _pooling.normalized(vectors) if parameters.normalize else vectors

    def steps(self, parameters: Parameters) -> Sequence[Any]:
        """What is done with a pooled vector."""
        steps = self.model.steps
        if parameters.normalize is False and steps and isinstance(steps[-1], Normalize):
            return steps[:-1]
        return steps

    def truncate_dim(self, parameters: Parameters) -> int | None:
        return parameters.truncate_dim or self.model.truncate_dim

    def prompt_length(self, parameters: Parameters) -> int:
        """How many tokens of each sequence are the prompt's, with those before it."""
        if not parameters.prompt:
            return 0
        arguments = self.tokenization(parameters)
        ids = self.tokenizer.encode([parameters.prompt], **arguments)[0].ids
        ends = bool(ids) and ids[-1] in self.tokenizer.special.ids()
        return len(ids) - ends

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
        if parameters is None:
            parameters = self.defaults
        modes = self.modes(parameters)
        width = self.library.outputs["last_hidden_state"]["dims"][-1]
        if modes is None:
            return width
        width *= len(modes)
        for step in self.steps(parameters):
            width = step.width(width)
        return min(width, self.truncate_dim(parameters) or width)
