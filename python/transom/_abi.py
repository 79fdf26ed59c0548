"""The C structures of runtime/transom.h, and how a shared library is opened."""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

ABI_VERSION = 4

OK = 0
INVALID_ARGUMENT = 1
OUT_OF_RANGE = 2
EXHAUSTED = 3
IO_ERROR = 4
MISMATCH = 5

FLOAT32 = 0
INT32 = 1
INT64 = 2

EARLY_STOPPING_FALSE = 0
EARLY_STOPPING_TRUE = 1
EARLY_STOPPING_NEVER = 2

#: As a length penalty; 0 stands for the default.
NO_LENGTH_PENALTY = 1e-30

FINISH_NOT = 0
FINISH_CANCELLED = 4
FINISH_FAILED = 5


class Tensor(Structure):
    """struct transom_tensor"""

    _fields_ = [
        ("name", c_char_p),
        ("data", c_void_p),
        ("capacity", c_size_t),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("dims", c_int64 * 4),
    ]


class SessionOptions(Structure):
    """struct transom_session_options"""

    _fields_ = [
        ("threads", c_int32),
        ("reserved", c_int32),
        ("max_tokens", c_int64),
        ("pool", c_void_p),
        ("cache_tokens", c_int64),
    ]


class TokenLists(Structure):
    """struct transom_token_lists"""

    _fields_ = [("tokens", c_void_p), ("offsets", c_void_p), ("count", c_int64)]


class _Sized(Structure):
    """A structure that begins with its size."""

    def __init__(self, **fields: Any):
        super().__init__(ctypes.sizeof(type(self)), **fields)


class GenerationOptions(_Sized):
    """struct transom_generation_options"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("max_new_tokens", c_int32),
        ("max_length", c_int32),
        ("min_new_tokens", c_int32),
        ("min_length", c_int32),
        ("do_sample", c_int32),
        ("seed", c_uint64),
        ("stream", c_uint64),
        ("temperature", c_float),
        ("top_k", c_int32),
        ("top_p", c_float),
        ("min_p", c_float),
        ("typical_p", c_float),
        ("repetition_penalty", c_float),
        ("no_repeat_ngram_size", c_int32),
        ("renormalize_logits", c_int32),
        ("num_beams", c_int32),
        ("num_return_sequences", c_int32),
        ("early_stopping", c_int32),
        ("length_penalty", c_float),
        ("prompt_lookup_num_tokens", c_int32),
        ("max_matching_ngram_size", c_int32),
        ("num_eos_token_ids", c_int32),
        ("eos_token_ids", c_void_p),
        ("bad_words_ids", TokenLists),
        ("stop_sequences", TokenLists),
        ("decoder_input_ids", TokenLists),
        ("has_forced_bos_token_id", c_int32),
        ("forced_bos_token_id", c_int32),
        ("num_forced_eos_token_ids", c_int32),
        ("reserved", c_int32),
        ("forced_eos_token_ids", c_void_p),
    ]


class GenerationEvent(Structure):
    """struct transom_generation_event"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("finish", c_int32),
        ("request", c_int64),
        ("sequence", c_int32),
        ("score", c_float),
        ("num_tokens", c_int64),
        ("tokens", POINTER(c_int32)),
        ("status", c_int32),
        ("reserved", c_int32),
    ]


class Generated(_Sized):
    """struct transom_generated"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("reserved", c_uint32),
        ("tokens", c_void_p),
        ("row_tokens", c_int64),
        ("lengths", c_void_p),
        ("finish", c_void_p),
        ("scores", c_void_p),
    ]


class EngineOptions(_Sized):
    """struct transom_engine_options"""

    _fields_ = [
        ("struct_bytes", c_uint32),
        ("max_num_seqs", c_int32),
        ("max_num_batched_tokens", c_int32),
        ("prefix_cache_sequences", c_int32),
    ]


GenerationCallback = CFUNCTYPE(c_int32, c_void_p, POINTER(GenerationEvent))

_status = c_int32
_handle = POINTER(c_void_p)
_tensors = POINTER(Tensor)
_run = CFUNCTYPE(_status, c_void_p, _tensors, c_size_t, _tensors, c_size_t)


class EntryPoints(Structure):
    """struct transom_entry_points; a call of its functions releases the GIL."""

    _fields_ = [
        ("abi_version", c_uint32),
        ("struct_bytes", c_uint32),
        ("name", c_char_p),
        ("metadata", c_char_p),
        ("open", CFUNCTYPE(_status, c_char_p, _handle)),
        ("close", CFUNCTYPE(None, c_void_p)),
        (
            "session_create",
            CFUNCTYPE(_status, c_void_p, POINTER(SessionOptions), _handle),
        ),
        ("session_destroy", CFUNCTYPE(None, c_void_p)),
        ("run", _run),
        ("pool_create", CFUNCTYPE(_status, c_int32, _handle)),
        ("pool_destroy", CFUNCTYPE(None, c_void_p)),
        ("session_threads", CFUNCTYPE(c_int32, c_void_p)),
        ("error", CFUNCTYPE(c_char_p)),
        ("profile", CFUNCTYPE(_status, c_void_p, c_int32, POINTER(c_char_p))),
        ("sequence_add", CFUNCTYPE(_status, c_void_p, POINTER(c_int64))),
        (
            "sequence_fork",
            CFUNCTYPE(_status, c_void_p, c_int64, c_int64, POINTER(c_int64)),
        ),
        ("sequence_truncate", CFUNCTYPE(_status, c_void_p, c_int64, c_int64)),
        ("sequence_free", CFUNCTYPE(_status, c_void_p, c_int64)),
        ("sequence_length", CFUNCTYPE(c_int64, c_void_p, c_int64)),
        ("step", _run),
        (
            "generate",
            CFUNCTYPE(
                _status,
                c_void_p,
                POINTER(TokenLists),
                POINTER(GenerationOptions),
                GenerationCallback,
                c_void_p,
                POINTER(Generated),
            ),
        ),
        (
            "engine_create",
            CFUNCTYPE(_status, c_void_p, POINTER(EngineOptions), _handle),
        ),
        ("engine_destroy", CFUNCTYPE(None, c_void_p)),
        (
            "engine_submit",
            CFUNCTYPE(
                _status,
                c_void_p,
                c_void_p,
                c_int64,
                POINTER(GenerationOptions),
                GenerationCallback,
                c_void_p,
                POINTER(c_int64),
            ),
        ),
        ("engine_step", CFUNCTYPE(_status, c_void_p, POINTER(c_int64))),
        ("engine_cancel", CFUNCTYPE(_status, c_void_p, c_int64)),
        ("encode", _run),
    ]


# Which file each name that was given to dlopen stands for, by device and inode.
_opened: dict[str, tuple[int, int]] = {}


def _name_for_dlopen(path: str) -> str:
    """A spelling of `path` that dlopen does not know for another file.

    dlopen takes a name that it has seen for the library that it has loaded
    then, even if the file has been replaced since: a second compilation to the
    same place would go unnoticed for as long as the process lives.
    """
    status = os.stat(path)
    identity = (status.st_dev, status.st_ino)
    folder, name = os.path.split(os.path.realpath(path))
    while _opened.setdefault(os.path.join(folder, name), identity) != identity:
        folder = os.path.join(folder, ".")
    return os.path.join(folder, name)


def open_entry(path: str) -> EntryPoints:
    """The entry points of the shared library at `path`.

    Raises OSError naming the path if there is no library of Transom.
    """
    name = _name_for_dlopen(path)
    try:
        library = ctypes.CDLL(name)
    except OSError as error:
        raise OSError(f"{path}: expected a shared library: {error}") from None
    try:
        entry = EntryPoints.in_dll(library, "transom_entry")
    except ValueError:
        raise OSError(
            f"{path}: expected a library that `transom compile` wrote, but it "
            'has no symbol "transom_entry"'
        ) from None
    # The structure lives in the mapped library.
    entry.library = library
    return entry
