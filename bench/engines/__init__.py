"""One class an engine and kind of model: prepare(model folder, cache folder),
load, measure an item.

Each is measured in a process of its own (worker.py), so that thread pools and
allocators don't meet. `measure(item)` runs it once and returns its value and the
milliseconds: of encoders the last hidden state; of causal models the logits
after each sequence; where an item has new tokens those, and the milliseconds of
one step.
"""

import pathlib

from . import causal, encoder

ENGINES = ("transom", "torch", "onnxruntime", "ctranslate2")


def engine_of(name, causal_model):
    """The class, or None where the engine has no such models here."""
    return (causal if causal_model else encoder).ENGINES.get(name)


def cache_folder(root, engine, model):
    folder = pathlib.Path(root) / engine / model
    folder.mkdir(parents=True, exist_ok=True)
    return folder
