#!/usr/bin/env python3
"""Runs clang-tidy over the sources of a build tree, in parallel.

    scripts/tidy.py BUILD [FOLDER...]

Checks every file below the folders (all of them by default) and fails if one has
a complaint. A file that was clean is not checked again until it, a header that it
includes, its command or .clang-tidy changes: what was clean is remembered below
~/.cache/transom/tidy, or $TRANSOM_CACHE_DIR.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-22"


def cache():
    folder = os.environ.get("TRANSOM_CACHE_DIR")
    if not folder:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home) / "transom"
    return pathlib.Path(folder) / "tidy"


def headers(build):
    """Object file -> the files that it was made of, as Ninja recorded them."""
    listed = subprocess.run(
        ["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True
    ).stdout
    found, current = {}, []
    for line in listed.splitlines():
        if line.startswith("    "):
            current.append(line.strip())
        elif "#deps" in line:
            current = found.setdefault(line.split(":")[0], [])
    return found


def fingerprint(path):
    """Contents of our own files, time and size of the system's."""
    try:
        if path.is_relative_to(ROOT):
            return hashlib.sha256(path.read_bytes()).hexdigest()
        status = path.stat()
        return f"{status.st_mtime_ns} {status.st_size}"
    except OSError:
        return "missing"


def key(entry, made_of, build):
    """What decides the outcome, or None where Ninja has not built the file yet."""
    if not made_of:
        return None
    parts = [entry["command"], (ROOT / ".clang-tidy").read_text(), TIDY]
    for name in sorted(made_of):
        path = (build / name).resolve()
        # One build tree's name must not keep another's results from being used.
        parts.append(f"{os.path.relpath(path, build)} {fingerprint(path)}")
    text = "\n".join(parts).replace(str(build), "BUILD").replace(str(ROOT), "ROOT")
    return hashlib.sha256(text.encode()).hexdigest()


def check(file, commands):
    done = subprocess.run(
        [TIDY, "-quiet", "-p", commands, file], capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def main(build, folders):
    build = pathlib.Path(build).resolve()
    wanted = tuple(f"{folder.rstrip('/')}/" for folder in folders)
    made_of = headers(build)
    entries = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        # A file that is also compiled for a sanitizer is checked once.
        if not file.is_relative_to(ROOT) or file.is_relative_to(build):
            continue
        if wanted and not file.relative_to(ROOT).as_posix().startswith(wanted):
            continue
        if file not in entries or "-fsanitize=" not in entry["command"]:
            entries[file] = entry
    if not entries:
        sys.exit(f"tidy: expects sources below {', '.join(folders)}, got none")

    stamps, failed = cache(), 0
    stamps.mkdir(parents=True, exist_ok=True)
    todo = {}
    for file, entry in sorted(entries.items()):
        stamp = key(entry, made_of.get(entry["output"]), build)
        if not stamp or not (stamps / stamp).exists():
            todo[file] = stamp
    with (
        tempfile.TemporaryDirectory() as commands,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        # One command a file: clang-tidy would run each that it finds.
        text = json.dumps(list(entries.values()))
        (pathlib.Path(commands) / "compile_commands.json").write_text(text)
        results = pool.map(lambda file: check(file, commands), todo)
        for (_, stamp), (status, text) in zip(todo.items(), results):
            if status:
                failed += 1
                text = re.sub(r"^\d+ (warning|error)s?.*\n", "", text, flags=re.M)
                print(text.replace(f"{ROOT}/", ""), file=sys.stderr)
            elif stamp:
                (stamps / stamp).touch()
    print(f"tidy: {len(entries)} files, {len(todo)} checked, {failed} with complaints")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
