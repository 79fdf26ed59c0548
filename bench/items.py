"""What is measured: models with published shapes and random weights, batches."""

import dataclasses

import numpy as np

MODELS = {
    "bert-base": ("BertModel", dict(
        vocab_size=30522, hidden_size=768, num_hidden_layers=12,
        num_attention_heads=12, intermediate_size=3072,
    )),
    "minilm": ("BertModel", dict(
        vocab_size=30522, hidden_size=384, num_hidden_layers=6,
        num_attention_heads=12, intermediate_size=1536,
    )),
    "gpt2": ("GPT2LMHeadModel", dict(
        vocab_size=50257, n_embd=768, n_layer=12, n_head=12, n_positions=1024,
    )),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Item:
    """Sequences of these lengths. An encoder returns hidden states; a causal
    model the logits after each sequence, or `new` tokens, greedily."""

    model: str
    lengths: tuple
    new: int = 0


ITEMS = {
    "bert-base 1x128": Item("bert-base", (128,)),
    "bert-base 8x128": Item("bert-base", (128,) * 8),
    "bert-base 1x512": Item("bert-base", (512,)),
    "bert-base ragged 8": Item("bert-base", (16, 24, 40, 56, 72, 96, 112, 128)),
    "minilm 1x32": Item("minilm", (32,)),
    "minilm 32x64": Item("minilm", (64,) * 32),
    "gpt2 prefill 1x128": Item("gpt2", (128,)),
    "gpt2 prefill 1x512": Item("gpt2", (512,)),
    "gpt2 decode 1": Item("gpt2", (128,), new=64),
    "gpt2 decode 8": Item("gpt2", (128,) * 8, new=64),
}


def shape(model):
    """Layers, width, inner width, vocabulary."""
    name, config = MODELS[model]
    if name == "BertModel":
        return (config["num_hidden_layers"], config["hidden_size"],
                config["intermediate_size"], config["vocab_size"])  # fmt: skip
    width = config["n_embd"]
    return config["n_layer"], width, 4 * width, config["vocab_size"]


def is_causal(model):
    return MODELS[model][0] != "BertModel"


def flops(item):
    """Useful operations of one forward, or of one step of decoding: linear
    layers and attention (the lower triangle, if causal), without padding;
    norms, softmax and embeddings (about 1 %) are not counted."""
    item = ITEMS[item]
    layers, width, inner, vocabulary = shape(item.model)
    linear = 2 * (4 * width * width + 2 * width * inner)
    if item.new:
        pairs = sum(n + item.new / 2 for n in item.lengths)
        rows = len(item.lengths)
    else:
        pairs = sum(n * n / (2 if is_causal(item.model) else 1) for n in item.lengths)
        rows = sum(item.lengths)
    head = 2 * width * vocabulary * len(item.lengths) if is_causal(item.model) else 0
    return layers * (rows * linear + 4 * pairs * width) + head


def bytes_per_step(item):
    """Weights that a step of decoding has to read: its matrices, in f32."""
    layers, width, inner, vocabulary = shape(ITEMS[item].model)
    return 4 * (layers * (4 * width * width + 2 * width * inner) + width * vocabulary)


def batch(item):
    """Token ids [batch, longest] and mask, the same for every engine."""
    lengths = ITEMS[item].lengths
    rng = np.random.default_rng(len(item))
    longest = max(lengths)
    mask = (np.arange(longest)[None] < np.array(lengths)[:, None]).astype(np.int64)
    vocabulary = shape(ITEMS[item].model)[3]
    ids = rng.integers(1000, vocabulary, mask.shape) * mask
    return ids, mask


def make_model(name, folder):
    """A model's folder; biases and norms differ from 0 and 1."""
    import torch
    import transformers

    torch.manual_seed(0)
    kind, config = MODELS[name]
    cls = getattr(transformers, kind)
    with torch.no_grad():
        model = cls(cls.config_class(**config))
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.05 * torch.randn(parameter.shape)
    model.save_pretrained(folder)
