"""A compiled model: loading it, calling it."""

from __future__ import annotations

import contextlib
import itertools
import json
import pathlib
import weakref
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Union

import numpy as np

from transom import _abi, _arrays, _engine, _generate, _generation_config, _prompts
from transom._batch import Batch, Output
from transom._sequences import Sequences
from transom._session import MismatchError, PathLike, Session, SessionPool, check

Outputs = dict[str, Union[np.ndarray, list[np.ndarray]]]

# What says which tokens of a set there are: its name for callers of a library
# whose decoder reads a source, and its name for a Batch.
_SOURCE_NAMES = {
    "attention_mask": "attention_mask",
    "encoder_offsets": "sequence_offsets",
}
_TARGET_NAMES = {
    "decoder_attention_mask": "attention_mask",
    "sequence_offsets": "sequence_offsets",
}


class Library:
    """A compiled model; `transom.load` makes it.

    Attributes:
        path: the shared library's file.
        name: the name in its exports, NAME of libNAME.so.
        task: what it was compiled for, such as "feature-extraction".
        inputs, outputs: a dict of the tensors by name. A tensor is a dict with
            "dims", the names and sizes of its dimensions.
        config: the model's config.json.
        labels: the names of the classes by number, if the model has classes.
        max_positions: how many positions the model knows; None: any number.
        threads: how many threads a call uses, the caller's included.
        metadata: all that the library says of itself.
        assets: the folder with the tokenizer's files; None if there is none.

    Any number of threads may call a library at the same time. A library holds
    memory until `close`, the end of a `with` block, or until it is collected.
    """

    def __init__(
        self,
        path: PathLike,
        weights: PathLike | None = None,
        threads: int | None = None,
        max_tokens: int | None = None,
        cache_tokens: int | None = None,
    ):
        self.path = pathlib.Path(path)
        if not self.path.exists():
            raise FileNotFoundError(f"{self.path}: no such library")
        entry = _abi.open_entry(str(self.path))
        if entry.abi_version != _abi.ABI_VERSION:
            raise MismatchError(
                f"{self.path}: expected a library of ABI version "
                f"{_abi.ABI_VERSION}, got version {entry.abi_version}; compile "
                "the model again"
            )
        self.name: str = entry.name.decode()
        self.metadata: dict[str, Any] = json.loads(entry.metadata)
        self.task: str = self.metadata["task"]
        self.config: dict[str, Any] = self.metadata["config"]
        labels = self.config.get("id2label") or {}
        self.labels: dict[int, str] = {int(i): name for i, name in labels.items()}
        self.inputs: dict[str, dict[str, Any]] = {
            info["name"]: info for info in self.metadata["inputs"]
        }
        positions = self.inputs.get("position_ids", {})
        self.max_positions: int | None = positions.get("bound") or None
        self.outputs: dict[str, dict[str, Any]] = {
            info["name"]: info for info in self.metadata["outputs"]
        }
        programs = self.metadata.get("programs", {})
        #: Whether prompts are read by an encoder, and a decoder's ids follow.
        self.has_encoder = "encode" in programs
        assets = self.path.with_name(self.name + ".assets")
        self.assets: pathlib.Path | None = assets if assets.is_dir() else None

        self._entry = entry
        self._outputs = [Output(info) for info in self.metadata["outputs"]]
        # Of what a library does beside a call: first inputs and all outputs.
        self._leaders = {n: p["inputs"][0]["name"] for n, p in programs.items()}
        self._program_outputs = {
            name: [Output(info) for info in program["outputs"]]
            for name, program in programs.items()
        }
        # These two say which tokens there are; every library takes them.
        self._names = [*self.inputs, "attention_mask", "sequence_offsets"]
        # Those that choose one token of each sequence.
        self._places = {
            name for name, info in self.inputs.items() if "sequences" in info["dims"]
        }
        # What an encoder reads, if there is a decoder beside it.
        self._source = {
            name
            for name, info in self.inputs.items()
            if "encoder_tokens" in info["dims"]
        }
        if self._source:
            self._names = [*self.inputs, *_SOURCE_NAMES, *_TARGET_NAMES]
        self._encoded = {name: name.encode() for name in [*self._names, "sequences"]}
        self._sessions = SessionPool(
            str(self.path),
            entry,
            weights,
            threads or 0,
            max_tokens or 0,
            cache_tokens or 0,
            (
                len(self._encoded),
                max(map(len, [self._outputs, *self._program_outputs.values()])),
            ),
        )
        self._finalizer = weakref.finalize(self, self._sessions.close)
        # At once, so that wrong options are an error here.
        with self._session() as session:
            self.threads: int = entry.session_threads(session.handle)

    def __call__(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        token_type_ids: Any = None,
        position_ids: Any = None,
        *,
        output_positions: Any = None,
        outputs: Sequence[str] | None = None,
        **inputs: Any,
    ) -> Outputs:
        """Runs the model on a batch; returns its outputs by name.

        All inputs hold integers, in one of these forms:

        - An array, or lists of equal length: `[batch, length]`, with
          `attention_mask` of the same shape, 0 where there is no token. Outputs
          of tokens are arrays `[batch, length, width]`, zeros where masked.
        - A list of sequences of unequal length, or an empty list. Outputs of
          tokens are lists of arrays `[length, width]`. Nothing is padded.
        - All tokens in one array `[tokens]`, and `sequence_offsets`
          `[batch + 1]`: where each sequence begins, then the number of tokens.
          Outputs of tokens are arrays `[tokens, width]`.

        A model with an encoder and a decoder takes the source as `input_ids` and
        `attention_mask`, and what its decoder reads as `decoder_input_ids` and
        `decoder_attention_mask`; each of the two in any form, the source with
        `encoder_offsets` in the last one. A decoder whose ids have the default
        "shifted_right" reads the source if none are given.

        Outputs of sequences are arrays `[batch, width]` in every form. The
        inputs of a multiple-choice model have one more level, `[batch, choices,
        length]`, or lists of such lists, and so have its outputs; those of a model
        with double heads may.

        An input that chooses one token of each sequence (`mc_token_ids`,
        `last_token`) is `[batch]`, or `[batch, choices]`: the token's position, as
        it stands in its row of `[batch, length]`, or in its sequence.

        Args:
            input_ids, attention_mask, token_type_ids, position_ids: as Hugging
                Face's models take them. Dense arrays of int32 and int64 are
                read where they are; other types of integers are converted.
            output_positions: the tokens whose logits are wanted, of a model that
                predicts words: only these are computed, in the given order. A
                list of tuples or an array `[count, 2]` of (row, column); an
                array or list `[count]` of token numbers, counted through all
                sequences (row * length + column in `[batch, length]`); or a
                list of columns for each sequence. Logits are then an array
                `[count, width]`, or a list of arrays, one for each sequence.
                Default: all tokens, in the form above.
            outputs: names of the outputs to compute. Default: all.
            inputs: the model's other inputs, by name.

        Raises:
            TypeError: an input that the model does not have or lacks, or one
                that does not hold integers.
            ValueError: wrong shapes, an id outside the vocabulary, a sequence
                longer than the model allows, a position that is masked or
                outside of its sequence, an unknown output.
            MemoryError: no memory, or more tokens than `max_tokens`.
        """
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            "output_positions": output_positions,
            **inputs,
        }
        given = {name: value for name, value in given.items() if value is not None}
        for name in given:
            if name not in self._names:
                raise TypeError(
                    f'{self.path.name} has no input "{name}"; it has '
                    + ", ".join(self._names)
                )
        asked = self._asked(outputs)
        selected = given.pop("output_positions", None)
        places = {name: given.pop(name) for name in self._places & given.keys()}
        source = None
        if self._source:
            read = {*self._source, *_SOURCE_NAMES}
            source = self._set(
                {name: value for name, value in given.items() if name in read},
                self._source,
                _SOURCE_NAMES,
            )
            given = {name: value for name, value in given.items() if name not in read}
            read = self.inputs.keys() - self._source
            batch = self._set(given, read, _TARGET_NAMES, source)
        else:
            batch = self._batch(given)
        for name, value in places.items():
            batch.place(name, value)
        if selected is not None:
            batch.select(selected)
        tensors = {**source.tensors, **batch.tensors} if source else batch.tensors
        batches = [source if source and o.of_source else batch for o in asked]
        arrays = [output.allocate(of) for output, of in zip(asked, batches)]
        with self._session() as session:
            self._run(self._entry.run, session, tensors, asked, arrays)
        return {
            output.name: output.finish(array, of)
            for output, array, of in zip(asked, arrays, batches)
        }

    def _set(
        self,
        given: Mapping[str, Any],
        inputs: Set[str],
        names: Mapping[str, str],
        source: Batch | None = None,
    ) -> Batch:
        """The batch of the source, or of the decoder beside its `source`; its
        tensors have the library's names, `names` are those that are other ones
        in a batch."""
        leader = next((n for n in self.inputs if n in inputs and n in given), None)
        if leader is None:
            first = next(name for name in self.inputs if name in inputs)
            if (
                source is not None
                and self.inputs[first].get("default") == "shifted_right"
            ):
                return source.follow(given)
            raise TypeError(f'{self.path.name} expects the input "{first}"')
        batch = Batch.of(leader, {names.get(n, n): v for n, v in given.items()})
        given_as = {inner: outer for outer, inner in names.items()}
        batch.tensors = {given_as.get(n, n): v for n, v in batch.tensors.items()}
        return batch

    def _asked(
        self, names: Sequence[str] | None, program: str | None = None
    ) -> list[Output]:
        """The outputs of a call, or of a program beside it."""
        all_of_them = self._outputs
        if program is not None:
            if program not in self._program_outputs:
                raise ValueError(f'{self.path.name} has no program "{program}"')
            all_of_them = self._program_outputs[program]
        if names is None:
            return all_of_them
        if isinstance(names, str):
            raise TypeError(f'outputs: expects a list of names, got "{names}"')
        there = [output.name for output in all_of_them]
        for name in names:
            if name not in there:
                raise ValueError(
                    f'{self.path.name} has no output "{name}"; it has '
                    + ", ".join(there)
                )
        return [output for output in all_of_them if output.name in names]

    def _batch(self, given: Mapping[str, Any]) -> Batch:
        leader = next((name for name in self.inputs if name in given), None)
        if leader is None:
            raise TypeError(
                f'{self.path.name} expects the input "{next(iter(self.inputs))}"'
            )
        nests = self.task == "multiple-choice" or (
            self.task == "double-heads" and _arrays.depth(given[leader]) == 3
        )
        if not nests or "sequence_offsets" in given:
            return Batch.of(leader, given)
        choices = None
        flat: dict[str, Any] = {}
        for name, value in given.items():
            if not isinstance(value, (list, tuple)):
                value = np.asarray(value)
                if value.ndim != 3:
                    raise ValueError(
                        f"{name}: expects the shape [batch, choices, length], "
                        f"got {_arrays.shape(value)}"
                    )
            lengths = _arrays.lengths(name, value)
            choices = lengths if choices is None else choices
            _arrays.same_lengths(name, lengths, leader, choices)
            if isinstance(value, np.ndarray):
                flat[name] = value.reshape(-1, value.shape[-1])
            else:
                flat[name] = list(itertools.chain.from_iterable(value))
        batch = Batch.of(leader, flat)
        batch.choices = choices
        return batch

    @contextlib.contextmanager
    def _session(self) -> Iterator[Session]:
        """A session of one's own."""
        session = self._sessions.take()
        try:
            yield session
        finally:
            self._sessions.give(session)

    def _check(self, status: int) -> None:
        check(self._entry, status)

    def _run(
        self,
        function: Any,
        session: Session,
        tensors: Mapping[str, np.ndarray],
        asked: Sequence[Output],
        arrays: Sequence[np.ndarray],
    ) -> None:
        """Calls `run` or `step` of the library."""
        for slot, (name, array) in zip(session.inputs, tensors.items()):
            slot.name = self._encoded[name]
            slot.data = array.__array_interface__["data"][0]
            slot.capacity = array.nbytes
            slot.dtype = _abi.INT64 if array.itemsize == 8 else _abi.INT32
            slot.rank = array.ndim
            slot.dims[: array.ndim] = array.shape
        for slot, output, array in zip(session.outputs, asked, arrays):
            slot.name = output.encoded
            slot.data = array.__array_interface__["data"][0]
            slot.capacity = array.nbytes
            slot.dtype = _abi.FLOAT32
        self._check(
            function(
                session.handle,
                session.inputs,
                len(tensors),
                session.outputs,
                len(asked),
            )
        )

    def generate(
        self,
        inputs: Any = None,
        generation_config: Any = None,
        *,
        input_ids: Any = None,
        attention_mask: Any = None,
        decoder_input_ids: Any = None,
        decoder_attention_mask: Any = None,
        streamer: Any = None,
        **options: Any,
    ) -> _prompts.Ids | _generate.Generated:
        """Continues prompts, as `generate` of transformers does. Of a model with
        an encoder that reads them, the decoder's ids are continued.

        Names, meanings and defaults of the arguments are those of transformers;
        the model's generation_config.json comes before the defaults. Whatever
        would change the result and is not supported is an error that names it.

        Args:
            inputs, input_ids: either is the prompts: `[batch, length]`, padded
                at the left with `attention_mask`, or without a mask by an id
                that is padding and ends no sequence; or a list of prompts of
                unequal length. Default: the model's bos_token_id.
            attention_mask: `[batch, length]`, 0 where there is no token.
            decoder_input_ids, decoder_attention_mask: what a decoder begins with,
                in either form. Default: decoder_start_token_id, or else
                bos_token_id, which is put before ids that don't begin with it.
            generation_config: a dict, or transformers' GenerationConfig.
            streamer: `put` gets the prompt, and then each token as it comes;
                `end` is the last call. For one sequence, without beams.
            options: max_new_tokens (20, unless max_length is given), max_length,
                min_new_tokens, min_length; do_sample, temperature, top_k (50),
                top_p, min_p, typical_p; repetition_penalty,
                no_repeat_ngram_size, renormalize_logits; num_beams,
                num_return_sequences, early_stopping, length_penalty;
                prompt_lookup_num_tokens, max_matching_ngram_size; eos_token_id,
                pad_token_id, bos_token_id, decoder_start_token_id,
                forced_bos_token_id, forced_eos_token_id, bad_words_ids;
                stop_strings with tokenizer; max_time; return_dict_in_generate. And two of our own:
                seed: the same seed gives the same samples, whatever the batch.
                    Default: another one in each call.
                stop_sequences: lists of ids; a sequence ends with one of them.

        Returns:
            int64 `[batch * num_return_sequences, length]`: the given rows, their
            padding included, and the new ids, padded at the right with
            pad_token_id. For prompts of unequal length a list of arrays, nothing
            padded. Of a model with an encoder the decoder's rows, which are of
            equal length whatever the prompts are, unless decoder_input_ids are
            not. With return_dict_in_generate an object with `sequences`, and with
            beams `sequences_scores`.

        Raises:
            TypeError: an argument that there is not.
            ValueError: a value out of range or not supported, an id outside the
                vocabulary, or more tokens than the model has positions.
            MemoryError: no memory, or over `cache_tokens`.
        """
        if input_ids is None:
            input_ids = inputs
        elif inputs is not None:
            raise TypeError("generate takes inputs or input_ids, got both")
        return _generate.generate(
            self,
            input_ids,
            attention_mask,
            decoder_input_ids,
            decoder_attention_mask,
            generation_config,
            streamer,
            options,
        )

    def generate_stream(
        self,
        input_ids: Any = None,
        attention_mask: Any = None,
        generation_config: Any = None,
        *,
        decoder_input_ids: Any = None,
        **options: Any,
    ) -> Iterator[int]:
        """Continues one prompt, giving each id as soon as it is known.

        The ids are those that `generate` would append. Nothing is computed ahead:
        who stops reading, and closes or drops the iterator, stops the generation.

        Args:
            input_ids, decoder_input_ids: `[length]` or `[1, length]`.
            attention_mask, generation_config, options: as for `generate`, with
                one sequence and no beams.
        """
        return _generate.stream(
            self,
            input_ids,
            attention_mask,
            decoder_input_ids,
            generation_config,
            options,
        )

    def _settings(
        self, generation_config: Any, given: Mapping[str, Any]
    ) -> _generation_config.Settings:
        """The options of a call of `generate`, checked."""
        start = given.get("decoder_start_token_id")
        if start is not None and not self.has_encoder:
            raise ValueError(
                "decoder_start_token_id: expects a model with an encoder, and "
                f"{self.path.name} has none"
            )
        model = self.metadata.get("generation_config", {})
        values = _generation_config.merge(model, generation_config, given)
        return _generation_config.Settings.of(values)

    def engine(self, **options: int) -> _engine.Engine:
        """Serves requests that come at any time; see `transom.Engine`."""
        return _engine.Engine(self, **options)

    def sequences(self) -> Sequences:
        """Sequences to feed step by step; see `transom.Sequences`."""
        return Sequences(self)

    def close(self) -> None:
        """Frees sessions, threads and weights once the running calls are done.
        A call after that is a ValueError."""
        self._finalizer()

    def __enter__(self) -> Library:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<transom.Library {self.path} for {self.task}>"


def load(
    path: PathLike,
    weights: PathLike | None = None,
    threads: int | None = None,
    max_tokens: int | None = None,
    cache_tokens: int | None = None,
) -> Library:
    """Opens a library that `transom compile` wrote.

    Args:
        path: the shared library.
        weights: its weights file; by default NAME.weights beside it, if they
            are not embedded.
        threads: how many threads a call uses, shared by calls that run at the
            same time. By default the CPUs that the process may use, unless
            TRANSOM_NUM_THREADS or OMP_NUM_THREADS says otherwise.
        max_tokens: the largest number of tokens in one call; memory for them
            is reserved at once. By default memory grows with the largest call.
        cache_tokens: of a library that generates text, the largest number of
            tokens that one call of `generate`, one engine or `Sequences` keeps
            keys and values of, reserved at once. By default memory grows.

    Raises:
        OSError: a file is missing or is none of Transom's.
        MismatchError: weights of another model, another version's library, or
            a CPU that lacks what the code needs.
        ValueError: a negative number of threads or tokens.
    """
    return Library(path, weights, threads, max_tokens, cache_tokens)
