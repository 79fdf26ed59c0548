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
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from transom import _abi, _arrays

if TYPE_CHECKING:
    from transom._prompts import Prompt

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

# Arguments of transformers that a library can't do, with the values beside None
# and False that ask for nothing.
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
        given: the arguments of the call; here None is a value, "not used".
        defaults: in place of transformers' own, where nothing else is said.
        task: what the model's config.json says of one of its tasks.

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
    for where, source in (
        ("generation_config.json: ", model),
        ("config.json: task_specific_params: ", task or {}),
        ("generation_config: ", config),
    ):
        for name, value in source.items():
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


def _real(values: Mapping[str, Any], name: str, wanted: str, holds: Any) -> float:
    """A number for which `holds`, which stands for `wanted`, is true."""
    value = values[name]
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise _refuse(name, wanted, value) from None
    if not math.isfinite(number) or not holds(number):
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


def _id_lists(name: str, value: Any) -> list[list[int]]:
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _refuse(name, "a list of lists of token ids", value)
    return [_ids(f"{name}[{i}]", ids) for i, ids in enumerate(value)]


def _token(values: Mapping[str, Any], name: str) -> int | None:
    return _whole(values, name, 0)


def _one_or_more(name: str, value: Any) -> list[int]:
    """Token ids, of which one may stand alone; none for None."""
    if value is None:
        return []
    if not isinstance(value, Sequence) and np.ndim(value) == 0:
        value = [value]
    return _ids(name, value, empty=True)


@dataclasses.dataclass
class Settings:
    """The arguments of a call, checked."""

    options: _abi.GenerationOptions  # All but the lengths.
    kept: list[Any]  # What the options point to.
    max_new_tokens: int | None
    max_length: int | None
    min_new_tokens: int | None
    min_length: int
    num_beams: int
    num_return_sequences: int
    eos: list[int]
    pad: int | None
    bos: int | None
    decoder_start: list[int]
    forced_bos: int | None
    stop_strings: list[str]
    tokenizer: Any
    max_time: float | None
    return_dict: bool

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Settings:
        """Raises ValueError for a value that is out of range, naming it."""
        options = _abi.GenerationOptions()
        beams = _whole(values, "num_beams", 1) or 1
        returned = _whole(values, "num_return_sequences", 1) or 1
        options.do_sample = bool(values["do_sample"])
        if returned > 1 and beams == 1 and not options.do_sample:
            raise _refuse(
                "num_return_sequences", "1 without do_sample and beams", returned
            )
        if beams > 1 and returned > beams:
            raise _refuse(
                "num_return_sequences", f"at most num_beams, {beams}", returned
            )
        options.num_beams = beams
        options.num_return_sequences = returned
        cls._fill_scores(options, values)
        cls._fill_beams(options, values, beams)
        eos = _one_or_more("eos_token_id", values["eos_token_id"])
        pad = _token(values, "pad_token_id")
        bos = _token(values, "bos_token_id")
        start = values["decoder_start_token_id"]
        kept: list[Any] = [np.array(eos, np.int32)]
        options.num_eos_token_ids = len(eos) or -1
        options.eos_token_ids = kept[0].ctypes.data
        for field, name in (
            ("bad_words_ids", "bad_words_ids"),
            ("stop_sequences", "stop_sequences"),
        ):
            lists, arrays = _arrays.token_lists(name, _id_lists(name, values[name]))
            setattr(options, field, lists)
            kept += arrays
        forced = _one_or_more("forced_eos_token_id", values["forced_eos_token_id"])
        kept.append(np.array(forced, np.int32))
        options.num_forced_eos_token_ids = len(forced)
        options.forced_eos_token_ids = kept[-1].ctypes.data
        strings = values["stop_strings"] or []
        strings = [strings] if isinstance(strings, str) else list(strings)
        if not all(isinstance(text, str) and text for text in strings):
            raise _refuse("stop_strings", "a text, or a list of texts", strings)
        if strings and values["tokenizer"] is None:
            raise ValueError("stop_strings: need the argument tokenizer")
        time = values["max_time"]
        if time is not None:
            time = _real(values, "max_time", "seconds", lambda x: x >= 0)
        return cls(
            options,
            kept,
            _whole(values, "max_new_tokens", 1),
            _whole(values, "max_length", 1),
            _whole(values, "min_new_tokens", 0),
            _whole(values, "min_length", 0) or 0,
            beams,
            returned,
            eos,
            eos[0] if pad is None and eos else pad,
            bos,
            _one_or_more("decoder_start_token_id", bos if start is None else start),
            _token(values, "forced_bos_token_id"),
            strings,
            values["tokenizer"],
            time,
            bool(values["return_dict_in_generate"]),
        )

    @staticmethod
    def _fill_scores(
        options: _abi.GenerationOptions, values: Mapping[str, Any]
    ) -> None:
        """What is done to the scores of the next token."""

        def real(name: str, wanted: str, holds: Any) -> float:
            if values[name] is None:
                return 0.0
            return _real(values, name, wanted, holds)

        options.repetition_penalty = real(
            "repetition_penalty", "a number above 0", lambda x: x > 0
        )
        options.no_repeat_ngram_size = _whole(values, "no_repeat_ngram_size", 0) or 0
        options.renormalize_logits = bool(values["renormalize_logits"])
        options.prompt_lookup_num_tokens = (
            _whole(values, "prompt_lookup_num_tokens", 1) or 0
        )
        options.max_matching_ngram_size = (
            _whole(values, "max_matching_ngram_size", 1) or 0
        )
        if not options.do_sample:
            return
        seed = values["seed"]
        if seed is None:
            seed = secrets.randbits(64)
        try:
            options.seed = operator.index(seed)
        except TypeError:
            raise _refuse("seed", "a whole number", seed) from None
        if options.seed != seed:
            raise _refuse("seed", "a whole number in [0, 2**64)", seed)
        options.temperature = real("temperature", "a number above 0", lambda x: x > 0)
        options.top_k = _whole(values, "top_k", 0) or 0
        top_p = real("top_p", "a number in [0, 1]", lambda x: 0 <= x <= 1)
        # To the library 0 is "not used"; here it is the best token alone.
        options.top_p = top_p if values["top_p"] is None else max(top_p, 1e-30)
        options.min_p = real("min_p", "a number in [0, 1]", lambda x: 0 <= x <= 1)
        options.typical_p = real(
            "typical_p", "a number above 0, at most 1", lambda x: 0 < x <= 1
        )

    @staticmethod
    def _fill_beams(
        options: _abi.GenerationOptions, values: Mapping[str, Any], beams: int
    ) -> None:
        stopping = values["early_stopping"]
        known = {
            None: _abi.EARLY_STOPPING_FALSE,
            False: _abi.EARLY_STOPPING_FALSE,
            True: _abi.EARLY_STOPPING_TRUE,
            "never": _abi.EARLY_STOPPING_NEVER,
        }
        if not isinstance(stopping, (bool, str, type(None))) or stopping not in known:
            raise _refuse("early_stopping", 'True, False or "never"', stopping)
        if beams == 1:
            return
        options.early_stopping = known[stopping]
        if values["length_penalty"] is not None:
            penalty = _real(values, "length_penalty", "a number", lambda x: True)
            options.length_penalty = penalty or _abi.NO_LENGTH_PENALTY

    def separate(self) -> int:
        """How many times a prompt is to be given for its sequences. Where they
        end by their text each is a request of its own, since it ends alone."""
        if not self.stop_strings:
            return 1
        self.options.num_return_sequences = 1
        return self.num_return_sequences

    def take(self, prompts: Sequence[Prompt]) -> tuple[_abi.TokenLists, list[Any]]:
        """Prompts as the library takes them with these options, which then hold
        what decoders begin with; and the arrays that must outlive both."""
        lists, kept = _arrays.token_lists(
            "input_ids", [prompt.given for prompt in prompts]
        )
        begun = [prompt.tokens for prompt in prompts if prompt.source is not None]
        self.options.decoder_input_ids, more = _arrays.token_lists(
            "decoder_input_ids", begun
        )
        return lists, kept + more

    def lengths(
        self, counts: Sequence[int], padded: int | None, limit: int | None
    ) -> int:
        """Fills in the options' lengths; returns the most new tokens of a prompt.

        Args:
            counts: tokens of each prompt.
            padded: the length that all have with their padding, which then is
                what counts, as in transformers; None: nothing is padded.
            limit: the model's positions; None: any number.

        Raises ValueError if there is no room for one.
        """
        options = self.options
        # It comes behind one token, where padding counts as such.
        options.has_forced_bos_token_id = self.forced_bos is not None and padded in (
            None,
            1,
        )
        options.forced_bos_token_id = self.forced_bos or 0
        longest = max(counts) if padded is None else padded
        shortest = min(counts) if padded is None else padded
        least = self.min_new_tokens
        if self.max_new_tokens is not None:
            most = options.max_new_tokens = self.max_new_tokens
        elif self.max_length is not None:
            if self.max_length <= longest:
                raise ValueError(
                    f"max_length: expects more than the {longest} tokens of the "
                    f"longest prompt, got {self.max_length}; max_new_tokens does not "
                    "count the prompt"
                )
            most = self.max_length - shortest
            if padded is None:
                options.max_length = self.max_length
            else:
                options.max_new_tokens = most
        else:
            most = 20
            if padded is not None and limit is not None:
                most = max(1, min(most, limit - padded))
                options.max_new_tokens = most
        if least is not None or padded is not None:
            least = max(0, self.min_length - longest) if least is None else least
            options.min_new_tokens = min(least, most)
        else:
            options.min_length = self.min_length
        return most
