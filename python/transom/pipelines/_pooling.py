"""Sentence vectors from token vectors, as sentence-transformers makes them."""

from __future__ import annotations

from typing import Callable

import numpy as np

#: Sequences that have tokens: where each begins and ends.
_Ends = np.ndarray
#: The last argument is how many tokens went before each sequence.
_Pool = Callable[[np.ndarray, _Ends, _Ends, int], np.ndarray]


def _sum(tokens: np.ndarray, begin: _Ends) -> np.ndarray:
    return np.add.reduceat(tokens, begin, axis=0)


def _count(begin: _Ends, end: _Ends) -> np.ndarray:
    return (end - begin).astype(np.float32)[:, None]


def _weighted_mean(
    tokens: np.ndarray, begin: _Ends, end: _Ends, before: int
) -> np.ndarray:
    """The first token has weight 1, the second 2, and so on."""
    position = np.arange(len(tokens)) - np.repeat(begin, end - begin) + before
    weights = (position + 1).astype(np.float32)[:, None]
    return _sum(tokens * weights, begin) / _sum(weights, begin)


#: By the name in "pooling_mode"; sentence-transformers concatenates several in
#: this order.
POOLING: dict[str, _Pool] = {
    "cls": lambda tokens, begin, end, _: tokens[begin],
    "max": lambda tokens, begin, end, _: np.maximum.reduceat(tokens, begin, axis=0),
    "mean": lambda tokens, begin, end, _: _sum(tokens, begin) / _count(begin, end),
    "mean_sqrt_len_tokens": lambda tokens, begin, end, _: (
        _sum(tokens, begin) / np.sqrt(_count(begin, end))
    ),
    "weightedmean": _weighted_mean,
    "lasttoken": lambda tokens, begin, end, _: tokens[end - 1],
}


def pool(
    tokens: np.ndarray, offsets: np.ndarray, modes: tuple[str, ...], skip: int = 0
) -> np.ndarray:
    """[tokens, width] to [sequences, width * modes], of all tokens but the first `skip`
    of each sequence; zeros for a sequence that has no others. A sequence's vector does
    not depend on its batch."""
    lengths = np.diff(offsets)
    if skip:
        position = np.arange(len(tokens)) - np.repeat(offsets[:-1], lengths)
        tokens = tokens[position >= skip]
        lengths = np.maximum(lengths - skip, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
    there = lengths > 0
    begin, end = offsets[:-1][there], offsets[1:][there]
    result = np.zeros((len(there), tokens.shape[1] * len(modes)), np.float32)
    if len(begin):
        vectors = [POOLING[mode](tokens, begin, end, skip) for mode in modes]
        result[there] = np.concatenate(vectors, axis=1)
    return result


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Every row divided by its length."""
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.maximum(lengths, 1e-12)


def _distances(
    a: np.ndarray, b: np.ndarray, length: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    rows = [-length(row - b) for row in a]
    return np.array(rows, np.float32).reshape(len(a), len(b))


#: Similarities of all rows of one array and all of another, by name: more is more
#: alike, so distances are negative.
SIMILARITY: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "cosine": lambda a, b: normalized(a) @ normalized(b).T,
    "dot": lambda a, b: a @ b.T,
    "euclidean": lambda a, b: _distances(a, b, lambda x: np.sqrt((x * x).sum(-1))),
    "manhattan": lambda a, b: _distances(a, b, lambda x: np.abs(x).sum(-1)),
}
