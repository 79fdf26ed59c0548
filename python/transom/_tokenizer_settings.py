"""What the files beside tokenizer.json say, put together as transformers'
`PreTrainedTokenizerBase.from_pretrained` does.

tokenizer_config.json has the arguments of a class. If it has "added_tokens_decoder", it
says all; if not, special_tokens_map.json takes precedence over it, and the added tokens
are those of added_tokens.json and tokenizer.json.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, NoReturn

from tokenizers import AddedToken

from transom import _files

_CONFIG = "tokenizer_config.json"
_MAP = "special_tokens_map.json"
_ADDED = "added_tokens.json"
_FILE = "tokenizer.json"

#: The special tokens that every tokenizer may have, in transformers' order.
SPECIAL = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


class SettingError(ValueError):
    """A file has a setting that would change ids and can't be followed; the text names
    the file, the key and the value."""


@dataclasses.dataclass
class Settings:
    """
    Attributes:
        text, description: tokenizer.json, as text and as an object.
        class_name: "tokenizer_class", without "Fast"; None if no file has it.
        arguments: what the tokenizer's class is made with.
        added: the added tokens by their ids, as the files give them.
    """

    folder: pathlib.Path
    text: str
    description: dict[str, Any]
    config: dict[str, Any]
    arguments: dict[str, Any] = dataclasses.field(default_factory=dict)
    added: dict[int, AddedToken] = dataclasses.field(default_factory=dict)
    _sources: dict[str, str] = dataclasses.field(default_factory=dict)

    def refuse(self, key: str, supported: str, value: Any = None) -> NoReturn:
        """Refuses an argument, or the given value of it."""
        value = self.arguments.get(key) if value is None else value
        if isinstance(value, AddedToken):
            value = str(value)
        raise SettingError(
            f"{self.folder / self._sources.get(key, _CONFIG)}: "
            f'"{key}" is {_files.shown(value)}; supported: {supported}'
        )

    def flag(self, key: str, default: bool) -> bool:
        """An argument that is true or false."""
        value = self.arguments.get(key, default)
        if not isinstance(value, bool):
            self.refuse(key, "true, false")
        return value

    def flag_or_null(self, key: str) -> bool | None:
        """An argument that is true, false or, as by default, null."""
        value = self.arguments.get(key)
        if not isinstance(value, bool) and value is not None:
            self.refuse(key, "true, false, null")
        return value


def _token(path: pathlib.Path, key: str, value: dict[str, Any]) -> AddedToken:
    fields = {name: field for name, field in value.items() if name != "__type"}
    try:
        return AddedToken(**fields)
    except TypeError as error:
        raise SettingError(
            f'{path}: "{key}" has {_files.shown(value)}; supported: a token, as '
            f"tokenizers writes it ({error})"
        ) from None


def _with_tokens(path: pathlib.Path, key: str, value: Any) -> Any:
    """A value in which what was written as an AddedToken is one again."""
    if isinstance(value, dict):
        if value.get("__type") == "AddedToken":
            return _token(path, key, value)
        return {name: _with_tokens(path, key, part) for name, part in value.items()}
    if isinstance(value, list):
        return [_with_tokens(path, key, part) for part in value]
    return value


def _id(path: pathlib.Path, key: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise SettingError(
            f'{path}: "{key}" has {_files.shown(value)}; supported: ids'
        ) from None


def read(folder: pathlib.Path) -> Settings:
    """The settings of the tokenizer in a folder.

    Raises:
        FileNotFoundError: there is no tokenizer.json.
        BrokenFileError: a file is not JSON.
        SettingError: a file says what can't be followed.
    """
    path = folder / _FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; a pipeline needs it")
    text = _files.read_text(path)
    settings = Settings(
        folder,
        text,
        _files.parse(path, text, dict),
        _files.read_object(folder, _CONFIG),
    )
    _read_config(settings)
    if "added_tokens_decoder" in settings.arguments:
        _read_decoder(settings)
    else:
        _read_special_tokens_map(settings)
        _read_added_tokens(settings)
    arguments = settings.arguments
    for key, value in arguments.items():
        source = folder / settings._sources.get(key, _CONFIG)
        arguments[key] = _with_tokens(source, key, value)
    by_content = {str(token): token for token in settings.added.values()}
    for key in SPECIAL:
        if arguments.get(key) is not None:
            arguments[key] = by_content.get(str(arguments[key]), arguments[key])
    return settings


def _read_config(settings: Settings) -> None:
    """tokenizer_config.json, with today's names for what had others."""
    arguments = dict(settings.config)
    settings.arguments = arguments
    arguments.pop("tokenizer_class", None)
    if arguments.pop("init_inputs", None):
        settings.refuse("init_inputs", "[]", settings.config["init_inputs"])
    files = arguments.pop("fast_tokenizer_files", None)
    if files not in (None, [], [_FILE]):
        settings.refuse("fast_tokenizer_files", f'["{_FILE}"]', files)
    # tokenizer.json has its template.
    arguments.pop("add_bos_token", None)
    arguments.pop("add_eos_token", None)
    if "additional_special_tokens" in arguments and not arguments.get(
        "extra_special_tokens"
    ):
        arguments["extra_special_tokens"] = arguments.pop("additional_special_tokens")
    own = {
        key: arguments.pop(key)
        for key in list(arguments)
        if key.endswith("_token")
        and key not in SPECIAL
        and isinstance(arguments[key], str)
    }
    if isinstance(arguments.get("extra_special_tokens"), dict):
        own.update(arguments.pop("extra_special_tokens"))
    if own:
        arguments["model_specific_special_tokens"] = own


def _read_decoder(settings: Settings) -> None:
    key = "added_tokens_decoder"
    path = settings.folder / _CONFIG
    entries = settings.arguments.pop(key)
    if not isinstance(entries, dict) or not all(
        isinstance(entry, dict) for entry in entries.values()
    ):
        settings.refuse(key, "tokens by their ids", entries)
    for number, entry in entries.items():
        settings.added[_id(path, key, number)] = _token(path, key, entry)


def _read_special_tokens_map(settings: Settings) -> None:
    folder, arguments = settings.folder, settings.arguments
    for key, value in _files.read_object(folder, _MAP).items():
        settings._sources[key] = _MAP
        if isinstance(value, dict) and key != "extra_special_tokens":
            value = _token(folder / _MAP, key, {**value, "special": True})
        elif key == "extra_special_tokens" and isinstance(value, list):
            tokens = list(arguments.get(key) or [])
            for token in value:
                if isinstance(token, dict):
                    token = _token(folder / _MAP, key, {**token, "special": True})
                if token not in tokens:
                    tokens.append(token)
            value = tokens
        arguments[key] = value
    if isinstance(arguments.get("extra_special_tokens"), dict):
        arguments.setdefault("model_specific_special_tokens", {}).update(
            arguments.pop("extra_special_tokens")
        )


def _read_added_tokens(settings: Settings) -> None:
    folder, arguments = settings.folder, settings.arguments
    special = {str(arguments[key]) for key in SPECIAL if arguments.get(key)}
    special |= {str(token) for token in arguments.get("extra_special_tokens") or []}
    for content, number in _files.read_object(folder, _ADDED).items():
        settings.added[_id(folder / _ADDED, content, number)] = AddedToken(
            content, normalized=content not in special, special=content in special
        )
    key = "added_tokens"
    for entry in settings.description.get(key) or []:
        if not isinstance(entry, dict) or "id" not in entry:
            raise SettingError(
                f'{folder / _FILE}: "{key}" has {_files.shown(entry)}; supported: '
                "tokens with ids"
            )
        fields = {name: field for name, field in entry.items() if name != "id"}
        number = _id(folder / _FILE, key, entry["id"])
        settings.added[number] = _token(folder / _FILE, key, fields)
