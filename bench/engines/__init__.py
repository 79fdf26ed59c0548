"""One class an engine and kind of model: prepare(model folder, cache folder),
load, measure an item.

Each is measured in a process of its own (worker.py), so that thread pools and
allocators don't meet. `measure(item)` runs it once and returns its value and the
milliseconds: of encoders the last hidden state; of causal models the logits
after each sequence; of encoder-decoders the encoder's; where an item has new
tokens those, and the milliseconds of one step.
"""

import pathlib

from . import causal, encoder, seq2seq, seq2seq_onnx

ENGINES = ("transom", "torch", "onnxruntime", "ctranslate2")


KINDS = {
    "encoder": encoder.ENGINES,
    "causal": causal.ENGINES,
    "seq2seq": {**seq2seq.ENGINES, "onnxruntime": seq2seq_onnx.OnnxRuntime},
}


def engine_of(name, kind):
    """The class for models of a kind, or None where the engine has none here."""
    return KINDS[kind].get(name)


def cache_folder(root, engine, model):
    folder = pathlib.Path(root) / engine / model
    folder.mkdir(parents=True, exist_ok=True)
    return folder
