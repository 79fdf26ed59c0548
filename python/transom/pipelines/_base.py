"""What all pipelines share: tokenizer, batches, progress."""

from __future__ import annotations

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Union

import numpy as np
from tokenizers import Encoding

from transom import _arrays
from transom._library import Library, load
from transom._progress import Progress
from transom._tokenizer import Text, Tokenizer

PathLike = Union[str, "os.PathLike[str]"]


@dataclasses.dataclass(frozen=True)
class Parameters:
    """The arguments of a pipeline that a call may give."""


@dataclasses.dataclass(frozen=True)
class Results:
    """An item, its encodings, and what `forward` gave for each of them."""

    item: Any
    encodings: list[Encoding]
    values: list[Any]

    @property
    def value(self) -> Any:
        """Of an item with one encoding."""
        return self.values[0]


class Pipeline:
    """Text in, answers out.

    A subclass says how an item of the input is tokenized, to one or several
    encodings (`preprocess`), and what the model's results for them mean
    (`postprocess`). Its `Parameters` can be given when it is made, as defaults,
    and to each call.

    Args:
        library: a `transom.Library`, or the path of one.
        tokenizer: a folder with tokenizer.json. Default: the library's assets.
        batch_size: how many sequences a call of the library has at most.
            Nothing is padded, and no result depends on it.
        progress: whether lists show a progress bar. Default: on a terminal,
            when two seconds have passed.
        parameters: the fields of the pipeline's `Parameters`.
    """

    #: The tasks that a library can be compiled for to be used here.
    tasks: tuple[str, ...] = ()
    Parameters: type = Parameters

    def __init__(
        self,
        library: Library | PathLike,
        tokenizer: PathLike | None = None,
        batch_size: int = 32,
        progress: bool | None = None,
        **parameters: Any,
    ):
        self.defaults = self.Parameters(**parameters)
        if isinstance(library, (str, os.PathLike)):
            library = load(library)
        self.library = library
        if self.tasks and library.task not in self.tasks:
            raise ValueError(
                f"{library.path} was compiled for {library.task}, and this pipeline "
                f"needs {' or '.join(self.tasks)}: "
                f"transom compile --task={self.tasks[0]}"
            )
        folder = library.assets if tokenizer is None else pathlib.Path(tokenizer)
        if folder is None:
            raise FileNotFoundError(
                f"{library.path}: no folder {library.name}.assets beside it; "
                "name a folder with tokenizer.json: tokenizer=FOLDER"
            )
        self.folder = folder
        self.tokenizer = Tokenizer(folder, library.config)
        self.batch_size = batch_size
        self.progress = progress

    # What subclasses define.

    def texts(self, item: Any, parameters: Any) -> list[Text]:
        """What to tokenize for an item. Raises ValueError if it is none."""
        raise NotImplementedError

    def tokenization(self, parameters: Any) -> dict[str, Any]:
        """Arguments of `Tokenizer.encode`."""
        if isinstance(parameters, TokenizerParameters):
            return parameters.tokenization(self.max_length())
        return {}

    def forward(
        self, encodings: list[Encoding], parameters: Any
    ) -> Sequence[Any] | np.ndarray:
        """For each encoding the model's results."""
        raise NotImplementedError

    def postprocess(self, results: Results, parameters: Any) -> Any:
        """The answer for an item."""
        raise NotImplementedError

    # What they have.

    def __call__(self, inputs: Any, **options: Any) -> Any:
        """Answers one item, a list of items with a list, or an iterator with an
        iterator, which reads on when it is read. `options` are the pipeline's
        parameters, batch_size and progress."""
        parameters = self.given(options)
        size = options.get("batch_size", self.batch_size)
        if size < 1:
            raise ValueError(f"batch_size: expects 1 or more, got {size}")
        shown = options.get("progress", self.progress)
        if isinstance(inputs, list):
            progress = Progress(len(inputs), shown)
            return list(self._stream(inputs, size, progress, parameters))
        if hasattr(inputs, "__next__"):
            return self._stream(inputs, size, Progress(None, shown), parameters)
        return next(self._stream([inputs], 1, Progress(1, False), parameters))

    def given(self, options: dict[str, Any]) -> Any:
        """The parameters of a call."""
        own = {k: v for k, v in options.items() if k not in ("batch_size", "progress")}
        return dataclasses.replace(self.defaults, **own)

    def _stream(
        self, inputs: Iterable[Any], size: int, progress: Progress, parameters: Any
    ) -> Iterator[Any]:
        iterator = iter(inputs)
        try:
            while True:
                items = list(itertools.islice(iterator, size))
                if not items:
                    return
                parts = self.encode(items, parameters)
                encodings = list(itertools.chain.from_iterable(parts))
                results: list[Any] = []
                for i in range(0, len(encodings), size):
                    results.extend(self.forward(encodings[i : i + size], parameters))
                rest = iter(results)
                for item, part in zip(items, parts):
                    own = list(itertools.islice(rest, len(part)))
                    yield self.postprocess(Results(item, part, own), parameters)
                progress.add(len(items))
        finally:
            progress.close()

    def encode(self, items: list[Any], parameters: Any) -> list[list[Encoding]]:
        """For each item its encodings."""
        texts = [self.texts(item, parameters) for item in items]
        arguments = self.tokenization(parameters)
        encodings = iter(
            self.tokenizer.encode(list(itertools.chain(*texts)), **arguments)
        )
        parts = [list(itertools.islice(encodings, len(part))) for part in texts]
        if self.chunked(parameters):
            parts = [
                [e for whole in part for e in (whole, *whole.overflowing)]
                for part in parts
            ]
        return parts

    def chunked(self, parameters: Any) -> bool:
        """Whether what truncation cuts off becomes encodings of its own."""
        return False

    def run(
        self, encodings: Sequence[Encoding], outputs: Sequence[str], **more: np.ndarray
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """The library's outputs for sequences that lie one after the other,
        [tokens, width] or [sequences, width], and where each begins. `more`
        are further inputs."""
        ids = [encoding.ids for encoding in encodings]
        offsets = _arrays.offsets([len(row) for row in ids])
        # Beside a decoder, the encoder reads the ids.
        has_decoder = "decoder_input_ids" in self.library.inputs
        inputs = {
            "input_ids": np.array(list(itertools.chain.from_iterable(ids)), np.int32),
            "encoder_offsets" if has_decoder else "sequence_offsets": offsets,
        }
        if "token_type_ids" in self.library.inputs:
            types = (encoding.type_ids for encoding in encodings)
            inputs["token_type_ids"] = np.array(
                list(itertools.chain.from_iterable(types)), np.int32
            )
        results: dict[str, Any] = self.library(**inputs, **more, outputs=list(outputs))
        return results, offsets

    def run_sequences(self, encodings: Sequence[Encoding], output: str) -> np.ndarray:
        """An output of sequences, [sequences, width]."""
        return self.run(encodings, [output])[0][output]

    def run_tokens(
        self, encodings: Sequence[Encoding], output: str
    ) -> list[np.ndarray]:
        """An output of tokens, for each sequence an array [length, width]."""
        results, offsets = self.run(encodings, [output])
        ends = offsets.tolist()
        return [results[output][a:b] for a, b in zip(ends, ends[1:])]

    def label(self, number: int) -> str:
        """The name of a class; config.json leaves out names that say nothing."""
        return self.library.labels.get(number, f"LABEL_{number}")

    def max_length(self) -> int | None:
        """The longest sequence of tokens that model and tokenizer allow."""
        limits = [self.tokenizer.model_max_length, self.library.max_positions]
        return min((limit for limit in limits if limit), default=None)


class Framed(Pipeline):
    """A pipeline for texts and pairs that stand between tokens of their own.

    GPT-1 is fine-tuned on Start text Extract and Start text Delimiter text
    Extract (Radford et al. 2018, section 3.3), and its answer is read at the
    last token, Extract. A tokenizer that adds such tokens by itself needs
    nothing here.

    Args:
        start_token, extract_token: before and behind each text or pair, in place
            of what the tokenizer adds.
        delimiter_token: between the texts of a pair.
        arguments, options: those of `Pipeline`.
    """

    def __init__(
        self,
        *arguments: Any,
        start_token: str | None = None,
        delimiter_token: str | None = None,
        extract_token: str | None = None,
        **options: Any,
    ):
        super().__init__(*arguments, **options)
        self.framed = start_token is not None
        self.delimiter_token = delimiter_token
        if (start_token is None) != (extract_token is None) or (
            delimiter_token is not None and start_token is None
        ):
            raise ValueError("start_token, extract_token: expects both, or none")
        if start_token is not None and extract_token is not None:
            self.tokenizer.frame(start_token, delimiter_token, extract_token)

    def texts(self, item: Any, parameters: Any) -> list[Text]:
        texts = self.framed_texts(item)
        has_pairs = not all(isinstance(text, str) for text in texts)
        if has_pairs and self.framed and self.delimiter_token is None:
            raise ValueError("delimiter_token: a pair needs one between its texts")
        return texts

    def framed_texts(self, item: Any) -> list[Text]:
        """The texts and pairs of an item. Raises ValueError if it is none."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class TokenizerParameters(Parameters):
    """transformers' arguments of a tokenizer call. `padding` has no effect:
    nothing is padded, and no number would change."""

    truncation: bool | str = False
    max_length: int | None = None
    add_special_tokens: bool = True
    padding: bool | str = False

    def __post_init__(self) -> None:
        strategies = ("longest_first", "only_first", "only_second", "do_not_truncate")
        if self.truncation not in (True, False, *strategies):
            raise ValueError(
                f"truncation: expects True, False, {', '.join(strategies)}, "
                f"got {self.truncation!r}"
            )

    def tokenization(self, maximum: int | None) -> dict[str, Any]:
        """As arguments of `Tokenizer.encode`."""
        arguments: dict[str, Any] = {"add_special_tokens": self.add_special_tokens}
        if self.truncation not in (False, "do_not_truncate"):
            arguments["max_length"] = self.max_length or maximum
            if self.truncation is not True:
                arguments["strategy"] = self.truncation
        return arguments


def text_of(item: Any) -> str | tuple[str, str]:
    """A text, or a pair of texts given as {"text": ..., "text_pair": ...}."""
    if isinstance(item, str):
        return item
    if isinstance(item, dict) and set(item) <= {"text", "text_pair"}:
        texts = [item.get("text"), item.get("text_pair")]
        if isinstance(texts[0], str):
            if isinstance(texts[1], str):
                return (texts[0], texts[1])
            if texts[1] is None:
                return texts[0]
    raise ValueError(
        'expects a text, or {"text": ..., "text_pair": ...} for a pair, '
        f"got {item!r:.80}"
    )


def pair_of(item: Any) -> tuple[str, str]:
    """A pair of texts given as {"text": ..., "text_pair": ...}."""
    pair = text_of(item)
    if isinstance(pair, str):
        raise ValueError(
            f'expects a pair, {{"text": ..., "text_pair": ...}}, got {item!r:.80}'
        )
    return pair


def softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logits))
