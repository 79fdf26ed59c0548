"""A compiled model: loading it, calling it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Union

import numpy as np

from transom import _arrays, _engine, _generate, _prompts
from transom._batch import Batch, TokenInputs
from transom._model import Model
from transom._sequences import Sequences
from transom._session import PathLike

Outputs = dict[str, Union[np.ndarray, list[np.ndarray]]]


class Library(Model):
    """A compiled model; `transom.load` makes it.

    Attributes:
        path: the shared library's file.
        name: the name in its exports, NAME of libNAME.so.
        task: what it was compiled for, such as "feature-extraction".
        inputs, outputs: the tensors by name, each a dict with "dims", the names
            and sizes of its dimensions.
        config: the model's config.json.
        labels: the names of the classes by index, if the model has classes.
        max_positions: how many tokens a sequence has at most; None: any number.
        threads: how many threads a call uses, the caller's included.
        metadata: the library's description of itself, from which the others come.
        assets: the folder with the tokenizer's files; None: the library has none.

    Any number of threads may call a library at the same time. A library holds
    memory until `close`, the end of a `with` block, or until it is collected.
    """

    @functools.cached_property
    def _sets(self) -> tuple[TokenInputs, TokenInputs | None]:
        """The inputs of tokens, and those of an encoder beside the decoder."""
        dims = {name: self.inputs[name]["dims"] for name in self.inputs}
        of_encoder = [n for n in dims if "encoder_tokens" in dims[n]]
        others = [n for n in dims if "tokens" in dims[n]]
        if not of_encoder:
            return TokenInputs(others), None
        return (
            TokenInputs(others, mask="decoder_attention_mask"),
            TokenInputs(of_encoder, offsets="encoder_offsets"),
        )

    @functools.cached_property
    def _token_indices(self) -> list[str]:
        """Inputs that say which token of each sequence a head reads."""
        return [n for n, info in self.inputs.items() if "sequences" in info["dims"]]

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

        - An array, or lists of equal length: `[batch, length]`. Outputs of tokens
          are arrays `[batch, length, width]`.
        - A list of sequences of unequal length, or an empty list. Outputs of
          tokens are lists of arrays `[length, width]`.
        - All tokens in one array `[tokens]`, and `sequence_offsets`
          `[batch + 1]`: where each sequence begins, then the number of tokens.
          Outputs of tokens are arrays `[tokens, width]`.

        In each form `attention_mask` has the form of `input_ids`, and rows of masked
        tokens are zeros.

        An encoder beside a decoder reads `input_ids` and `attention_mask`, and its
        offsets are `encoder_offsets`. The decoder reads `decoder_input_ids` and
        `decoder_attention_mask`, with `sequence_offsets`. The two may have different
        forms. If `decoder_input_ids` have the default "shifted_right", they may be
        left out: the decoder then reads the encoder's ids, shifted by one.

        Outputs of sequences are arrays `[batch, width]` in every form. The
        inputs of a multiple-choice model have one more level, `[batch, choices,
        length]`, or lists of such lists, and so have its outputs; those of a model
        with double heads may have it.

        An input that says which token of each sequence a head reads (`mc_token_ids`,
        `last_token`) is `[batch]`, or `[batch, choices]`: the token's column in its
        row of `[batch, length]`, or its index in its sequence.

        Args:
            input_ids, attention_mask, token_type_ids, position_ids: as Hugging
                Face's models take them. The library reads dense arrays of int32 and
                int64 in place; other types of integers are converted.
            output_positions: the tokens to compute logits for, in the order of the
                result. A list of tuples or an array `[count, 2]` holds (row,
                column); an array or list `[count]` holds indices of tokens, counted
                through all sequences (row * length + column in `[batch, length]`).
                For both, logits are an array `[count, width]`. A list of columns for
                each sequence gives a list of arrays. Default: all tokens, in the
                form above.
            outputs: names of the outputs to compute. Default: all.
            inputs: the model's other inputs, by name.

        Raises:
            TypeError: the model has no such input, or needs one that is missing, or
                an input does not hold integers.
            ValueError: a wrong shape, an id outside the vocabulary, a sequence
                longer than the model allows, a position that is masked or
                outside of its sequence, or an unknown output.
            MemoryError: memory is exhausted, or the batch has more tokens than
                `max_tokens`.
        """
        given = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
            **inputs,
        }
        given = {name: value for name, value in given.items() if value is not None}
        forward = self.program("forward")
        selected = forward.select(outputs)
        batch, encoder = self._batches(given, output_positions)
        tensors = {**(encoder.tensors if encoder else {}), **batch.tensors}
        batches = [encoder if encoder and o.of_encoder else batch for o in selected]
        arrays = [own.allocate(output) for own, output in zip(batches, selected)]
        with self.session() as session:
            forward.run(session, tensors, selected, arrays)
        return {
            output.name: own.restore(output, array)
            for own, output, array in zip(batches, selected, arrays)
        }

    def _batches(
        self, given: Mapping[str, Any], output_positions: Any
    ) -> tuple[Batch, Batch | None]:
        """The batch of a call's inputs, and that of the encoder beside it."""
        self._check_names(given, output_positions)
        tokens, encoder = self._sets
        if encoder is None:
            batch, encoder_batch = self._batch(tokens, tokens.of(given)), None
        else:
            of_encoder = encoder.of(given)
            first = self._first(encoder, of_encoder)
            encoder_batch = Batch.of(encoder, first, of_encoder)
            batch = self._decoder_batch(encoder_batch, tokens, tokens.of(given))
        for name in self._token_indices:
            if name in given:
                batch.set_token_index(name, given[name])
        if output_positions is not None:
            batch.set_output_positions(output_positions)
        return batch, encoder_batch

    def _check_names(self, given: Mapping[str, Any], output_positions: Any) -> None:
        tokens, encoder = self._sets
        known = list(self.inputs)
        known += [] if encoder is None else [encoder.mask, encoder.offsets]
        known += [tokens.mask, tokens.offsets]
        asked = [] if output_positions is None else ["output_positions"]
        for name in [*given, *asked]:
            if name not in known:
                raise TypeError(
                    f'{self.path.name} has no input "{name}"; it has '
                    + ", ".join(known)
                )

    def _first(self, inputs: TokenInputs, given: Mapping[str, Any]) -> str:
        """The input that decides the form of the others."""
        first = inputs.first_of(given)
        if first is None:
            raise TypeError(f'{self.path.name} expects the input "{inputs.names[0]}"')
        return first

    def _batch(self, inputs: TokenInputs, given: Mapping[str, Any]) -> Batch:
        first = self._first(inputs, given)
        # An output with one number for each sequence scores choices.
        scores = [info["dims"] == ["sequences"] for info in self.outputs.values()]
        nested = all(scores) or (any(scores) and _arrays.depth(given[first]) == 3)
        if nested and inputs.offsets not in given:
            return Batch.of_choices(inputs, first, given)
        return Batch.of(inputs, first, given)

    def _decoder_batch(
        self, encoder: Batch, inputs: TokenInputs, given: Mapping[str, Any]
    ) -> Batch:
        is_shifted = self.inputs[inputs.names[0]].get("default") == "shifted_right"
        if is_shifted and inputs.first_of(given) is None:
            return encoder.followed_by(inputs, given)
        return Batch.of(inputs, self._first(inputs, given), given)

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
        """Continues prompts, as `generate` of transformers does. If the model has an
        encoder, it reads the prompts, and `generate` continues the decoder's ids.

        Names, meanings and defaults of the arguments are those of transformers;
        the model's generation_config.json takes precedence over the defaults. An
        argument that would change the result and is not supported is an error that
        names it.

        Args:
            inputs, input_ids: the prompts, under either name: `[batch, length]`,
                padded at the left, or a list of prompts of unequal length. Default:
                the model's bos_token_id.
            attention_mask: `[batch, length]`, 0 where there is no token. Default: 0
                where an id is pad_token_id, unless that id also ends sequences.
            decoder_input_ids, decoder_attention_mask: what a decoder begins with,
                in either form. A row that does not begin with
                decoder_start_token_id, or else bos_token_id, gets it. Default: that
                id alone.
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
                stop_strings with tokenizer; max_time; return_dict_in_generate. And
                two of our own:
                seed: the same seed draws the same samples in any batch.
                    Default: another one in each call.
                stop_sequences: lists of ids; a sequence ends with any of them.

        Returns:
            int64 `[batch * num_return_sequences, length]`: the given rows, their
            padding included, and the new ids, padded at the right with
            pad_token_id. For prompts of unequal length a list of arrays without
            padding. If the model has an encoder, the rows are the decoder's: of equal
            length unless decoder_input_ids are of unequal length. With
            return_dict_in_generate an object with `sequences`, and with beams
            `sequences_scores`.

        Raises:
            TypeError: `generate` has no such argument.
            ValueError: a value out of range or not supported, an id outside the
                vocabulary, or more tokens than the model has positions.
            MemoryError: memory is exhausted, or the cache has `cache_tokens` tokens.
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
        """Continues one prompt, and yields each id as soon as it is known.

        The ids are those that `generate` would append. The model computes an id when
        the caller asks for it; to close or drop the iterator stops the generation.

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

    def engine(self, **options: int) -> _engine.Engine:
        """Serves requests that come at any time; see `transom.Engine`."""
        return _engine.Engine(self, **options)

    def sequences(self) -> Sequences:
        """Sequences that the caller extends step by step; see `transom.Sequences`."""
        return Sequences(self)

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
