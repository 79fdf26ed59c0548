"""transformers' tokenizer classes: what each one makes of tokenizer.json.

transformers 5 takes the vocabulary and the merges of tokenizer.json, and builds the
rest anew from the class's arguments: normalizer, pre-tokenizer, decoder, template. Only
`TokenizersBackend` uses the file as it is. So the class decides the ids, and here is
one function for each.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import Any

from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

from transom import _files
from transom._tokenizer_settings import SPECIAL, SettingError, Settings

_FILE = "tokenizer.json"
_SPACE = "▁"


class SpecialTokens:
    """The special tokens of a tokenizer whose backend knows them all."""

    def __init__(
        self,
        backend: Tokenizer,
        named: dict[str, Any],
        extra: list[Any],
        changed: list[AddedToken],
    ):
        self._backend = backend
        self._changed = changed
        self._named = {key: str(token) for key, token in named.items() if token}
        self._extra = [str(token) for token in extra]

    def content(self, kind: str) -> str | None:
        """The text of "mask_token", "pad_token", ...; None if there is none."""
        return self._named.get(kind)

    def id(self, kind: str) -> int | None:
        """Its id."""
        content = self.content(kind)
        return None if content is None else self._backend.token_to_id(content)

    def pair(self, kind: str) -> tuple[str, int]:
        """Its text and id, of one that must be there."""
        content, number = self.content(kind), self.id(kind)
        if content is None or number is None:
            raise ValueError(f"there is no {kind}")
        return content, number

    def ids(self) -> set[int]:
        """Those of all special tokens."""
        found = map(self._backend.token_to_id, {*self._named.values(), *self._extra})
        return {number for number in found if number is not None}

    def copy_of(self, backend: Tokenizer) -> Tokenizer:
        """A copy with the same ids. What `to_str` writes lacks two things: whether
        special tokens are split, and that a token was special before it was changed,
        after which it still counts as such."""
        copy = Tokenizer.from_str(backend.to_str())
        copy.encode_special_tokens = backend.encode_special_tokens
        if self._changed:
            copy.add_tokens(self._changed)
        return copy


_Template = Callable[[SpecialTokens], Any]


@dataclasses.dataclass
class _Made:
    """What a class makes before it knows its added tokens.

    Attributes:
        defaults: its arguments that the files may leave out.
        template: makes the post-processor, if it has one of its own.
    """

    backend: Tokenizer
    defaults: dict[str, Any]
    template: _Template | None = None


def _broken(settings: Settings, error: Exception) -> _files.BrokenFileError:
    return _files.BrokenFileError(f"{settings.folder / _FILE}: {error}")


def _parse(settings: Settings) -> Tokenizer:
    """tokenizer.json as it is."""
    try:
        return Tokenizer.from_str(settings.text)
    except Exception as error:  # tokenizers raises no other type.
        raise _broken(settings, error) from None


def _model(settings: Settings, make: Callable[[dict[str, Any]], Any]) -> Tokenizer:
    model = settings.description.get("model")
    if not isinstance(model, dict) or not model.get("vocab"):
        raise _files.BrokenFileError(
            f'{settings.folder / _FILE}: "model" has no "vocab"'
        )
    try:
        return Tokenizer(make(model))
    except Exception as error:
        _parse(settings)  # Says it better if the file is broken.
        raise SettingError(
            f'{settings.folder / _FILE}: "model" has "type" '
            f"{_files.shown(model.get('type'))}, which is not that of the class "
            f"{class_name(settings, {})}: {error}"
        ) from None


def _words(model: dict[str, Any]) -> dict[str, int]:
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        return vocab
    return {t[0] if isinstance(t, list) else t: i for i, t in enumerate(vocab)}


def _pieces(model: dict[str, Any]) -> list[tuple[str, float]]:
    if not isinstance(model["vocab"], list):
        raise TypeError("expects a list of pieces with scores")
    return [(piece, score) for piece, score in model["vocab"]]


def _merges(model: dict[str, Any]) -> list[Any]:
    merges = model.get("merges") or []
    return [tuple(m.split(" ")) if isinstance(m, str) else tuple(m) for m in merges]


def _charsmap(settings: Settings) -> Any:
    """The SentencePiece normalizer of tokenizer.json; None if it has none."""
    normalizer = settings.description.get("normalizer") or []
    if isinstance(normalizer, dict):
        normalizer = (
            normalizer["normalizers"]
            if normalizer.get("type") == "Sequence"
            else [normalizer]
        )
    for step in normalizer:
        if step.get("type") == "Precompiled" and "precompiled_charsmap" in step:
            data = base64.b64decode(step["precompiled_charsmap"])
            return normalizers.Precompiled(data)
    return None


def _file_template(settings: Settings) -> _Template:
    """The post-processor of tokenizer.json."""

    def make(_: SpecialTokens) -> Any:
        description = json.loads(Tokenizer(models.BPE()).to_str())
        description["post_processor"] = settings.description.get("post_processor")
        try:
            return Tokenizer.from_str(json.dumps(description)).post_processor
        except Exception as error:
            _parse(settings)
            raise _broken(settings, error) from None

    return make


def _text(settings: Settings, key: str, default: Any) -> str:
    """The text of a token that the class can't do without."""
    value = settings.arguments.get(key, default)
    if not isinstance(value, (str, AddedToken)) or not str(value):
        settings.refuse(key, "a token")
    return str(value)


def _bert(settings: Settings) -> _Made:
    defaults = {
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }
    unknown = _text(settings, "unk_token", "[UNK]")
    cls, sep = (
        _text(settings, key, defaults[key]) for key in ("cls_token", "sep_token")
    )
    backend = _model(
        settings, lambda model: models.WordPiece(_words(model), unk_token=unknown)
    )
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=settings.flag("tokenize_chinese_chars", True),
        strip_accents=settings.flag_or_null("strip_accents"),
        lowercase=settings.flag("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")

    def template(tokens: SpecialTokens) -> Any:
        return processors.TemplateProcessing(
            single=f"{cls}:0 $A:0 {sep}:0",
            pair=f"{cls}:0 $A:0 {sep}:0 $B:1 {sep}:1",
            special_tokens=[tokens.pair("cls_token"), tokens.pair("sep_token")],
        )

    return _Made(backend, defaults, template)


def _byte_level(settings: Settings) -> Tokenizer:
    backend = _model(
        settings,
        lambda model: models.BPE(
            vocab=_words(model),
            merges=_merges(model),
            continuing_subword_prefix="",
            end_of_word_suffix="",
            fuse_unk=False,
        ),
    )
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=settings.flag("add_prefix_space", False)
    )
    backend.decoder = decoders.ByteLevel()
    return backend


def _roberta(settings: Settings) -> _Made:
    defaults = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "cls_token": "<s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
    }
    for key in ("cls_token", "sep_token"):
        _text(settings, key, defaults[key])

    def template(tokens: SpecialTokens) -> Any:
        return processors.RobertaProcessing(
            tokens.pair("sep_token"),
            tokens.pair("cls_token"),
            settings.flag("trim_offsets", True),
            settings.flag("add_prefix_space", False),
        )

    return _Made(_byte_level(settings), defaults, template)


def _gpt2(settings: Settings) -> _Made:
    end = "<|endoftext|>"
    defaults = {"unk_token": end, "bos_token": end, "eos_token": end, "pad_token": None}
    return _Made(_byte_level(settings), defaults, _file_template(settings))


def _openai_gpt(settings: Settings) -> _Made:
    unknown = _text(settings, "unk_token", "<unk>")
    backend = _model(
        settings,
        lambda model: models.BPE(
            vocab=_words(model),
            merges=_merges(model),
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=unknown,
        ),
    )
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.BPEDecoder(suffix="</w>")
    return _Made(backend, {"unk_token": "<unk>"}, _file_template(settings))


def _llama(settings: Settings) -> _Made:
    prefix = settings.flag_or_null("add_prefix_space") is not False
    legacy = settings.flag_or_null("legacy")
    backend = _model(
        settings,
        lambda model: models.BPE(
            vocab=_words(model),
            merges=_merges(model),
            fuse_unk=True,
            byte_fallback=True,
        ),
    )
    backend.pre_tokenizer = pre_tokenizers.Metaspace(
        replacement=_SPACE,
        prepend_scheme=("always" if legacy else "first") if prefix else "never",
        split=False,
    )
    steps: list[Any] = [
        decoders.Replace(_SPACE, " "),
        decoders.ByteFallback(),
        decoders.Fuse(),
    ]
    if prefix:
        steps.append(decoders.Strip(content=" ", left=1))
    backend.decoder = decoders.Sequence(steps)
    defaults = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    return _Made(backend, defaults, _file_template(settings))


def _unigram(
    settings: Settings, unknown: Callable[[list[tuple[str, float]]], int], scheme: str
) -> Tokenizer:
    def make(model: dict[str, Any]) -> Any:
        pieces = _pieces(model)
        return models.Unigram(pieces, unk_id=unknown(pieces), byte_fallback=False)

    backend = _model(settings, make)
    charsmap = _charsmap(settings)
    if charsmap is not None:
        backend.normalizer = charsmap
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement=_SPACE, prepend_scheme=scheme),
        ]
    )
    backend.decoder = decoders.Metaspace(replacement=_SPACE, prepend_scheme=scheme)
    return backend


def _t5(settings: Settings) -> _Made:
    count = settings.arguments.get("extra_ids", 100)
    if isinstance(count, bool) or not isinstance(count, int):
        settings.refuse("extra_ids", "a number")
    sentinels = [f"<extra_id_{i}>" for i in range(count)]
    key = "additional_special_tokens"
    tokens = settings.arguments.pop(key, None)
    if tokens is None:
        tokens = sentinels
    else:
        given = sum("<extra_id_" in str(token) for token in tokens)
        if not given:
            tokens = tokens + sentinels
        elif 0 < count != given:
            settings.refuse(key, f"all of the {count} of extra_ids, or none", tokens)
    # transformers takes it for "extra_special_tokens" where there are none.
    defaults = {
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "pad_token": "<pad>",
        "extra_special_tokens": tokens,
    }
    _text(settings, "eos_token", "</s>")

    def template(special: SpecialTokens) -> Any:
        return processors.TemplateProcessing(
            single=["$A", "</s>"],
            pair=["$A", "</s>", "$B", "</s>"],
            special_tokens=[("</s>", special.id("eos_token"))],
        )

    return _Made(_unigram(settings, lambda _: 2, "always"), defaults, template)


def _prepend_scheme(settings: Settings) -> str:
    return "always" if settings.flag("add_prefix_space", True) else "never"


def _bos_eos(settings: Settings) -> _Template:
    bos, eos = _text(settings, "bos_token", "<s>"), _text(settings, "eos_token", "</s>")

    def template(tokens: SpecialTokens) -> Any:
        return processors.TemplateProcessing(
            single=[bos, "$A", eos],
            pair=[bos, "$A", eos, eos, "$B", eos],
            special_tokens=[tokens.pair("bos_token"), tokens.pair("eos_token")],
        )

    return template


_XLM_ROBERTA_TOKENS = {
    "bos_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "cls_token": "<s>",
    "unk_token": "<unk>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
}


def _xlm_roberta(settings: Settings) -> _Made:
    backend = _unigram(settings, lambda _: 3, _prepend_scheme(settings))
    return _Made(backend, dict(_XLM_ROBERTA_TOKENS), _bos_eos(settings))


def _camembert(settings: Settings) -> _Made:
    unknown = str(settings.arguments.get("unk_token", "<unk>"))

    def unknown_id(pieces: list[tuple[str, float]]) -> int:
        return next((i for i, (piece, _) in enumerate(pieces) if piece == unknown), 0)

    arguments = settings.arguments
    mask = arguments.get("mask_token", "<mask>")
    if isinstance(mask, str):
        arguments["mask_token"] = AddedToken(mask, lstrip=True, special=True)
    unused = arguments.pop("additional_special_tokens", None)
    if unused is None:
        unused = ["<s>NOTUSED", "</s>NOTUSED", "<unk>NOTUSED"]
    backend = _unigram(settings, unknown_id, _prepend_scheme(settings))
    defaults = {**_XLM_ROBERTA_TOKENS, "extra_special_tokens": unused}
    return _Made(backend, defaults, _bos_eos(settings))


def _as_it_is(settings: Settings) -> _Made:
    return _Made(_parse(settings), {})


#: By the name that transformers has for the class, without "Fast".
_CLASSES: dict[str, Callable[[Settings], _Made]] = {
    "BartTokenizer": _roberta,
    "BertTokenizer": _bert,
    "BloomTokenizer": _as_it_is,
    "CamembertTokenizer": _camembert,
    "DistilBertTokenizer": _bert,
    "ElectraTokenizer": _bert,
    "GPT2Tokenizer": _gpt2,
    "LlamaTokenizer": _llama,
    "OpenAIGPTTokenizer": _openai_gpt,
    "PreTrainedTokenizer": _as_it_is,
    "PythonBackend": _as_it_is,
    "RobertaTokenizer": _roberta,
    "T5Tokenizer": _t5,
    "TokenizersBackend": _as_it_is,
    "XLMRobertaTokenizer": _xlm_roberta,
}

#: What transformers takes for a model if no file names a class.
_OF_MODEL = {
    "bert": "BertTokenizer",
    "camembert": "CamembertTokenizer",
    "distilbert": "BertTokenizer",
    "electra": "BertTokenizer",
    "gpt2": "GPT2Tokenizer",
    "mt5": "T5Tokenizer",
    "openai-gpt": "OpenAIGPTTokenizer",
    "roberta": "RobertaTokenizer",
    "t5": "T5Tokenizer",
    "xlm-roberta": "XLMRobertaTokenizer",
}


def class_name(settings: Settings, model: Mapping[str, Any]) -> str:
    """The name of the tokenizer's class; `model` is the model's config.json."""
    named = settings.config.get("tokenizer_class") or model.get("tokenizer_class")
    kind = model.get("model_type")
    if not named:
        return _OF_MODEL.get(str(kind), "TokenizersBackend")
    name = str(named).removesuffix("Fast")
    if name == "LlamaTokenizer" and '"ByteLevel"' in settings.text:
        return "TokenizersBackend"  # LLaMA 3 still has the name.
    if kind == "umt5":
        return "TokenizersBackend"
    if name not in _CLASSES:
        settings.refuse("tokenizer_class", ", ".join(_CLASSES), named)
    return name


def make(
    settings: Settings, model: Mapping[str, Any]
) -> tuple[Tokenizer, SpecialTokens]:
    """The tokenizer that transformers' AutoTokenizer makes."""
    made = _CLASSES[class_name(settings, model)](settings)
    backend = made.backend
    given = settings.arguments
    older = given.pop("additional_special_tokens", None)
    if older is not None:
        given.setdefault("extra_special_tokens", older)
    arguments = settings.arguments = {**made.defaults, **given}
    padding = settings.description.get("padding")
    if padding:
        arguments.setdefault("pad_token", padding.get("pad_token"))
    truncation = settings.description.get("truncation")
    if truncation:
        side = str(truncation.get("direction", "right")).lower()
        arguments.setdefault("truncation_side", side)
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = settings.flag("split_special_tokens", False)
    tokens = _special_tokens(settings, backend)
    if made.template is not None:
        try:
            post_processor = made.template(tokens)
        except (TypeError, ValueError) as error:
            raise SettingError(
                f"{settings.folder}: the special tokens make no template: {error}"
            ) from None
        if post_processor is not None:
            backend.post_processor = post_processor
    return backend, tokens


def _special_tokens(settings: Settings, backend: Tokenizer) -> SpecialTokens:
    """Adds the tokens that the backend does not know, in transformers' order."""
    arguments = settings.arguments
    named = {key: arguments.get(key) for key in SPECIAL}
    own = arguments.get("model_specific_special_tokens") or {}
    for key, value in arguments.items():
        if key.endswith("_token") and isinstance(value, (str, AddedToken)):
            named.setdefault(key, value)
    named.update(own)
    for key, value in named.items():
        if value is not None and not isinstance(value, (str, AddedToken)):
            settings.refuse(key, "a token", value)
    key = "extra_special_tokens"
    extra = arguments.get(key) or []
    if not isinstance(extra, list):
        settings.refuse(key, "a list of tokens")
    for token in extra:
        if not isinstance(token, (str, AddedToken)):
            settings.refuse(key, "a list of tokens")

    there = list(backend.get_added_tokens_decoder().values())
    same = {repr(token) for token in there}
    fresh: list[str | AddedToken] = [
        token for _, token in sorted(settings.added.items()) if repr(token) not in same
    ]
    known = {str(token) for token in there} | {str(token) for token in fresh}
    for token in filter(None, named.values()):
        if str(token) not in known and token not in fresh:
            fresh.append(token)
    for token in extra:
        if str(token) not in known and token not in fresh:
            fresh.append(token)
    contents = {str(token) for token in named.values() if token}
    tokens = []
    for token in fresh:
        if isinstance(token, str):
            token = AddedToken(token, special=True)
        elif not token.special and str(token) in contents:
            token.special = True
        tokens.append(token)
    if tokens:
        backend.add_tokens(tokens)
    contents = {str(token) for token in tokens}
    before = [token for token in there if str(token) in contents]
    return SpecialTokens(backend, named, extra, [*before, *tokens] if before else [])
