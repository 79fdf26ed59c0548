"""An open library: what its parts in this package share."""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

from transom import _abi, _arrays
from transom._program import Program
from transom._session import MismatchError, PathLike, Session, SessionPool, check


def _open_entry(path: pathlib.Path) -> _abi.EntryPoints:
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such library")
    entry = _abi.open_entry(str(path))
    if entry.abi_version != _abi.ABI_VERSION:
        raise MismatchError(
            f"{path}: expected a library of ABI version {_abi.ABI_VERSION}, got "
            f"version {entry.abi_version}; compile the model again"
        )
    return entry


def _max_positions(position_ids: Mapping[str, Any]) -> int | None:
    bound: int = position_ids.get("bound", 0)
    if position_ids.get("default") == "padding_aware_position_ids":
        # Padding has a position, and the positions before it are unused.
        bound -= 1 + position_ids["padding"]
    return bound or None


class Model:
    """What a library says of itself, its programs, and sessions to run them in.

    `transom.Library` is this and the ways to call it. Calls, sequences and engines
    use nothing else of a library than what is public here, so that none of them
    depends on another.

    Attributes:
        entry: the C entry points.
        sessions: the pool that calls take a session from.
        programs: `forward`, and `step` and `encode` if there are such.

    `transom.Library` lists the others.
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
        self.entry = _open_entry(self.path)
        self.name: str = self.entry.name.decode()
        self.metadata: dict[str, Any] = json.loads(self.entry.metadata)
        self.task: str = self.metadata["task"]
        self.config: dict[str, Any] = self.metadata["config"]
        labels = self.config.get("id2label") or {}
        self.labels: dict[int, str] = {int(i): name for i, name in labels.items()}
        self.inputs: dict[str, dict[str, Any]] = {
            info["name"]: info for info in self.metadata["inputs"]
        }
        self.outputs: dict[str, dict[str, Any]] = {
            info["name"]: info for info in self.metadata["outputs"]
        }
        self.max_positions = _max_positions(self.inputs.get("position_ids", {}))
        assets = self.path.with_name(self.name + ".assets")
        self.assets: pathlib.Path | None = assets if assets.is_dir() else None
        #: Raises the exception that stands for the status of a failed call.
        self.check = functools.partial(check, self.entry)
        functions = {
            "forward": self.entry.run,
            "step": self.entry.step,
            "encode": self.entry.encode,
        }
        infos = {"forward": self.metadata, **self.metadata.get("programs", {})}
        self.programs: dict[str, Program] = {
            name: Program(self.path.name, functions[name], self.check, info)
            for name, info in infos.items()
        }
        self.sessions = SessionPool(
            str(self.path),
            self.entry,
            weights,
            _arrays.whole("threads", threads or 0, 32),
            _arrays.whole("max_tokens", max_tokens or 0, 64),
            _arrays.whole("cache_tokens", cache_tokens or 0, 64),
            # A run of a program may also have its masks, offsets and sequences.
            max(len(program.inputs) for program in self.programs.values()) + 5,
            max(len(program.outputs) for program in self.programs.values()),
        )
        self._finalizer = weakref.finalize(self, self.sessions.close)
        # At once, so that wrong options are an error here.
        with self.session() as session:
            self.threads: int = self.entry.session_threads(session.handle)

    @property
    def has_encoder(self) -> bool:
        """Whether an encoder reads prompts, and a decoder's ids follow."""
        return "encode" in self.programs

    @property
    def vocabulary(self) -> int:
        """Token ids are below it."""
        return self.programs.get("step", self.programs["forward"]).vocabulary

    def program(self, name: str) -> Program:
        if name not in self.programs:
            raise ValueError(f'{self.path.name} has no program "{name}"')
        return self.programs[name]

    @contextlib.contextmanager
    def session(self) -> Iterator[Session]:
        """A session that no other call uses meanwhile."""
        session = self.sessions.take()
        try:
            yield session
        finally:
            self.sessions.give(session)

    def close(self) -> None:
        """Frees sessions, threads and weights once the running calls are done.
        A call after that is a ValueError."""
        self._finalizer()
