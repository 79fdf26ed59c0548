"""What the files of sentence-transformers beside a model say."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

import numpy as np

from transom import _dense, _files
from transom.pipelines import _pooling

_MODULES = "modules.json"
_SENTENCE = "config_sentence_transformers.json"

# The files of the Transformer module; sentence-transformers reads the first that says
# anything.
_TRANSFORMER = (
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
)

# The older form of a pooling's config.json has one switch for each.
_SWITCHES = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}

# Arguments of a tokenizer that change no id.
_HARMLESS = {"padding_side", "trust_remote_code", "use_fast", "revision"}


class Normalize:
    """The module that gives vectors length 1."""

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        return _pooling.normalized(vectors)

    def width(self, width: int) -> int:
        return width


@dataclasses.dataclass(frozen=True)
class SentenceModel:
    """
    Attributes:
        modes: how tokens are pooled; None if there are no such files.
        includes_prompt: whether a prompt's tokens are pooled with the others.
        steps: what is done with a pooled vector, in order.
        truncate_dim: how many numbers are left of a vector after that.
    """

    modes: tuple[str, ...] | None = None
    includes_prompt: bool = True
    steps: tuple[Normalize | _dense.Dense, ...] = ()
    max_length: int | None = None
    lower: bool = False
    prompts: dict[str, str] = dataclasses.field(default_factory=dict)
    default_prompt: str | None = None
    similarity: str = "cosine"
    truncate_dim: int | None = None

    @classmethod
    def read(cls, folder: pathlib.Path) -> SentenceModel:
        """Raises ValueError if a file is broken, or has what is not supported."""
        fields = {
            **_modules(folder),
            **_transformer(folder),
            **_sentence(folder),
        }
        return cls(**fields)


def _refuse(path: pathlib.Path, key: str, value: Any, supported: str) -> ValueError:
    return ValueError(
        f'{path}: "{key}" is {_files.shown(value)}; supported: {supported}'
    )


def _flag(path: pathlib.Path, config: dict[str, Any], key: str, default: bool) -> bool:
    value = config.get(key, default)
    if not isinstance(value, bool):
        raise _refuse(path, key, value, "true, false")
    return value


def _number(path: pathlib.Path, config: dict[str, Any], key: str) -> int | None:
    value = config.get(key)
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, int) or value < 1
    ):
        raise _refuse(path, key, value, "a number from 1 on, null")
    return value


def _modules(folder: pathlib.Path) -> dict[str, Any]:
    path = folder / _MODULES
    fields: dict[str, Any] = {}
    steps: list[Normalize | _dense.Dense] = []
    modules = _files.read_list(folder, _MODULES)
    for number, module in enumerate(modules):
        if not isinstance(module, dict) or not isinstance(module.get("type"), str):
            raise _refuse(path, str(number), module, 'an object with a "type"')
        kind = module["type"].rsplit(".", 1)[-1]
        place = _place(folder, path, module)
        if kind == "Transformer":
            if place != folder or number:
                raise _refuse(
                    path, "path", module.get("path"), '"" for a Transformer, the first'
                )
        elif kind == "Pooling" and not fields:
            fields = _pooled(place)
        elif kind == "Normalize" and fields:
            _same_vector(place, kind)
            steps.append(Normalize())
        elif kind == "Dense" and fields:
            _same_vector(place, kind)
            steps.append(_dense.Dense.read(place))
        elif kind == "Dropout":
            pass  # Only training has it.
        else:
            raise _refuse(
                path,
                "type",
                module["type"],
                "Transformer, Pooling once, then Dense, Normalize and Dropout",
            )
    if modules and not fields:
        raise ValueError(f'{path}: expects a module of the "type" Pooling, got none')
    return {**fields, "steps": tuple(steps)}


def _place(
    folder: pathlib.Path, path: pathlib.Path, module: dict[str, Any]
) -> pathlib.Path:
    """The folder of a module, which must be within the model's."""
    name = module.get("path", "")
    if (
        not isinstance(name, str)
        or pathlib.PurePath(name).is_absolute()
        or ".." in pathlib.PurePath(name).parts
    ):
        raise _refuse(path, "path", name, "a folder of the model")
    return folder / name


def _same_vector(place: pathlib.Path, kind: str) -> None:
    """Refuses a module that works on anything but the sentence's vector."""
    config = _files.read_object(place, "config.json")
    for key in ("module_input_name", "module_output_name"):
        if config.get(key) not in (None, "sentence_embedding"):
            raise _refuse(
                place / "config.json", key, config[key], '"sentence_embedding"'
            )


def _pooled(place: pathlib.Path) -> dict[str, Any]:
    path = place / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; {_MODULES} names it")
    config = _files.read_object(place, path.name)
    named = config.get("pooling_mode")
    if named is None:
        on = {
            mode for key, mode in _SWITCHES.items() if _flag(path, config, key, False)
        }
        named = [mode for mode in _pooling.POOLING if mode in on] or ["mean"]
    modes = (named,) if isinstance(named, str) else tuple(named)
    for mode in modes:
        if mode not in _pooling.POOLING:
            supported = ", ".join(_pooling.POOLING)
            raise _refuse(path, "pooling_mode", mode, supported)
    includes = _flag(path, config, "include_prompt", True)
    return {"modes": modes, "includes_prompt": includes}


def _transformer(folder: pathlib.Path) -> dict[str, Any]:
    for name in _TRANSFORMER:
        config = _files.read_object(folder, name)
        if config:
            break
    else:
        return {}
    path = folder / name
    length = _number(path, config, "max_seq_length")
    for key in ("processor_kwargs", "tokenizer_args"):
        given = config.get(key) or {}
        if not isinstance(given, dict):
            raise _refuse(path, key, given, "an object")
        for option in given:
            if option == "model_max_length":
                length = _number(path, given, option)
            elif option not in _HARMLESS:
                raise _refuse(path, key, given, "model_max_length")
    task = config.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise _refuse(path, "transformer_task", task, '"feature-extraction"')
    lower = _flag(path, config, "do_lower_case", False)
    return {"max_length": length, "lower": lower}


def _sentence(folder: pathlib.Path) -> dict[str, Any]:
    path = folder / _SENTENCE
    config = _files.read_object(folder, _SENTENCE)
    prompts = config.get("prompts") or {}
    if not isinstance(prompts, dict) or not all(
        isinstance(text, str) for text in prompts.values()
    ):
        raise _refuse(path, "prompts", prompts, "texts by their names")
    default = config.get("default_prompt_name")
    if default is not None and default not in prompts:
        names = ", ".join(prompts) or "no name, for there are no prompts"
        raise _refuse(path, "default_prompt_name", default, names)
    similarity = config.get("similarity_fn_name") or "cosine"
    if similarity not in _pooling.SIMILARITY:
        supported = ", ".join(_pooling.SIMILARITY)
        raise _refuse(path, "similarity_fn_name", similarity, supported)
    return {
        "prompts": prompts,
        "default_prompt": default,
        "similarity": similarity,
        "truncate_dim": _number(path, config, "truncate_dim"),
    }
