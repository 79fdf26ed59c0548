"""Checks what git tracks: sizes, absolute paths, hosts of package registries.

check_hygiene.py ROOT
"""

import pathlib
import re
import subprocess
import sys

LIMIT = 5 * 1024 * 1024
# Folders that exist on one machine only; /usr and /etc are everybody's.
# Written apart, so that this file passes its own check.
HOMES = "|".join("ho me|ro ot|Us ers|wo rk|mn t|op t".replace(" ", "").split("|"))
PATH = re.compile(rf"(?:^|[\s\"'`=(\[<>:,;]|-[ILB])/(?:{HOMES})/\w")
HOSTS = (
    "py pi.org",
    "python hosted.org",
    "debian .org",
    "npm js.org",
    "crates .io",
    "golang .org",
)
HOST = re.compile("|".join(re.escape(h.replace(" ", "")) for h in HOSTS))


def main(root):
    listed = subprocess.run(
        [
            "git",
            "-C",
            root,
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found = []
    for name in sorted(filter(None, listed.stdout.split("\0"))):
        path = pathlib.Path(root, name)
        if path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size > LIMIT:
            found.append(f"{name}: over 5 MB")
            continue
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # Binary.
        for number, line in enumerate(lines, 1):
            if PATH.search(line):
                found.append(f"{name}:{number}: absolute path")
            if HOST.search(line):
                found.append(f"{name}:{number}: names a package registry")
    print("\n".join(found), file=sys.stderr)
    return 1 if found else 0


sys.exit(main(sys.argv[1]))
