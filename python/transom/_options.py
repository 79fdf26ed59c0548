"""Requests as a library takes them: C structures, and the arrays they point to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from transom import _abi, _arrays
from transom._generation_config import Lengths, Settings
from transom._prompts import Prompt

_EARLY_STOPPING: dict[Any, int] = {
    False: _abi.EARLY_STOPPING_FALSE,
    True: _abi.EARLY_STOPPING_TRUE,
    "never": _abi.EARLY_STOPPING_NEVER,
}

# To the library 0 is "not used", where transformers' 0 keeps the best token alone.
_LEAST_TOP_P = 1e-30


class Request:
    """Prompts with the options of one call, as a library takes them.

    Attributes:
        prompts: what the model reads first, transom_token_lists.
        options: transom_generation_options.

    Both hold pointers into arrays that live as long as this. Ids outside the
    vocabulary are a ValueError here already: the library would name its own fields
    and no argument.
    """

    def __init__(
        self,
        prompts: Sequence[Prompt],
        own: Settings,
        lengths: Lengths,
        vocabulary: int = 2**31,
    ):
        self._arrays: list[np.ndarray] = []
        self._vocabulary = vocabulary
        if lengths.forces_bos:
            self._check("forced_bos_token_id", [own.forced_bos_token_id])
        self.prompts = self._lists("input_ids", [p.input_ids for p in prompts])
        decoders = [p.tokens for p in prompts if p.encoder_tokens is not None]
        # 0 stands for an option that is not used.
        self.options = _abi.GenerationOptions(
            max_new_tokens=lengths.max_new_tokens,
            max_length=lengths.max_length,
            min_new_tokens=lengths.min_new_tokens,
            min_length=lengths.min_length,
            do_sample=own.do_sample,
            seed=own.seed,
            stream=own.stream,
            temperature=own.temperature or 0.0,
            top_k=own.top_k,
            top_p=0.0 if own.top_p is None else max(own.top_p, _LEAST_TOP_P),
            min_p=own.min_p or 0.0,
            typical_p=own.typical_p or 0.0,
            repetition_penalty=own.repetition_penalty or 0.0,
            no_repeat_ngram_size=own.no_repeat_ngram_size,
            renormalize_logits=own.renormalize_logits,
            num_beams=own.num_beams,
            num_return_sequences=own.sequences_per_request,
            early_stopping=_EARLY_STOPPING[own.early_stopping],
            length_penalty=_length_penalty(own.length_penalty),
            prompt_lookup_num_tokens=own.prompt_lookup_num_tokens,
            max_matching_ngram_size=own.max_matching_ngram_size,
            num_eos_token_ids=len(own.eos_token_id) or -1,
            eos_token_ids=self._ids("eos_token_id", own.eos_token_id),
            bad_words_ids=self._lists("bad_words_ids", own.bad_words_ids),
            stop_sequences=self._lists("stop_sequences", own.stop_sequences),
            decoder_input_ids=self._lists("decoder_input_ids", decoders),
            has_forced_bos_token_id=lengths.forces_bos,
            forced_bos_token_id=own.forced_bos_token_id or 0,
            num_forced_eos_token_ids=len(own.forced_eos_token_id),
            forced_eos_token_ids=self._ids(
                "forced_eos_token_id", own.forced_eos_token_id
            ),
        )

    def _check(self, name: str, ids: Any) -> np.ndarray:
        array = np.asarray(ids, np.int64)
        wrong = (array < 0) | (array >= self._vocabulary)
        if wrong.any():
            raise ValueError(
                f"{name}: expects token ids in [0, {self._vocabulary}), got "
                f"{array[wrong][0]}"
            )
        return array.astype(np.int32)

    def _ids(self, name: str, ids: Sequence[int]) -> int:
        self._arrays.append(self._check(name, ids))
        return self._arrays[-1].ctypes.data

    def _lists(self, name: str, rows: Sequence[Any]) -> _abi.TokenLists:
        """Lists of token ids as transom_token_lists; `name` is for messages."""
        arrays = [self._check(f"{name}[{i}]", row) for i, row in enumerate(rows)]
        self._arrays.append(np.concatenate([np.zeros(0, np.int32), *arrays]))
        data = self._arrays[-1].ctypes.data
        self._arrays.append(_arrays.offsets([len(row) for row in arrays]))
        return _abi.TokenLists(data, self._arrays[-1].ctypes.data, len(arrays))


def _length_penalty(penalty: float | None) -> float:
    if penalty is None:
        return 0.0
    return penalty if np.float32(penalty) else _abi.NO_LENGTH_PENALTY
