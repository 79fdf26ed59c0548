#!/usr/bin/env bash
# Formats the C and C++ sources in place, or with --check fails if any differs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run --Werror)
git ls-files -z --cached --others --exclude-standard -- '*.cpp' '*.h' '*.c' |
  xargs -0 -r clang-format-22 "${mode[@]}"
