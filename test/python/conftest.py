"""What the tests of the Python package share."""

import os
import pathlib

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

MODELS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "models"
