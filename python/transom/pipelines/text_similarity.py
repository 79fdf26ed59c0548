"""How alike two texts are, asked in both orders."""

from __future__ import annotations

from typing import Any

import numpy as np
from tokenizers import Encoding

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

    def postprocess(
        self,
        item: Any,
        encodings: list[Encoding],
        results: list[np.ndarray],
        parameters: Any,
    ) -> Any:
        both = results[0] + results[1]
        return super().postprocess(item, encodings, [both], parameters)
