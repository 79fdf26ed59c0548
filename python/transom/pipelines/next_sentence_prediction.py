"""Whether one text follows another."""

from __future__ import annotations

from typing import Any

from transom._tokenizer import Text
from transom.pipelines import _base
from transom.pipelines.text_classification import TextClassification


class NextSentencePrediction(TextClassification):
    """pipeline("next-sentence-prediction", library)

    An item is {"text": ..., "text_pair": ...}; its answer is that of a text
    classification with the labels IsNext and NotNext.
    """

    tasks: tuple[str, ...] = ("next-sentence-prediction", "pretraining")
    outputs = ("seq_relationship_logits", "logits")

    def framed_texts(self, item: Any) -> list[Text]:
        return [_base.pair_of(item)]

    def label(self, number: int) -> str:
        return ("IsNext", "NotNext")[number]

    def function(self, labels: int) -> str:
        return "softmax"
