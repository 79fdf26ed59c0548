"""Hugging Face's arguments of `generate`, and what they mean to a library.

Names, defaults and their order of precedence are those of transformers'
GenerationConfig: what a call gives comes before its `generation_config`, then
the model's generation_config.json, then the defaults.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import operator
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from transom._model import Model

_INT32_MAX = 2**31 - 1

# Every argument that has an effect, and transformers' default of it.
_DEFAULTS: dict[str, Any] = {
    "max_new_tokens": None,
    "max_length": None,
    "min_new_tokens": None,
    "min_length": 0,
    "do_sample": False,
    "seed": None,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": None,
    "typical_p": 1.0,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "renormalize_logits": False,
    "num_beams": 1,
    "num_return_sequences": 1,
    "early_stopping": False,
    "length_penalty": 1.0,
    "prompt_lookup_num_tokens": None,
    "max_matching_ngram_size": None,
    "eos_token_id": None,
    "pad_token_id": None,
    "bos_token_id": None,
    "decoder_start_token_id": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "bad_words_ids": None,
    "stop_sequences": None,
    "stop_strings": None,
    "tokenizer": None,
    "max_time": None,
    "return_dict_in_generate": False,
}

# What has an effect with do_sample only.
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p")

# They say how transformers computes, not what.
_IGNORED = {
    "cache_config",
    "cache_implementation",
    "compile_config",
    "disable_compile",
    "max_cache_len",
    "prefill_chunk_size",
    "remove_invalid_values",  # There are none: they are an error.
    "synced_gpus",
    "transformers_version",
    "use_cache",
    "_commit_hash",
    "_from_model_config",
}

# Arguments of transformers that a library does not support, with the values beside
# None and False that have no effect.
_UNSUPPORTED: dict[str, tuple[Any, ...]] = {
    "assistant_confidence_threshold": (0.4,),
    "assistant_early_exit": (),
    "assistant_ensemble_weight": (),
    "assistant_lookbehind": (10,),
    "assistant_model": (),
    "assistant_tokenizer": (),
    "begin_suppress_tokens": ([],),
    "constraints": (),
    "custom_generate": (),
    "diversity_penalty": (0.0,),
    "dola_layers": (),
    "encoder_no_repeat_ngram_size": (0,),
    "encoder_outputs": (),
    "encoder_repetition_penalty": (1.0,),
    "epsilon_cutoff": (0.0,),
    "eta_cutoff": (0.0,),
    "exponential_decay_length_penalty": (),
    "force_words_ids": (),
    "guidance_scale": (1, 1.0),
    "inputs_embeds": (),
    "is_assistant": (),
    "logits_processor": ([],),
    "low_memory": (),
    "negative_prompt_attention_mask": (),
    "negative_prompt_ids": (),
    "num_assistant_tokens": (20,),
    "num_assistant_tokens_schedule": ("constant",),
    "num_beam_groups": (1,),
    "output_attentions": (),
    "output_hidden_states": (),
    "output_logits": (),
    "output_scores": (),
    "past_key_values": (),
    "penalty_alpha": (0.0,),
    "position_ids": (),
    "prefix_allowed_tokens_fn": (),
    "sequence_bias": (),
    "speculation_type": (),
    "stopping_criteria": ([],),
    "suppress_tokens": ([],),
    "target_lookbehind": (10,),
    "token_healing": (),
    "token_type_ids": (),
    "top_h": (),
    "trust_remote_code": (),
    "use_mtp": (),
    "watermarking_config": (),
}


def _check_known(name: str) -> None:
    known = [*_DEFAULTS, *_UNSUPPORTED, *_IGNORED]
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f'; is "{near[0]}" meant?' if near else ""
        raise TypeError(f'generate has no argument "{name}"{hint}')


def _check_supported(name: str, value: Any, where: str) -> None:
    if name not in _UNSUPPORTED or value is None or value is False:
        return
    for harmless in _UNSUPPORTED[name]:
        if type(value) is not np.ndarray and value == harmless:
            return
    raise ValueError(f"{where}{name}: is not supported, got {value!r:.80}")


def merge(
    model: Mapping[str, Any],
    config: Any,
    given: Mapping[str, Any],
    defaults: Mapping[str, Any] | None = None,
    task: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every argument that has an effect, with its value.

    Args:
        model: the library's generation_config.
        config: a dict or transformers.GenerationConfig, or None.
        given: the arguments of the call. None is a value here: "not used".
        defaults: replace those of transformers.
        task: one task's parameters in the model's config.json.

    Raises:
        TypeError: there is no such argument.
        ValueError: an argument that is not supported.
    """
    if config is None:
        config = {}
    elif hasattr(config, "to_dict"):
        config = config.to_dict()
    if not isinstance(config, Mapping):
        raise TypeError(
            "generation_config: expects a dict or a GenerationConfig, got a "
            f"{type(config).__name__}"
        )
    for name in given:
        _check_known(name)
    values = {**_DEFAULTS, **(defaults or {})}
    for where, options in (
        ("generation_config.json: ", model),
        ("config.json: task_specific_params: ", task or {}),
        ("generation_config: ", config),
    ):
        for name, value in options.items():
            if name not in given:
                _check_supported(name, value, where)
                if name in _DEFAULTS and value is not None:
                    values[name] = value
    for name, value in given.items():
        _check_supported(name, value, "")
        if name in _DEFAULTS:
            values[name] = value
    return values


def _refuse(name: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"{name}: expects {wanted}, got {value!r:.80}")


def _whole(values: Mapping[str, Any], name: str, least: int) -> int | None:
    """A whole number of at least `least`; None if it is None."""
    value = values[name]
    if value is None:
        return None
    wanted = f"a whole number of at least {least}"
    try:
        number = operator.index(value)
    except TypeError:
        raise _refuse(name, wanted, value) from None
    if not least <= number <= _INT32_MAX or isinstance(value, bool):
        raise _refuse(name, wanted, value)
    return number


_ABOVE_ZERO = ("a number above 0", lambda x: x > 0)
_SHARE = ("a number in [0, 1]", lambda x: 0 <= x <= 1)
_SHARE_ABOVE_ZERO = ("a number above 0, at most 1", lambda x: 0 < x <= 1)


def _real(
    values: Mapping[str, Any], name: str, wanted: str, holds: Callable[[float], bool]
) -> float | None:
    """A number for which `holds`, which `wanted` puts in words, is true, also of the
    float32 that a library computes with; None if it is None."""
    value = values[name]
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _refuse(name, wanted, value) from None
    with np.errstate(over="ignore"):
        rounded = float(np.float32(number))
    if not math.isfinite(rounded) or not holds(number) or not holds(rounded):
        raise _refuse(name, wanted, value)
    return number


def _ids(name: str, value: Any, empty: bool = False) -> list[int]:
    """A list of token ids."""
    try:
        ids = [operator.index(token) for token in value]
    except TypeError:
        raise _refuse(name, "a list of token ids", value) from None
    if not (ids or empty) or not all(0 <= token <= _INT32_MAX for token in ids):
        raise _refuse(name, "a list of token ids", value)
    return ids


def _id_lists(values: Mapping[str, Any], name: str) -> list[list[int]]:
    value = values[name]
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _refuse(name, "a list of lists of token ids", value)
    return [_ids(f"{name}[{i}]", ids) for i, ids in enumerate(value)]


def _one_or_more(values: Mapping[str, Any], name: str) -> list[int]:
    """Token ids, of which one may stand alone; none for None."""
    value = values[name]
    if value is None:
        return []
    if not isinstance(value, Sequence) and np.ndim(value) == 0:
        value = [value]
    return _ids(name, value, empty=True)


def _returned(values: Mapping[str, Any], beams: int) -> int:
    name = "num_return_sequences"
    returned = _whole(values, name, 1) or 1
    if returned > 1 and beams == 1 and not values["do_sample"]:
        raise _refuse(name, "1 without do_sample and beams", returned)
    if beams > 1 and returned > beams:
        raise _refuse(name, f"at most num_beams, {beams}", returned)
    return returned


def _seed(value: Any) -> int:
    if value is None:
        return secrets.randbits(64)
    try:
        seed = operator.index(value)
    except TypeError:
        raise _refuse("seed", "a whole number", value) from None
    if not 0 <= seed < 2**64:
        raise _refuse("seed", "a whole number in [0, 2**64)", value)
    return seed


def _early_stopping(value: Any, beams: int) -> bool | str:
    if value is not None and not isinstance(value, bool) and value != "never":
        raise _refuse("early_stopping", 'True, False or "never"', value)
    return False if beams == 1 else value or False


def _stop_strings(values: Mapping[str, Any]) -> list[str]:
    strings = values["stop_strings"] or []
    strings = [strings] if isinstance(strings, str) else list(strings)
    if not all(isinstance(text, str) and text for text in strings):
        raise _refuse("stop_strings", "a text, or a list of texts", strings)
    if strings and values["tokenizer"] is None:
        raise ValueError("stop_strings: need the argument tokenizer")
    return strings


@dataclasses.dataclass(frozen=True)
class Settings:
    """The arguments of one call of `generate`, checked.

    An attribute has the name of its argument, and its value once None and what
    stands for it are resolved. `stream` sets requests with one seed apart.
    """

    max_new_tokens: int | None
    max_length: int | None
    min_new_tokens: int | None
    min_length: int
    do_sample: bool
    seed: int
    temperature: float | None
    top_k: int
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    repetition_penalty: float | None
    no_repeat_ngram_size: int
    renormalize_logits: bool
    num_beams: int
    num_return_sequences: int
    early_stopping: bool | str
    length_penalty: float | None
    prompt_lookup_num_tokens: int
    max_matching_ngram_size: int
    eos_token_id: list[int]
    pad_token_id: int | None
    bos_token_id: int | None
    decoder_start_token_id: list[int]
    forced_bos_token_id: int | None
    forced_eos_token_id: list[int]
    bad_words_ids: list[list[int]]
    stop_sequences: list[list[int]]
    stop_strings: list[str]
    tokenizer: Any
    max_time: float | None
    return_dict_in_generate: bool
    stream: int = 0

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Raises ValueError for a value that is out of range, naming it."""
        beams = _whole(values, "num_beams", 1) or 1
        # What has no effect may have any value: a model's file may say
        # "temperature": 0.0 beside "do_sample": false.
        if not values["do_sample"]:
            values = {**values, **dict.fromkeys(_SAMPLING)}
        if beams == 1:
            values = {**values, "length_penalty": None}
        eos = _one_or_more(values, "eos_token_id")
        pad = _whole(values, "pad_token_id", 0)
        bos = _whole(values, "bos_token_id", 0)
        start = _one_or_more(values, "decoder_start_token_id")
        if values["decoder_start_token_id"] is None and bos is not None:
            start = [bos]
        return cls(
            max_new_tokens=_whole(values, "max_new_tokens", 1),
            max_length=_whole(values, "max_length", 1),
            min_new_tokens=_whole(values, "min_new_tokens", 0),
            min_length=_whole(values, "min_length", 0) or 0,
            do_sample=bool(values["do_sample"]),
            seed=_seed(values["seed"]) if values["do_sample"] else 0,
            temperature=_real(values, "temperature", *_ABOVE_ZERO),
            top_k=_whole(values, "top_k", 0) or 0,
            top_p=_real(values, "top_p", *_SHARE),
            min_p=_real(values, "min_p", *_SHARE),
            typical_p=_real(values, "typical_p", *_SHARE_ABOVE_ZERO),
            repetition_penalty=_real(values, "repetition_penalty", *_ABOVE_ZERO),
            no_repeat_ngram_size=_whole(values, "no_repeat_ngram_size", 0) or 0,
            renormalize_logits=bool(values["renormalize_logits"]),
            num_beams=beams,
            num_return_sequences=_returned(values, beams),
            early_stopping=_early_stopping(values["early_stopping"], beams),
            length_penalty=_real(values, "length_penalty", "a number", lambda x: True),
            prompt_lookup_num_tokens=_whole(values, "prompt_lookup_num_tokens", 1) or 0,
            max_matching_ngram_size=_whole(values, "max_matching_ngram_size", 1) or 0,
            eos_token_id=eos,
            pad_token_id=eos[0] if pad is None and eos else pad,
            bos_token_id=bos,
            decoder_start_token_id=start,
            forced_bos_token_id=_whole(values, "forced_bos_token_id", 0),
            forced_eos_token_id=_one_or_more(values, "forced_eos_token_id"),
            bad_words_ids=_id_lists(values, "bad_words_ids"),
            stop_sequences=_id_lists(values, "stop_sequences"),
            stop_strings=_stop_strings(values),
            tokenizer=values["tokenizer"],
            max_time=_real(values, "max_time", "seconds", lambda x: x >= 0),
            return_dict_in_generate=bool(values["return_dict_in_generate"]),
        )

    @classmethod
    def of_call(
        cls, model: Model, generation_config: Any, given: Mapping[str, Any]
    ) -> Settings:
        """The arguments of a call of a model."""
        start = given.get("decoder_start_token_id")
        if start is not None and not model.has_encoder:
            raise ValueError(
                "decoder_start_token_id: expects a model with an encoder, and "
                f"{model.path.name} has none"
            )
        of_model = model.metadata.get("generation_config", {})
        return cls.of(merge(of_model, generation_config, given))

    def check_streamed(self) -> None:
        """Raises ValueError if there is more than one sequence."""
        for name in ("num_beams", "num_return_sequences"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name}: expects 1, since one sequence is streamed")

    @property
    def requests_per_prompt(self) -> int:
        """As how many requests a prompt is submitted. A request ends as a whole, so
        where text ends a sequence each sequence is a request."""
        return self.num_return_sequences if self.stop_strings else 1

    @property
    def sequences_per_request(self) -> int:
        return 1 if self.stop_strings else self.num_return_sequences

    def lengths(
        self, counts: Sequence[int], padded: int | None, limit: int | None
    ) -> Lengths:
        """The bounds of what follows prompts.

        Args:
            counts: tokens of each prompt.
            padded: the length that all have with their padding, which then is
                what counts, as in transformers; None: nothing is padded.
            limit: the model's positions; None: any number.

        Raises ValueError if there is no room for one token.
        """
        longest = max(counts) if padded is None else padded
        shortest = min(counts) if padded is None else padded
        new = self.max_new_tokens
        whole = 0
        if new is not None:
            most = new
        elif self.max_length is not None:
            if self.max_length <= longest:
                raise ValueError(
                    f"max_length: expects more than the {longest} tokens of the "
                    f"longest prompt, got {self.max_length}; max_new_tokens does not "
                    "count the prompt"
                )
            most = self.max_length - shortest
            if padded is None:
                whole = self.max_length
            else:
                new = most
        else:
            most = 20
            if padded is not None and limit is not None:
                new = most = max(1, min(most, limit - padded))
        least = self.min_new_tokens
        if least is None and padded is not None:
            least = max(0, self.min_length - longest)
        return Lengths(
            max_new_tokens=new or 0,
            max_length=whole,
            min_new_tokens=min(least or 0, most),
            min_length=self.min_length if least is None else 0,
            # The forced token comes behind one token, where padding counts as such.
            forces_bos=self.forced_bos_token_id is not None and padded in (None, 1),
            most=most,
        )


@dataclasses.dataclass(frozen=True)
class Lengths:
    """The bounds of what follows prompts, as a library takes them; 0: not used.

    Attributes:
        forces_bos: whether the first new token is forced_bos_token_id.
        most: the most new tokens of any prompt.
    """

    max_new_tokens: int
    max_length: int
    min_new_tokens: int
    min_length: int
    forces_bos: bool
    most: int
