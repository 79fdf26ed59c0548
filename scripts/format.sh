#!/usr/bin/env bash
# Formats C, C++ and Python in place, or with --check fails if any file differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
clang=(-i)
ruff=()
if [ "${1:-}" = --check ]; then
  clang=(--dry-run --Werror)
  ruff=(--check)
fi
git ls-files -z --cached --others --exclude-standard -- '*.cpp' '*.h' '*.c' |
  xargs -0 -r clang-format-22 "${clang[@]}"
.venv/bin/ruff format --quiet --no-cache "${ruff[@]}" .
