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
    "t5-small": ("T5ForConditionalGeneration", dict(
        vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_heads=8,
        num_layers=6, num_decoder_layers=6, feed_forward_proj="relu",
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0,
    )),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Item:
    """Sequences of these lengths. An encoder returns hidden states, and so does
    that of an encoder-decoder; a causal model the logits after each sequence.
    With `new` it is so many new tokens, greedily or the best of `beams`."""

    model: str
    lengths: tuple
    new: int = 0
    beams: int = 1


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
    "t5-small encode 1x128": Item("t5-small", (128,)),
    "t5-small encode 8x128": Item("t5-small", (128,) * 8),
    "t5-small decode 1": Item("t5-small", (128,), new=64),
    "t5-small beams 4": Item("t5-small", (128,), new=64, beams=4),
}


def kind_of(model):
    """Which kind: "encoder", "causal" or "seq2seq"."""
    return {"BertModel": "encoder", "GPT2LMHeadModel": "causal"}.get(
        MODELS[model][0], "seq2seq"
    )


def shape(model):
    """Layers, width, inner width, vocabulary."""
    config = MODELS[model][1]
    if kind_of(model) == "encoder":
        return (config["num_hidden_layers"], config["hidden_size"],
                config["intermediate_size"], config["vocab_size"])  # fmt: skip
    if kind_of(model) == "seq2seq":
        # Heads together are as wide as the model.
        return (config["num_layers"], config["d_model"], config["d_ff"],
                config["vocab_size"])  # fmt: skip
    width = config["n_embd"]
    return config["n_layer"], width, 4 * width, config["vocab_size"]


def layer_weights(item):
    """Weights of a layer that each new row is multiplied by. Those of a source's
    keys and values, which a decoder's step doesn't read, are not among them."""
    _, width, inner, _ = shape(item.model)
    squares = 6 if kind_of(item.model) == "seq2seq" and item.new else 4
    return squares * width * width + 2 * width * inner


def flops(item):
    """Useful operations of one forward, or of one step of decoding: linear
    layers and attention (the lower triangle, if causal), without padding;
    norms, softmax and embeddings (about 1 %) are not counted."""
    item = ITEMS[item]
    layers, width, _, vocabulary = shape(item.model)
    causal = kind_of(item.model) == "causal"
    if item.new:
        rows = len(item.lengths) * item.beams
        pairs = sum(n + item.new / 2 for n in item.lengths) * item.beams
    else:
        rows = sum(item.lengths)
        pairs = sum(n * n / (2 if causal else 1) for n in item.lengths)
    predicted = rows if item.new else causal * len(item.lengths)
    head = 2 * width * vocabulary * predicted
    return layers * (2 * rows * layer_weights(item) + 4 * pairs * width) + head


def bytes_per_step(item):
    """Weights that a step of decoding has to read: its matrices, in f32."""
    item = ITEMS[item]
    layers, width, _, vocabulary = shape(item.model)
    return 4 * (layers * layer_weights(item) + width * vocabulary)


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
        if kind_of(name) == "seq2seq":
            # Tokens of drawn length follow themselves, whatever the layers say.
            model.shared.weight *= 0.05
    model.save_pretrained(folder)
