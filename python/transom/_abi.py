"""The C structures of runtime/transom.h, and how a shared library is opened."""

from __future__ import annotations

import ctypes
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)

ABI_VERSION = 1

OK = 0
INVALID_ARGUMENT = 1
OUT_OF_RANGE = 2
EXHAUSTED = 3
IO_ERROR = 4
MISMATCH = 5

FLOAT32 = 0
INT32 = 1
INT64 = 2


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
    ]


_status = c_int32
_handle = POINTER(c_void_p)


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
        (
            "run",
            CFUNCTYPE(
                _status,
                c_void_p,
                POINTER(Tensor),
                c_size_t,
                POINTER(Tensor),
                c_size_t,
            ),
        ),
        ("pool_create", CFUNCTYPE(_status, c_int32, _handle)),
        ("pool_destroy", CFUNCTYPE(None, c_void_p)),
        ("session_threads", CFUNCTYPE(c_int32, c_void_p)),
        ("error", CFUNCTYPE(c_char_p)),
        ("profile", CFUNCTYPE(_status, c_void_p, c_int32, POINTER(c_char_p))),
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
