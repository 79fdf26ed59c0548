"""The interface of sentence-transformers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from transom._library import Library
from transom.pipelines import _pooling
from transom.pipelines.feature_extraction import FeatureExtraction


class SentenceEncoder:
    """Takes the place of sentence_transformers.SentenceTransformer.

        encoder = transom.SentenceEncoder("libminilm.so")
        vectors = encoder.encode(sentences, batch_size=32)

    Args:
        library: a library with the output "last_hidden_state", or its path.
        prompts, default_prompt_name: texts to put before sentences, by name.
            Default: those of config_sentence_transformers.json.
        similarity_fn_name: "cosine", "dot", "euclidean" or "manhattan"; distances are
            negative. Default: the model's, or else "cosine".
        truncate_dim: how many numbers a vector has. Default: the model's, or all.
        options: those of a pipeline, such as tokenizer=FOLDER.
    """

    def __init__(
        self,
        library: Library | str | os.PathLike[str],
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        **options: Any,
    ):
        if similarity_fn_name not in (None, *_pooling.SIMILARITY):
            raise ValueError(
                f"similarity_fn_name: expects {', '.join(_pooling.SIMILARITY)}, "
                f"got {similarity_fn_name!r}"
            )
        self._pipeline = FeatureExtraction(
            library, truncate_dim=truncate_dim, **options
        )
        model = self._pipeline.model
        self.similarity_fn_name = similarity_fn_name or model.similarity
        self.prompts = model.prompts if prompts is None else prompts
        self.default_prompt_name = default_prompt_name or model.default_prompt
        # As sentence-transformers does with a model that has no such files.
        self._pooling = None if model.modes else "mean"

    @property
    def max_seq_length(self) -> int | None:
        """Longer sentences, counted in tokens, are cut."""
        return self._pipeline.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, length: int | None) -> None:
        self._pipeline.max_seq_length = length

    def get_sentence_embedding_dimension(self) -> int:
        return self._pipeline.width()

    def encode(
        self,
        sentences: str | Sequence[str],
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding", "token_embeddings"] = (
            "sentence_embedding"
        ),
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> Any:
        """Vectors of sentences: an array [width] for one, [sentences, width] for
        a list.

        Args:
            prompt_name, prompt: what to put before each sentence, by its name
                or itself.
            batch_size: how many sentences go through the model at a time.
            show_progress_bar: None shows one on a terminal, after two seconds.
            output_value: "token_embeddings" gives the vectors of the tokens,
                [length, width] for each sentence.
            convert_to_numpy: False gives a list of arrays.
            convert_to_tensor: gives torch tensors.
            normalize_embeddings: makes the length of vectors 1 even if the
                model does not.
            truncate_dim: how many numbers a vector has. Default: the encoder's.
        """
        if output_value not in ("sentence_embedding", "token_embeddings"):
            raise ValueError(
                "output_value: expects sentence_embedding or token_embeddings, "
                f"got {output_value!r}"
            )
        if prompt is None:
            prompt = self._prompt(prompt_name or self.default_prompt_name)
        pooling = "none" if output_value == "token_embeddings" else self._pooling
        more = {} if truncate_dim is None else {"truncate_dim": truncate_dim}
        vectors = self._pipeline(
            sentences if isinstance(sentences, str) else list(sentences),
            batch_size=batch_size,
            progress=show_progress_bar,
            pooling=pooling,
            normalize=normalize_embeddings or None,
            prompt=prompt,
            **more,
        )
        if convert_to_tensor:
            import torch

            if isinstance(vectors, list):
                return [torch.from_numpy(rows) for rows in vectors]
            return torch.from_numpy(vectors)
        if isinstance(sentences, str) or convert_to_numpy:
            return vectors
        return list(vectors)

    def _prompt(self, name: str | None) -> str:
        if name is None:
            return ""
        if name not in self.prompts:
            raise ValueError(
                f"prompt_name: expects one of {', '.join(self.prompts)}, got {name!r}"
            )
        return self.prompts[name]

    def similarity(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """How alike the rows of two arrays are, [first, second]: see
        `similarity_fn_name`."""
        return _pooling.SIMILARITY[self.similarity_fn_name](first, second)
