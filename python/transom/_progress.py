"""A progress bar for work that takes its time."""

from __future__ import annotations

import sys
import time

_PATIENCE = 2.0  # Seconds without a bar.
_INTERVAL = 0.1  # Seconds between two looks of it.
_WIDTH = 30


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Progress:
    """Draws on standard error once two seconds have passed.

    `total`, the number of items, may be unknown. `shown`: None draws on a
    terminal only, True and at once, False never.
    """

    def __init__(self, total: int | None, shown: bool | None = None):
        stream = sys.stderr
        self._on = bool(stream and stream.isatty()) if shown is None else shown
        self._total = total
        self._done = 0
        self._start = time.monotonic()
        self._next = self._start + (0.0 if shown else _PATIENCE)
        self._drawn = False

    def add(self, items: int) -> None:
        self._done += items
        now = time.monotonic()
        if self._on and now >= self._next:
            self._next = now + _INTERVAL
            self._draw(now - self._start)

    def _draw(self, seconds: float) -> None:
        rate = self._done / max(seconds, 1e-9)
        if self._total:
            filled = _WIDTH * self._done // self._total
            left = (self._total - self._done) / rate if self._done else 0
            text = (
                f"[{'#' * filled}{' ' * (_WIDTH - filled)}] "
                f"{self._done}/{self._total}, {rate:.1f}/s, {_clock(left)} left"
            )
        else:
            text = f"{self._done}, {rate:.1f}/s, {_clock(seconds)}"
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()
        self._drawn = True

    def close(self) -> None:
        """Removes the bar."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False
