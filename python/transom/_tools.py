"""Where the compiler is."""

import os
import pathlib
import shutil

_ROOT = pathlib.Path(__file__).resolve().parents[2]


def compiler() -> str:
    """Path of the `transom` program.

    $TRANSOM if set, else the build tree beside this package, else PATH.
    """
    named = os.environ.get("TRANSOM")
    if named:
        if not os.access(named, os.X_OK):
            raise FileNotFoundError(f"$TRANSOM is not a program: {named}")
        return named
    built = _ROOT / "build" / "bin" / "transom"
    found = str(built) if os.access(built, os.X_OK) else shutil.which("transom")
    if not found:
        raise FileNotFoundError(
            f"no transom compiler at {built} or on PATH: run `make build`, "
            "or set $TRANSOM"
        )
    return found
