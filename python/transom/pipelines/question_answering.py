"""Answers that stand in a context."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._tokenizer import Text
from transom.pipelines import _base

_OUTSIDE = np.float32(-10000.0)  # The logit outside an answer.


class QuestionAnswering(_base.Pipeline):
    """pipeline("question-answering", library)(question=..., context=...)

    An item is {"question": ..., "context": ...}; `question` and `context` may
    also be given by name, each a text or a list of texts. The answer is a dict
    with "score", "start", "end" (places in the context) and "answer"; if there
    are several, a list of them, best first. As in transformers, a list of one
    item gives that item's answer.
    """

    tasks = ("question-answering",)

    @dataclasses.dataclass(frozen=True)
    class Parameters(_base.Parameters):
        """
        top_k: how many answers at most.
        doc_stride: a context that is too long is cut into parts that have so
            many tokens in common. Default: 128, but less than a part has.
        max_seq_len: the length of a part with its question. Default: 384, but
            at most what the model allows.
        max_answer_len: the longest answer in tokens.
        handle_impossible_answer: whether "" may be an answer.
        align_to_words: whether answers begin and end with words.
        """

        top_k: int = 1
        doc_stride: int | None = None
        max_seq_len: int | None = None
        max_answer_len: int = 15
        handle_impossible_answer: bool = False
        align_to_words: bool = True

        def __post_init__(self) -> None:
            for name in ("top_k", "max_answer_len"):
                if getattr(self, name) < 1:
                    raise ValueError(
                        f"{name}: expects 1 or more, got {getattr(self, name)}"
                    )

    def __call__(
        self,
        inputs: Any = None,
        *,
        question: str | list[str] | None = None,
        context: str | list[str] | None = None,
        **options: Any,
    ) -> Any:
        if inputs is None:
            if question is None or context is None:
                raise TypeError("expects items, or both question and context")
            questions = [question] if isinstance(question, str) else question
            if isinstance(context, str):
                context = [context] * len(questions)
            if len(context) != len(questions):
                raise ValueError(
                    f"context: expects {len(questions)} texts, one a question, "
                    f"got {len(context)}"
                )
            inputs = [{"question": q, "context": c} for q, c in zip(questions, context)]
        answer = super().__call__(inputs, **options)
        return answer[0] if isinstance(inputs, list) and len(inputs) == 1 else answer

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        if isinstance(item, dict) and set(item) == {"question", "context"}:
            pair = (item["question"], item["context"])
            if all(isinstance(text, str) and text for text in pair):
                return [pair]
        raise ValueError(
            'expects {"question": ..., "context": ...}, two texts that are not '
            f"empty, got {item!r:.80}"
        )

    def tokenization(self, parameters: Parameters) -> dict[str, Any]:
        length = parameters.max_seq_len or min(self.max_length() or 384, 384)
        return {"max_length": length, "strategy": "only_second"}

    def encode(self, items: list[Any], parameters: Parameters) -> list[list[Encoding]]:
        if not items:
            return []
        arguments = self.tokenization(parameters)
        pairs = [self.texts(item, parameters)[0] for item in items]
        questions = self.tokenizer.encode(
            [pair[0] for pair in pairs], add_special_tokens=False
        )
        length = arguments["max_length"]
        strides = [self.stride(parameters, length, question) for question in questions]
        encodings: list[list[Encoding]] = [[] for _ in items]
        for stride in set(strides):
            own = [i for i, other in enumerate(strides) if other == stride]
            arguments["stride"] = stride
            wholes = self.tokenizer.encode([pairs[i] for i in own], **arguments)
            for i, whole in zip(own, wholes):
                encodings[i] = [whole, *whole.overflowing]
        return encodings

    def stride(self, parameters: Parameters, length: int, question: Encoding) -> int:
        """How many tokens the parts of a context have in common, in sequences of
        `length` that begin with the question: fewer than the question leaves to a
        part, or the tokenizer panics."""
        default = min(length // 2, 128)
        length -= self.tokenizer.backend.num_special_tokens_to_add(True)
        room = length - len(question.ids)
        if room < 1:
            raise ValueError(
                f"question: expects at most {length - 1} tokens, so that some of the "
                f"context fits in, got {len(question.ids)}"
            )
        stride = parameters.doc_stride
        if stride is None:
            stride = default
            # Halves, so that few strides are in use: each has a tokenizer of its own.
            while stride >= room:
                stride //= 2
        elif stride >= room:
            raise ValueError(
                f"doc_stride: expects less than the {room} tokens that the question "
                f"leaves to a part of the context, got {stride}"
            )
        return stride

    def forward(
        self, encodings: list[Encoding], parameters: Parameters
    ) -> Sequence[tuple[np.ndarray, np.ndarray]]:
        """For each encoding start and end logits, [length] each."""
        outputs, offsets = self.run(encodings, ["start_logits", "end_logits"])
        starts, ends = (
            np.split(outputs[name].reshape(-1), offsets[1:-1])
            for name in ("start_logits", "end_logits")
        )
        return list(zip(starts, ends))

    def postprocess(self, results: _base.Results, parameters: Parameters) -> Any:
        context = results.item["context"]
        impossible = np.inf
        answers: dict[str, dict[str, Any]] = {}
        # Several spans of tokens may lie in one span of words.
        count = parameters.top_k
        count = 2 * count + 10 if parameters.align_to_words else count
        for encoding, logits in zip(results.encodings, results.values):
            inside = self.inside(encoding)
            start, end = (
                _base.softmax(np.where(inside, row, _OUTSIDE)) for row in logits
            )
            impossible = min(impossible, (start[0] * end[0]).item())
            start[0] = end[0] = 0.0  # The first token stands for "no answer".
            for first, last, score in _best_spans(
                start, end, count, parameters.max_answer_len
            ):
                if not (inside[first] and inside[last]):
                    continue
                place = _characters(encoding, first, last, parameters.align_to_words)
                text = context[slice(*place)]
                # The same words elsewhere speak for the answer that was first.
                answer = answers.setdefault(
                    text.lower(),
                    {"score": 0.0, "start": place[0], "end": place[1], "answer": text},
                )
                answer["score"] += score
        found = list(answers.values())
        if parameters.handle_impossible_answer:
            found.append({"score": impossible, "start": 0, "end": 0, "answer": ""})
        found.sort(key=lambda answer: -answer["score"])
        found = found[: parameters.top_k]
        return found[0] if len(found) == 1 else found

    def inside(self, encoding: Encoding) -> np.ndarray:
        """Which tokens may be part of an answer: those of the context, and the
        one that stands for "no answer"."""
        cls = self.tokenizer.token_id("cls_token")
        return np.array(
            [
                sequence == 1 or token == cls
                for sequence, token in zip(encoding.sequence_ids, encoding.ids)
            ]
        )


def _best_spans(
    start: np.ndarray, end: np.ndarray, count: int, longest: int
) -> Sequence[tuple[int, int, float]]:
    """First token, last token and score of the best spans, best first."""
    scores = np.tril(np.triu(np.outer(start, end)), longest - 1).reshape(-1)
    if count < len(scores):
        best = np.argpartition(-scores, count)[:count]
    else:
        best = np.arange(len(scores))
    best = best[np.argsort(-scores[best], kind="stable")]
    return [(*divmod(int(i), len(end)), scores[i].item()) for i in best]


def _characters(
    encoding: Encoding, first: int, last: int, words: bool
) -> tuple[int, int]:
    """Where in the context the tokens from `first` to `last` begin and end."""
    if words:
        one, other = encoding.token_to_word(first), encoding.token_to_word(last)
        if one is not None and other is not None:
            begin = encoding.word_to_chars(one, 1)
            end = encoding.word_to_chars(other, 1)
            if begin is not None and end is not None:
                return begin[0], end[1]
    return encoding.offsets[first][0], encoding.offsets[last][1]
