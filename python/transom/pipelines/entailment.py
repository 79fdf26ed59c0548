"""Whether a text follows from another."""

from __future__ import annotations

from typing import Any

from transom._tokenizer import Text
from transom.pipelines.text_classification import TextClassification


class Entailment(TextClassification):
    """pipeline("entailment", library)

    An item is {"premise": ..., "hypothesis": ...}; its answer is that of a text
    classification of the pair, with the labels of the model.
    """

    def framed_texts(self, item: Any) -> list[Text]:
        if isinstance(item, dict) and set(item) == {"premise", "hypothesis"}:
            pair = (item["premise"], item["hypothesis"])
            if all(isinstance(text, str) for text in pair):
                return [pair]
        raise ValueError(
            f'expects {{"premise": ..., "hypothesis": ...}}, got {item!r:.80}'
        )
