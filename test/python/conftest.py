"""What the tests of the Python package share."""

import os
import pathlib

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

MODELS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "models"


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """compiled(folder, task) -> the model as a loaded library."""
    import transom

    libraries = {}

    def build(folder, task):
        key = (str(folder), task)
        if key not in libraries:
            output = tmp_path_factory.mktemp("lib") / "libmodel.so"
            libraries[key] = transom.load(transom.compile(folder, output, task=task))
        return libraries[key]

    return build
