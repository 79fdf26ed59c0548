"""What is measured: models with published shapes and random weights, batches."""

import numpy as np

MODELS = {
    "bert-base": dict(
        vocab_size=30522, hidden_size=768, num_hidden_layers=12,
        num_attention_heads=12, intermediate_size=3072,
    ),
    "minilm": dict(
        vocab_size=30522, hidden_size=384, num_hidden_layers=6,
        num_attention_heads=12, intermediate_size=1536,
    ),
}  # fmt: skip

ITEMS = {
    "bert-base 1x128": ("bert-base", [128]),
    "bert-base 8x128": ("bert-base", [128] * 8),
    "bert-base 1x512": ("bert-base", [512]),
    "bert-base ragged 8": ("bert-base", [16, 24, 40, 56, 72, 96, 112, 128]),
    "minilm 1x32": ("minilm", [32]),
    "minilm 32x64": ("minilm", [64] * 32),
}


def flops(item):
    """Useful operations of one forward: linear layers and attention, without
    padding; norms, softmax and embeddings (about 1 %) are not counted."""
    model, lengths = ITEMS[item]
    shape = MODELS[model]
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    linear = 2 * (4 * width * width + 2 * width * inner)
    attention = sum(4 * n * n * width for n in lengths)
    return shape["num_hidden_layers"] * (sum(lengths) * linear + attention)


def batch(item):
    """Token ids [batch, longest] and mask, the same for every engine."""
    model, lengths = ITEMS[item]
    rng = np.random.default_rng(len(item))
    longest = max(lengths)
    mask = (np.arange(longest)[None] < np.array(lengths)[:, None]).astype(np.int64)
    ids = rng.integers(1000, MODELS[model]["vocab_size"], mask.shape) * mask
    return ids, mask


def make_model(name, folder):
    """A BertModel folder; biases and norms differ from 0 and 1."""
    import torch
    import transformers

    torch.manual_seed(0)
    with torch.no_grad():
        model = transformers.BertModel(transformers.BertConfig(**MODELS[name]))
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.05 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
