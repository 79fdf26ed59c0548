"""transom-pipeline TASK LIB: lines in, lines of JSON out."""

from __future__ import annotations

import argparse
import dataclasses
import json
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from transom._progress import Progress
from transom.pipelines import TASKS, pipeline

_DESCRIPTION = """\
Reads items from standard input, one a line: a text, or JSON with the item's
fields, such as {"question": ..., "context": ...}. Writes one line of JSON for
each, as soon as it is known; with --stream, the text itself, word by word.
"""


def _option(text: str) -> tuple[str, Any]:
    """NAME=VALUE; a value that is not JSON is a text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"expects NAME=VALUE, got {text!r}")
    try:
        return name.replace("-", "_"), json.loads(value)
    except json.JSONDecodeError:
        return name.replace("-", "_"), value


def _item(line: str, number: int) -> Any:
    """What a line stands for. Only an object or a list is taken for JSON, so
    that a text may be a number."""
    if line[:1] not in ("{", "["):
        return line
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        if line.startswith("{"):
            raise ValueError(f"line {number}: {error}") from None
        return line  # "[MASK] is the question" is a text.


def _lines(stream: BinaryIO) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            yield line.decode().rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"line {number}: expects UTF-8: {error}") from None


@dataclasses.dataclass(frozen=True)
class _End:
    """The end of the input, and the error that ended it."""

    error: Exception | None


def _batches(stream: BinaryIO, size: int) -> Iterator[list[str]]:
    """Lines as they come: at most `size`, but none waits for more."""
    lines: queue.Queue[str | _End] = queue.Queue(4 * size)

    def read() -> None:
        # The other thread waits for an end, so it gets one whatever happens here.
        error: Exception | None = None
        try:
            for line in _lines(stream):
                lines.put(line)
        except Exception as raised:
            error = raised
        lines.put(_End(error))

    threading.Thread(target=read, daemon=True).start()
    batch: list[str | _End] = []
    while not batch or isinstance(batch[-1], str):
        batch = [lines.get()]
        while len(batch) < size and not lines.empty():
            batch.append(lines.get())
        texts = [line for line in batch if isinstance(line, str)]
        if texts:
            yield texts
    end = batch[-1]
    if isinstance(end, _End) and end.error is not None:
        raise end.error


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} can't be written as JSON")


def _stream(pipe: Any) -> int:
    if not hasattr(pipe, "stream"):
        raise ValueError("--stream: expects a task that generates text")
    for number, line in enumerate(_lines(sys.stdin.buffer), 1):
        for piece in pipe.stream(_item(line, number)):
            print(piece, end="", flush=True)
        print(flush=True)
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="transom-pipeline",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "task", metavar="TASK", help=", ".join([*TASKS, "translation_XX_to_YY"])
    )
    parser.add_argument("library", metavar="LIB", help="the compiled library")
    parser.add_argument(
        "--tokenizer",
        metavar="FOLDER",
        help="holds tokenizer.json; default: beside LIB",
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="NAME=VALUE",
        help="an argument of the pipeline, such as top_k=3; may be repeated",
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="write what a task generates for each line as it comes, and a line break",
    )
    given = parser.parse_args(arguments)
    progress = Progress(None)
    number = 0
    try:
        if given.batch_size < 1:
            raise ValueError(f"--batch-size: expects 1 or more, got {given.batch_size}")
        pipe = pipeline(
            given.task, given.library, tokenizer=given.tokenizer, **dict(given.option)
        )
        if given.stream:
            return _stream(pipe)
        for lines in _batches(sys.stdin.buffer, given.batch_size):
            items = [_item(line, number + i) for i, line in enumerate(lines, 1)]
            # An iterator gives one answer for each item in every task.
            for answer in pipe(iter(items), batch_size=given.batch_size):
                progress.close()
                print(json.dumps(answer, default=_plain), flush=True)
            number += len(items)
            progress.add(len(items))
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        progress.close()
        print(f"transom-pipeline: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        progress.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
