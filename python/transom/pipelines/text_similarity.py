"""How alike two texts are, asked in both orders."""

from __future__ import annotations

import dataclasses
from typing import Any

from transom._tokenizer import Text
from transom.pipelines import _base
from transom.pipelines.text_classification import TextClassification


class TextSimilarity(TextClassification):
    """pipeline("text-similarity", library)

    An item is {"text": ..., "text_pair": ...}. Neither text comes first: the
    model sees the pair in both orders, and its logits are summed. The answer is
    that of a text classification.
    """

    def framed_texts(self, item: Any) -> list[Text]:
        first, second = _base.pair_of(item)
        return [(first, second), (second, first)]

    def postprocess(self, results: _base.Results, parameters: Any) -> Any:
        first, second = results.values
        both = dataclasses.replace(results, values=[first + second])
        return super().postprocess(both, parameters)
