"""Running the compiler."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import warnings
from typing import Any, Union

from transom import _model_folder
from transom._tools import compiler

PathLike = Union[str, "os.PathLike[str]"]


class CompileError(RuntimeError):
    """The model could not be compiled; the text is the compiler's."""


class CompileWarning(UserWarning):
    """The model was compiled, but the compiler has something to say."""


def _flags(options: dict[str, Any]) -> list[str]:
    """threads=2 -> --threads=2; embed_weights=True -> --embed-weights; False
    and None leave the flag out."""
    flags = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        if value is True:
            flags.append(flag)
        elif value is not None and value is not False:
            flags.append(f"{flag}={value}")
    return flags


def _run(command: list[str]) -> tuple[int, str]:
    """Exit status and messages of the compiler. Its summary on standard output is
    dropped. A line that it overwrites, its progress, is not a message: a terminal shows
    it as it comes."""
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if not terminal:
        done = subprocess.run(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        return done.returncode, done.stderr
    import pty  # Not on every system, and only a terminal needs it.

    ours, theirs = pty.openpty()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as process:
        os.close(theirs)
        messages, line = "", ""
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # The compiler has closed its end.
                break
            if not data:
                break
            line += data.decode("utf-8", "replace").replace("\r\n", "\n")
            whole, newline, line = line.rpartition("\n")
            messages += whole + newline
            if line:
                sys.stderr.write(line if "\r" in line else "\r" + line)
                sys.stderr.flush()
        os.close(ours)
    sys.stderr.write("\r\x1b[K")
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", messages + line)
    # What was overwritten is gone.
    lines = [text.rsplit("\r", 1)[-1] for text in plain.splitlines()]
    return process.returncode, "\n".join(filter(None, lines))


def compile(
    model: PathLike,
    output: PathLike,
    task: str | None = None,
    dtype: str = "f32",
    target: str = "host",
    **options: Any,
) -> pathlib.Path:
    """Compiles a model to a native library; returns the library's path.

    Args:
        model: a folder with config.json and safetensors, as Hugging Face's
            `save_pretrained` writes it.
        output: the library to write, libNAME.so. NAME.h, NAME.weights and
            NAME.assets, the tokenizer's files, are written beside it.
        task: what to compile it for, such as "feature-extraction". By default
            what `architectures` in config.json says.
        dtype: the type to compute with.
        target: "host", the name of a CPU, or a triple.
        options: any other option of `transom compile`, with underscores:
            threads=2, embed_weights=True, dump_ir="FOLDER".

    Warns:
        CompileWarning: for each warning of the compiler, and if the tokenizer's
            settings can't be followed.

    Raises:
        CompileError: with the compiler's message, or what is wrong with the files of
            the tokenizer and of sentence-transformers.
        FileNotFoundError: there is no compiler; see `transom.compiler`.
    """
    if os.path.isdir(model):
        try:
            warning = _model_folder.check(pathlib.Path(model), task)
        except (FileNotFoundError, ValueError) as error:
            raise CompileError(str(error)) from None
        if warning:
            warnings.warn(warning, CompileWarning, stacklevel=2)
    options = {"task": task, "dtype": dtype, "target": target, **options}
    command = [compiler(), "compile", os.fspath(model), "-o", os.fspath(output)]
    status, messages = _run(command + _flags(options))
    if status:
        raise CompileError(messages.strip() or f"transom ended with status {status}")
    for message in messages.splitlines():
        if "warning:" in message:
            warnings.warn(message, CompileWarning, stacklevel=2)
    return pathlib.Path(output)
