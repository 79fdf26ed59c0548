"""Whether one text follows another."""

from __future__ import annotations

from typing import Any

from transom._tokenizer import Text
from transom.pipelines.text_classification import TextClassification


class NextSentencePrediction(TextClassification):
    """pipeline("next-sentence-prediction", library)

    An item is {"text": ..., "text_pair": ...}; its answer is that of a text
    classification with the labels IsNext and NotNext.
    """

    tasks = ("next-sentence-prediction", "pretraining")
    outputs = ("seq_relationship_logits", "logits")

    def texts(self, item: Any, parameters: Any) -> list[Text]:
        texts = super().texts(item, parameters)
        if isinstance(texts[0], str):
            raise ValueError(
                f'expects a pair, {{"text": ..., "text_pair": ...}}, got {item!r:.80}'
            )
        return texts

    def label(self, number: int) -> str:
        return ("IsNext", "NotNext")[number]

    def function(self, labels: int) -> str:
        return "softmax"
