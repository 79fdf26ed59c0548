"""What a model's folder has beside the model, checked before it is compiled."""

from __future__ import annotations

import pathlib
from typing import Any

from transom import _files, _tokenizer
from transom.pipelines._sentence_model import SentenceModel

_FILES = (
    "added_tokens.json",
    "config_sentence_transformers.json",
    "modules.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)


def _makes_vectors(config: dict[str, Any], task: str | None) -> bool:
    """Whether a library has the vectors that sentence-transformers pools."""
    if task is not None:
        return task == "feature-extraction"
    named = config.get("architectures")
    names = named if isinstance(named, list) else []
    return not any("For" in str(name) or "LMHead" in str(name) for name in names)


def check(folder: pathlib.Path, task: str | None) -> str | None:
    """What a caller should be warned of: text can't go into the model.

    Raises:
        ValueError, FileNotFoundError: a file is broken, or vectors would not be those
            of sentence-transformers.
    """
    try:
        config = _files.read_object(folder, "config.json")
    except _files.BrokenFileError:
        config = {}  # The compiler says what is wrong with it.
    for name in _FILES:
        path = folder / name
        if path.is_file():
            _files.read_text(path)
    if _makes_vectors(config, task):
        SentenceModel.read(folder)
    if not (folder / "tokenizer.json").is_file():
        return None
    try:
        _tokenizer.Tokenizer(folder, config)
    except _files.BrokenFileError:
        raise
    except ValueError as error:
        return f"{error}; the library works, but not with text"
    return None
