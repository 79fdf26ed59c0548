"""Labels of tokens, and of the entities that tokens form."""

from __future__ import annotations

import dataclasses
import itertools
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._tokenizer import Text
from transom.pipelines import _base

_STRATEGIES = ("none", "simple", "first", "average", "max")


@dataclasses.dataclass
class _Token:
    """A token, or a word made of tokens."""

    word: str
    scores: np.ndarray
    start: int
    end: int
    index: int
    continues: bool  # The word that the token before belongs to.


class TokenClassification(_base.Pipeline):
    """pipeline("token-classification", library), or "ner"

    An item is a text, or a list of words with `is_split_into_words`. Its answer
    is a list of dicts: for each token "entity", "score", "index", "word",
    "start" and "end"; with an `aggregation_strategy` for each entity
    "entity_group", "score", "word", "start" and "end".
    """

    tasks = ("token-classification",)

    @dataclasses.dataclass(frozen=True)
    class Parameters(_base.Parameters):
        """
        aggregation_strategy: "none": tokens. "simple": neighbours of one label
            form an entity; B- begins a new one. "first", "average", "max": so
            do whole words, labelled by their first token, by the mean of their
            tokens' scores, or by the token with the highest score.
        ignore_labels: labels that are left out.
        stride: a text that is too long is cut into parts that have so many
            tokens in common; needs a strategy. Default: its end is cut off.
        offset_mapping: for each token, special ones included, where it begins
            and ends in the text, in place of the tokenizer's.
        is_split_into_words: items are lists of words.
        delimiter: what stands between the words in the text that "start" and
            "end" refer to.
        """

        aggregation_strategy: str = "none"
        ignore_labels: Sequence[str] = ("O",)
        stride: int | None = None
        offset_mapping: Sequence[tuple[int, int]] | None = None
        is_split_into_words: bool = False
        delimiter: str = " "

        def __post_init__(self) -> None:
            if self.aggregation_strategy not in _STRATEGIES:
                raise ValueError(
                    f"aggregation_strategy: expects {', '.join(_STRATEGIES)}, "
                    f"got {self.aggregation_strategy!r}"
                )
            if self.stride is not None and self.aggregation_strategy == "none":
                raise ValueError(
                    'stride: expects an aggregation_strategy other than "none"'
                )

    def __call__(self, inputs: Any, **options: Any) -> Any:
        given = self.given(options)
        words = isinstance(inputs, list) and all(isinstance(w, str) for w in inputs)
        if given.is_split_into_words and words:
            # One item, not a list of items.
            return super().__call__([inputs], **options)
        return super().__call__(inputs, **options)

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        if parameters.is_split_into_words:
            if not isinstance(item, list):
                raise ValueError(f"expects a list of words, got {item!r:.80}")
        elif not isinstance(item, str):
            raise ValueError(f"expects a text, got {item!r:.80}")
        return [item]

    def tokenization(self, parameters: Parameters) -> dict[str, Any]:
        limit = self.max_length()
        stride = parameters.stride or 0
        if limit is not None:
            room = limit - self.tokenizer.backend.num_special_tokens_to_add(False)
            if stride >= room:
                raise ValueError(f"stride: expects less than {room}, got {stride}")
        return {
            "max_length": limit,
            "stride": stride,
            "words": parameters.is_split_into_words,
        }

    def chunked(self, parameters: Parameters) -> bool:
        return parameters.stride is not None

    def forward(
        self, encodings: list[Encoding], parameters: Parameters
    ) -> list[np.ndarray]:
        """For each encoding the labels' probabilities, [length, labels]."""
        return [_base.softmax(rows) for rows in self.run_tokens(encodings, "logits")]

    def postprocess(
        self, results: _base.Results, parameters: Parameters
    ) -> list[dict[str, Any]]:
        strategy = parameters.aggregation_strategy
        entities: list[dict[str, Any]] = []
        for encoding, scores in zip(results.encodings, results.values):
            tokens = list(self.tokens(results.item, encoding, scores, parameters))
            if strategy not in ("none", "simple"):
                tokens = self.words(tokens, strategy)
            found = [self.entity(token) for token in tokens]
            if strategy != "none":
                found = self.groups(found)
            entities += (
                entity
                for entity in found
                if entity.get("entity_group", entity.get("entity"))
                not in parameters.ignore_labels
            )
        return _without_overlaps(entities) if len(results.values) > 1 else entities

    def tokens(
        self, item: Any, encoding: Encoding, scores: np.ndarray, parameters: Parameters
    ) -> Iterable[_Token]:
        """The tokens that are not special, with offsets into the text."""
        text, starts = item, [0]
        if parameters.is_split_into_words:
            text = parameters.delimiter.join(item)
            gap = len(parameters.delimiter)
            starts = [0, *itertools.accumulate(len(word) + gap for word in item)]
        model = self.tokenizer.backend.model
        knows_words = bool(getattr(model, "continuing_subword_prefix", None))
        if not knows_words and parameters.aggregation_strategy in _STRATEGIES[2:]:
            warnings.warn(
                "the tokenizer does not tell words apart; a space is taken to",
                stacklevel=2,
            )
        unknown = self.tokenizer.token_id("unk_token")
        offsets = parameters.offset_mapping or encoding.offsets
        for i, special in enumerate(encoding.special_tokens_mask):
            if special:
                continue
            start, end = offsets[i]
            if parameters.is_split_into_words:
                word_id = encoding.word_ids[i]
                assert word_id is not None  # Only special tokens have none.
                shift = starts[word_id]
                start, end = start + shift, end + shift
            word, source = encoding.tokens[i], text[start:end]
            if encoding.ids[i] == unknown:
                word, continues = source, False
            elif knows_words:
                continues = len(word) != len(source)
            else:
                continues = start > 0 and " " not in text[start - 1 : start + 1]
            yield _Token(word, scores[i], start, end, i, continues)

    def words(self, tokens: list[_Token], strategy: str) -> list[_Token]:
        """Each word as one token, with the scores that the strategy gives it."""
        words: list[list[_Token]] = []
        for token in tokens:
            if words and token.continues:
                words[-1].append(token)
            else:
                words.append([token])
        return [
            _Token(
                self.tokenizer.join([token.word for token in word]),
                _word_scores(word, strategy),
                word[0].start,
                word[-1].end,
                word[0].index,
                False,
            )
            for word in words
        ]

    def entity(self, token: _Token) -> dict[str, Any]:
        best = int(token.scores.argmax())
        return {
            "entity": self.label(best),
            "score": token.scores[best].item(),
            "index": token.index,
            "word": token.word,
            "start": token.start,
            "end": token.end,
        }

    def groups(self, entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Neighbours of one label as one entity."""
        groups: list[list[dict[str, Any]]] = []
        for entity in entities:
            begins, kind = _tag(entity["entity"])
            if groups and not begins and kind == _tag(groups[-1][-1]["entity"])[1]:
                groups[-1].append(entity)
            else:
                groups.append([entity])
        return [
            {
                "entity_group": group[0]["entity"].split("-", 1)[-1],
                "score": float(np.mean([entity["score"] for entity in group])),
                "word": self.tokenizer.join([entity["word"] for entity in group]),
                "start": group[0]["start"],
                "end": group[-1]["end"],
            }
            for group in groups
        ]


def _word_scores(word: list[_Token], strategy: str) -> np.ndarray:
    if strategy == "first":
        return word[0].scores
    if strategy == "max":
        return max(word, key=lambda token: token.scores.max()).scores
    return np.mean([token.scores for token in word], axis=0)


def _tag(label: str) -> tuple[bool, str]:
    """Whether a label begins an entity, and of which kind it is."""
    kind = label[2:] if label[:2] in ("B-", "I-") else label
    return label[:2] == "B-", kind


def _without_overlaps(entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of entities that overlap, found in two parts of a text, the longest, or
    else the one with the highest score."""
    kept: list[dict[str, Any]] = []
    for entity in sorted(entities, key=lambda entity: entity["start"]):
        if not kept or entity["start"] >= kept[-1]["end"]:
            kept.append(entity)
            continue
        before = kept[-1]
        lengths = [e["end"] - e["start"] for e in (before, entity)]
        if (lengths[1], entity["score"]) > (lengths[0], before["score"]):
            kept[-1] = entity
    return kept
