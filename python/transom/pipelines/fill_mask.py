"""What may stand in the place of a mask."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from tokenizers import Encoding

from transom._tokenizer import Text
from transom.pipelines import _base


class FillMask(_base.Pipeline):
    """pipeline("fill-mask", library)

    A text with one mask gives a list of dicts, best first, with "score",
    "token", "token_str" and "sequence"; with several masks, a list of such
    lists. As in transformers, a list of one text gives that text's answer.
    """

    tasks = ("fill-mask", "pretraining")

    @dataclasses.dataclass(frozen=True)
    class Parameters(_base.Parameters):
        """
        top_k: how many tokens.
        targets: a word or a list of words that alone are considered. Scores
            remain those among all words.
        tokenizer_kwargs: a dict with truncation, max_length,
            add_special_tokens.
        """

        top_k: int = 5
        targets: str | Sequence[str] | None = None
        tokenizer_kwargs: dict[str, Any] | None = None

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        outputs = self.library.outputs
        self.output = "logits" if "logits" in outputs else "prediction_logits"
        mask = self.tokenizer.token_id("mask_token")
        if mask is None:
            raise ValueError(f"{self.folder}: the tokenizer has no mask token")
        self.mask: int = mask
        self.pad = self.tokenizer.token_id("pad_token")
        self._target_ids: dict[tuple[str, ...], np.ndarray] = {}

    def __call__(self, inputs: Any, **options: Any) -> Any:
        answer = super().__call__(inputs, **options)
        return answer[0] if isinstance(inputs, list) and len(inputs) == 1 else answer

    def texts(self, item: Any, parameters: Parameters) -> list[Text]:
        if not isinstance(item, str):
            raise ValueError(f"expects a text, got {item!r:.80}")
        return [item]

    def tokenization(self, parameters: Parameters) -> dict[str, Any]:
        given = _base.TokenizerParameters(**(parameters.tokenizer_kwargs or {}))
        return given.tokenization(self.max_length())

    def masks(self, encoding: Encoding) -> list[int]:
        return [i for i, token in enumerate(encoding.ids) if token == self.mask]

    def forward(
        self, encodings: list[Encoding], parameters: Parameters
    ) -> Sequence[np.ndarray]:
        """For each encoding the probabilities at its masks, [masks, words]."""
        masks = [self.masks(encoding) for encoding in encodings]
        for encoding, found in zip(encodings, masks):
            if not found:
                mask = self.tokenizer.backend.id_to_token(self.mask)
                text = self.tokenizer.decode(encoding.ids)
                raise ValueError(f"expects a text with {mask}, got {text!r:.80}")
        lengths = [len(encoding.ids) for encoding in encodings]
        firsts = np.cumsum([0, *lengths])
        rows = np.concatenate([np.add(m, f) for m, f in zip(masks, firsts)])
        if "output_positions" in self.library.inputs:
            outputs, _ = self.run(encodings, [self.output], output_positions=rows)
            logits = outputs[self.output]
        else:
            logits = self.run(encodings, [self.output])[0][self.output][rows]
        counts = np.cumsum([len(found) for found in masks])
        return np.split(_base.softmax(logits), counts[:-1])

    def postprocess(self, results: _base.Results, parameters: Parameters) -> Any:
        ids = results.encodings[0].ids
        masks = self.masks(results.encodings[0])
        candidates = np.arange(results.value.shape[1])
        if parameters.targets is not None:
            candidates = self.target_ids(parameters.targets)
        answers = []
        for mask, probabilities in zip(masks, results.value):
            scores = probabilities[candidates]
            order = np.argsort(-scores, kind="stable")[: parameters.top_k]
            answer = []
            for i in order:
                token = int(candidates[i])
                filled = [*ids[:mask], token, *ids[mask + 1 :]]
                # Other masks would not be seen if special tokens were skipped.
                sequence = self.tokenizer.decode(
                    [t for t in filled if t != self.pad],
                    skip_special_tokens=len(masks) == 1,
                )
                answer.append(
                    {
                        "score": scores[i].item(),
                        "token": token,
                        "token_str": self.tokenizer.decode([token]),
                        "sequence": sequence,
                    }
                )
            answers.append(answer)
        return answers[0] if len(answers) == 1 else answers

    def target_ids(self, targets: str | Sequence[str]) -> np.ndarray:
        """Ids of words; a word that is not a token stands for its first one."""
        words = (targets,) if isinstance(targets, str) else tuple(targets)
        if words not in self._target_ids:
            ids = []
            for word in words:
                token = self.tokenizer.backend.token_to_id(word)
                if token is None:
                    pieces = self.tokenizer.encode([word], add_special_tokens=False)
                    token = next(iter(pieces[0].ids), None)
                    stand_in = token and self.tokenizer.backend.id_to_token(token)
                    warnings.warn(
                        f"targets: {word!r} is not a token; "
                        + (f"{stand_in!r} is taken" if stand_in else "it is left out"),
                        stacklevel=2,
                    )
                if token is not None:
                    ids.append(token)
            if not ids:
                raise ValueError("targets: expects at least one word with a token")
            self._target_ids[words] = np.unique(ids)
        return self._target_ids[words]
