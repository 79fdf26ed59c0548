"""Sentence vectors from token vectors, as sentence-transformers makes them."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, Callable

import numpy as np

from transom._files import read_list, read_object

#: Sequences that have tokens: where each begins and ends.
_Ends = np.ndarray
_Pool = Callable[[np.ndarray, _Ends, _Ends], np.ndarray]


def _mean(tokens: np.ndarray, begin: _Ends, end: _Ends) -> np.ndarray:
    return np.add.reduceat(tokens, begin, axis=0) / _count(begin, end)


def _mean_sqrt_len(tokens: np.ndarray, begin: _Ends, end: _Ends) -> np.ndarray:
    return np.add.reduceat(tokens, begin, axis=0) / np.sqrt(_count(begin, end))


def _weighted_mean(tokens: np.ndarray, begin: _Ends, end: _Ends) -> np.ndarray:
    """The first token has weight 1, the second 2, and so on."""
    position = np.arange(len(tokens)) - np.repeat(begin, end - begin)
    weights = (position + 1).astype(np.float32)[:, None]
    return np.add.reduceat(tokens * weights, begin, axis=0) / np.add.reduceat(
        weights, begin, axis=0
    )


def _count(begin: _Ends, end: _Ends) -> np.ndarray:
    return (end - begin).astype(np.float32)[:, None]


#: By the name in "pooling_mode"; sentence-transformers concatenates several in
#: this order.
POOLING: dict[str, _Pool] = {
    "cls": lambda tokens, begin, end: tokens[begin],
    "max": lambda tokens, begin, end: np.maximum.reduceat(tokens, begin, axis=0),
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_len,
    "weightedmean": _weighted_mean,
    "lasttoken": lambda tokens, begin, end: tokens[end - 1],
}

# The older form of 1_Pooling/config.json has one switch for each.
_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def pool(tokens: np.ndarray, offsets: np.ndarray, modes: tuple[str, ...]) -> np.ndarray:
    """[tokens, width] to [sequences, width * modes]; zeros for a sequence
    without tokens. A sequence's vector does not depend on its batch."""
    there = np.diff(offsets) > 0
    begin, end = offsets[:-1][there], offsets[1:][there]
    width = tokens.shape[1]
    result = np.zeros((len(there), width * len(modes)), np.float32)
    if len(begin):
        vectors = [POOLING[mode](tokens, begin, end) for mode in modes]
        result[there] = np.concatenate(vectors, axis=1)
    return result


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Every row divided by its length."""
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.maximum(lengths, 1e-12)


@dataclasses.dataclass(frozen=True)
class SentenceModel:
    """What sentence-transformers' files beside a model say."""

    modes: tuple[str, ...] | None  # None: there are no such files.
    normalize: bool
    max_length: int | None
    lower: bool
    prompts: dict[str, str]
    default_prompt: str | None

    @classmethod
    def read(cls, folder: pathlib.Path) -> SentenceModel:
        """Raises ValueError if the model has a step that there is not here."""
        modes: tuple[str, ...] | None = None
        normalize = False
        for module in read_list(folder, "modules.json"):
            kind = module["type"].rsplit(".", 1)[-1]
            if kind == "Pooling":
                modes = _modes(read_object(folder, f"{module['path']}/config.json"))
            elif kind == "Normalize":
                normalize = True
            elif kind != "Transformer":
                raise ValueError(
                    f'{folder}/modules.json: "type" is {module["type"]}; supported: '
                    "Transformer, Pooling, Normalize"
                )
        transformer = read_object(folder, "sentence_bert_config.json")
        sentence = read_object(folder, "config_sentence_transformers.json")
        return cls(
            modes,
            normalize,
            transformer.get("max_seq_length"),
            bool(transformer.get("do_lower_case")),
            sentence.get("prompts") or {},
            sentence.get("default_prompt_name"),
        )


def _modes(config: dict[str, Any]) -> tuple[str, ...]:
    named = config.get("pooling_mode")
    if named is None:
        on = {mode for switch, mode in _SWITCHES.items() if config.get(switch)}
        named = [mode for mode in POOLING if mode in on] or ["mean"]
    modes = (named,) if isinstance(named, str) else tuple(named)
    for mode in modes:
        if mode not in POOLING:
            raise ValueError(
                f'1_Pooling/config.json: "pooling_mode" is {mode}; supported: '
                + ", ".join(POOLING)
            )
    return modes
