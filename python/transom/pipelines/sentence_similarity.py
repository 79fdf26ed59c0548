"""How alike sentences are."""

from __future__ import annotations

from typing import Any

import numpy as np

from transom._tokenizer import Text
from transom.pipelines import _base, _pooling
from transom.pipelines.feature_extraction import FeatureExtraction


class SentenceSimilarity(FeatureExtraction):
    """pipeline("sentence-similarity", library)

    {"source_sentence": ..., "sentences": [...]} gives a list with the cosine of
    the angle between the source's vector and each sentence's. Vectors are
    pooled as the sentence-transformers files say, or else to the mean.
    """

    def modes(self, parameters: Any) -> tuple[str, ...]:
        return super().modes(parameters) or ("mean",)

    def texts(self, item: Any, parameters: Any) -> list[Text]:
        if not isinstance(item, dict) or set(item) != {"source_sentence", "sentences"}:
            raise ValueError(
                'expects {"source_sentence": ..., "sentences": [...]}, '
                f"got {item!r:.80}"
            )
        source, sentences = item["source_sentence"], item["sentences"]
        if isinstance(sentences, str):
            raise ValueError(f"sentences: expects a list, got {sentences!r:.80}")
        texts: list[Text] = []
        for text in (source, *sentences):
            texts += super().texts(text, parameters)
        return texts

    def postprocess(self, results: _base.Results, parameters: Any) -> list[float]:
        vectors = _pooling.normalized(np.stack(results.values))
        return (vectors[1:] @ vectors[0]).tolist()

    def __call__(self, inputs: Any, **options: Any) -> Any:
        # Past FeatureExtraction's, which makes one array of a list's vectors.
        return super(FeatureExtraction, self).__call__(inputs, **options)
