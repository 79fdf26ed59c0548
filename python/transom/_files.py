"""The JSON files of a model's folder: what they hold, or what is wrong with them."""

from __future__ import annotations

import json
import pathlib
from typing import Any

# What often stands in a file's place, told by its first bytes, and how to get the real
# one.
_LOOKALIKES = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the file itself; run 'git lfs pull' in the model's "
        "repository",
    ),
    *(
        (
            start,
            "a page in HTML or XML; download the file again: a server sent a page "
            "instead of it",
        )
        for start in (b"<!doctype", b"<html", b"<?xml")
    ),
)

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class BrokenFileError(ValueError):
    """A file is not what its name says; the text names it and, if known, the place."""


def check_lookalike(path: pathlib.Path, data: bytes) -> None:
    """Raises BrokenFileError if a file is what often stands in a file's place."""
    for start, what in _LOOKALIKES:
        if data.lstrip()[: len(start)].lower() == start:
            raise BrokenFileError(f"{path}: this is {what}")


def read_text(path: pathlib.Path) -> str:
    """The text of a file that should be JSON."""
    data = path.read_bytes()
    check_lookalike(path, data)
    if not data.strip():
        raise BrokenFileError(f"{path}: the file is empty")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise BrokenFileError(
            f"{path}: line {line}, byte {column}: expects UTF-8, "
            f"got 0x{data[error.start]:02x}"
        ) from None


def parse(path: pathlib.Path, text: str, kind: type) -> Any:
    """What the JSON text of a file says: an object or a list, as `kind` is dict or
    list."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise BrokenFileError(
            f"{path}: line {error.lineno}, column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise BrokenFileError(f"{path}: the JSON is nested too deeply") from None
    if not isinstance(value, kind):
        raise BrokenFileError(
            f"{path}: line 1: expects {_KINDS[kind]}, got {_KINDS[type(value)]}"
        )
    return value


def read_object(folder: pathlib.Path, name: str) -> dict[str, Any]:
    """The JSON object in a file; {} if there is no such file."""
    path = folder / name
    return parse(path, read_text(path), dict) if path.is_file() else {}


def read_list(folder: pathlib.Path, name: str) -> list[Any]:
    """The JSON list in a file; [] if there is no such file."""
    path = folder / name
    return parse(path, read_text(path), list) if path.is_file() else []


def shown(value: Any) -> str:
    """A value as a file has it, for a message."""
    return f"{json.dumps(value, default=str):.80}"
