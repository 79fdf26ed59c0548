"""Small weights files that a model's folder has beside the model's own."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping

import numpy as np

from transom import _files

_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}

_SAFETENSORS = "model.safetensors"
_TORCH = "pytorch_model.bin"


def read(
    folder: pathlib.Path, shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """The tensors of a folder as float32: model.safetensors, or else
    pytorch_model.bin, for which torch is needed.

    Raises:
        FileNotFoundError: there is neither.
        ValueError: the file is broken, or does not have exactly these tensors.
    """
    path = folder / _SAFETENSORS
    if path.is_file():
        tensors = _safetensors(path)
    elif (folder / _TORCH).is_file():
        path = folder / _TORCH
        tensors = _torch(path)
    else:
        raise FileNotFoundError(f"{path}: no such file, and no {_TORCH} beside it")
    found = {name: tensor.shape for name, tensor in tensors.items()}
    for name in {**shapes, **found}:
        if found.get(name) != shapes.get(name):
            raise ValueError(
                f'{path}: expects "{name}" of shape {shapes.get(name, "none")}, '
                f"got {found.get(name, 'none')}"
            )
    return {name: np.ascontiguousarray(t, np.float32) for name, t in tensors.items()}


def _safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    data = path.read_bytes()
    _files.check_lookalike(path, data)
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or size > len(data) - 8:
        raise _files.BrokenFileError(
            f"{path}: expects a header, the file ends within it at byte {len(data)}"
        )
    try:
        header = json.loads(data[8 : 8 + size])
        entries = {k: v for k, v in header.items() if k != "__metadata__"}
        body = memoryview(data)[8 + size :]
        tensors = {name: _tensor(body, entry) for name, entry in entries.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _files.BrokenFileError(
            f"{path}: not a safetensors file: {error}"
        ) from None
    return tensors


def _tensor(body: memoryview, entry: dict) -> np.ndarray:
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= len(body):
        raise ValueError(f"data_offsets {begin}, {end} lie outside of the file")
    if entry["dtype"] not in _TYPES:
        raise ValueError(f"dtype {entry['dtype']} is none of {', '.join(_TYPES)}")
    flat = np.frombuffer(body[begin:end], _TYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.reshape(entry["shape"])


def _torch(path: pathlib.Path) -> dict[str, np.ndarray]:
    with open(path, "rb") as file:
        _files.check_lookalike(path, file.read(256))
    try:
        import torch
    except ImportError:
        raise ValueError(
            f"{path}: torch is needed to read it; write {_SAFETENSORS} instead"
        ) from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        return {name: tensor.float().numpy() for name, tensor in state.items()}
    except Exception as error:  # Of many types, with texts of many lines.
        reason = str(error).splitlines()[0]
        raise _files.BrokenFileError(
            f"{path}: not a file of weights: {reason}"
        ) from None
