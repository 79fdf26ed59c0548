"""ONNX Runtime on encoder-decoders: its graphs, greedy tokens, beams."""

import json

import numpy as np

from .onnx_graph import Graph, session_of
from .seq2seq import Seq2Seq

#: Tokens of the longest source, and new ones.
LONGEST = 512


class OnnxRuntime(Seq2Seq):
    """Three graphs of the contributed ops that ONNX Runtime's own export of T5
    has: the encoder, keys and values of cross-attention, and a step, which also
    ranks the tokens. With beams the step gathers their pasts first. Biases of
    distances are handed in: the op that computes them is not for CPUs."""

    @staticmethod
    def prepare(folder, cache):
        if (cache / "beams.onnx").exists():
            return
        import transformers

        model = transformers.T5ForConditionalGeneration.from_pretrained(folder)
        for name, stack in (("encoder", model.encoder), ("decoder", model.decoder)):
            biases = distance_biases(stack, model.config, name == "encoder")
            np.save(cache / f"{name}-biases.npy", biases)
        OnnxRuntime.write_encoder(model, cache / "encoder.onnx")
        OnnxRuntime.write_cross(model, cache / "cross.onnx")
        OnnxRuntime.write_step(model, cache / "step.onnx", False)
        OnnxRuntime.write_step(model, cache / "beams.onnx", True)

    @staticmethod
    def write_encoder(model, path):
        config, stack, graph = model.config, model.encoder, Graph()
        ids = ["batch", "length"]
        x, y = embed(graph, stack, "input_ids")
        for i, block in enumerate(stack.block):
            mixer, mlp = block.layer
            heads = [f"{i}.q", f"{i}.k", f"{i}.v"]
            project(graph, f"{i}.qkv", mixer.SelfAttention, y, heads)
            graph.op(
                "MultiHeadAttention", [*heads, "", "", "bias"], [f"{i}.attention"],
                num_heads=config.num_heads, scale=1.0,
            )  # fmt: skip
            x, y = add(
                graph,
                f"{i}.out",
                mixer.SelfAttention.o,
                f"{i}.attention",
                x,
                mlp.layer_norm,
            )
            x, y = feed_forward(graph, i, mlp, x, y, next_norm(stack, i))
        graph.op("Identity", [y], ["hidden"], False)
        width = [*ids, config.d_model]
        inputs = {
            "input_ids": (np.int64, ids),
            "bias": (np.float32, [1, config.num_heads, "length", "length"]),
        }
        graph.save(path, inputs, {"hidden": (np.float32, width)})

    @staticmethod
    def write_cross(model, path):
        config, graph, outputs = model.config, Graph(), {}
        graph.weight("heads", np.array([0, -1, config.num_heads, config.d_kv]))
        for i, block in enumerate(model.decoder.block):
            attention = block.layer[1].EncDecAttention
            for part in "kv":
                name = f"cross.{i}.{part}"
                y = graph.matmul(
                    f"{i}.{part}", getattr(attention, part).weight.t(), "hidden"
                )
                y = graph.op("Reshape", [y, "heads"], [f"{i}.{part}.heads"], False)
                graph.op("Transpose", [y], [name], False, perm=[0, 2, 1, 3])
                outputs[name] = (np.float32, cache_dims(config, "source"))
        hidden = (np.float32, ["batch", "source", config.d_model])
        graph.save(path, {"hidden": hidden}, outputs)

    @staticmethod
    def write_step(model, path, beams):
        config, stack, graph = model.config, model.decoder, Graph()
        inputs = {
            "ids": (np.int64, ["batch", 1]), "count": (np.int64, [1]),
            "bias": (np.float32, [1, config.num_heads, 1, "total"]),
        }  # fmt: skip
        outputs = {
            "scores": (np.float32, ["batch", "ranks"]),
            "tokens": (np.int64, ["batch", "ranks"]),
        }
        if beams:
            inputs["beams"] = (np.int64, ["batch"])
        x, y = embed(graph, stack, "ids")
        for i, block in enumerate(stack.block):
            mixer, cross, mlp = block.layer
            heads, past = [f"{i}.q", f"{i}.k", f"{i}.v"], []
            project(graph, f"{i}.qkv", mixer.SelfAttention, y, heads)
            for part in "kv":
                name = f"past.{i}.{part}"
                inputs[name] = (np.float32, cache_dims(config, "past"))
                outputs[f"present.{i}.{part}"] = (
                    np.float32,
                    cache_dims(config, "total"),
                )
                inputs[f"cross.{i}.{part}"] = (np.float32, cache_dims(config, "source"))
                if beams:
                    name = graph.op(
                        "Gather", [name, "beams"], [f"{i}.past.{part}"], False
                    )
                past.append(name)
            graph.op(
                "MultiHeadAttention", [*heads, "", "", "bias", *past],
                [f"{i}.attention", f"present.{i}.k", f"present.{i}.v"],
                num_heads=config.num_heads, scale=1.0,
            )  # fmt: skip
            x, y = add(
                graph,
                f"{i}.out",
                mixer.SelfAttention.o,
                f"{i}.attention",
                x,
                cross.layer_norm,
            )
            query = graph.matmul(f"{i}.cross.q", cross.EncDecAttention.q.weight.t(), y)
            graph.op(
                "MultiHeadAttention", [query, f"cross.{i}.k", f"cross.{i}.v"],
                [f"{i}.cross"], num_heads=config.num_heads, scale=1.0,
            )  # fmt: skip
            x, y = add(
                graph,
                f"{i}.cross.out",
                cross.EncDecAttention.o,
                f"{i}.cross",
                x,
                mlp.layer_norm,
            )
            x, y = feed_forward(graph, i, mlp, x, y, next_norm(stack, i))
        words = model.shared.weight.t() * config.d_model**-0.5
        logits = graph.matmul("logits", words, y)
        forbidden = np.zeros(config.vocab_size, np.float32)
        forbidden[config.eos_token_id] = -np.inf
        graph.op("Add", [logits, graph.weight("forbidden", forbidden)], ["open"], False)
        one = graph.weight("one", np.array([1]))
        graph.op("Squeeze", ["open", one], ["row"], False)
        graph.op("LogSoftmax", ["row"], ["logs"], False)
        graph.op("TopK", ["logs", "count"], ["scores", "tokens"], False)
        graph.save(path, inputs, outputs)

    def __init__(self, folder, cache, threads):
        import onnxruntime

        self.of = onnxruntime.OrtValue.ortvalue_from_numpy
        self.encoder, self.cross, self.step, self.beams = (
            session_of(cache / f"{name}.onnx", threads)
            for name in ("encoder", "cross", "step", "beams")
        )
        distances = np.arange(LONGEST)[None] - np.arange(LONGEST)[:, None]
        biases = np.load(cache / "encoder-biases.npy")
        self.square = biases[:, distances + LONGEST - 1][None]
        # Of the last token, by the place before it.
        self.row = np.load(cache / "decoder-biases.npy")[None, :, None, :LONGEST]
        config = json.loads((folder / "config.json").read_text())
        self.start = config["decoder_start_token_id"]
        self.caches = [
            f"{i}.{p}" for i in range(config["num_decoder_layers"]) for p in "kv"
        ]
        self.heads, self.head_dim = config["num_heads"], config["d_kv"]

    def encode(self, ids):
        return self.encoder.run(None, self.source(ids))[0]

    def source(self, ids):
        length = ids.shape[1]
        return {"input_ids": ids, "bias": self.square[:, :, :length, :length]}

    def begin(self, ids, beams):
        """Keys and values of the sources, and empty pasts."""
        source = {
            name: self.of(np.ascontiguousarray(v))
            for name, v in self.source(ids).items()
        }
        hidden = self.encoder.run_with_ort_values(None, source)[0]
        found = self.cross.run_with_ort_values(None, {"hidden": hidden})
        if beams > 1:
            found = [self.of(np.repeat(value.numpy(), beams, 0)) for value in found]
        rows = len(ids) * beams
        empty = self.of(np.zeros((rows, self.heads, 0, self.head_dim), np.float32))
        feed = {f"cross.{name}": value for name, value in zip(self.caches, found)}
        return {**feed, **{f"past.{name}": empty for name in self.caches}}

    def advance(self, session, feed, ids, **inputs):
        """Scores and tokens by rank; the feed then has the new pasts."""
        total = feed["past.0.k"].shape()[2] + 1
        inputs["ids"] = np.ascontiguousarray(ids)[:, None]
        inputs["bias"] = np.ascontiguousarray(self.row[..., LONGEST - total :])
        feed.update({name: self.of(value) for name, value in inputs.items()})
        scores, tokens, *present = session.run_with_ort_values(None, feed)
        feed.update({f"past.{name}": p for name, p in zip(self.caches, present)})
        return scores.numpy(), tokens.numpy()

    def generate(self, ids, new, beams):
        feed = self.begin(ids, beams)
        tokens = np.full(len(ids) * beams, self.start)
        if beams > 1:
            return self.search(feed, tokens, new)
        made = []
        for _ in range(new):
            _, ranks = self.advance(self.step, feed, tokens, count=np.array([1]))
            tokens = ranks[:, 0]
            made.append(tokens)
        return np.stack(made, 1)

    def search(self, feed, tokens, new):
        """Beams of one source; all are of one length, and none ends."""
        beams = len(tokens)
        parents, made = np.arange(beams), np.zeros((beams, 0), np.int64)
        # All beams begin alike: only the first counts.
        totals = np.where(parents == 0, 0, -np.inf)
        for _ in range(new):
            scores, ranks = self.advance(
                self.beams, feed, tokens, beams=parents, count=np.array([beams])
            )
            found = (totals[:, None] + scores).ravel()
            best = np.argsort(-found, kind="stable")[:beams]
            parents, tokens, totals = best // beams, ranks.ravel()[best], found[best]
            made = np.concatenate([made[parents], tokens[:, None]], 1)
        return made[:1]


def cache_dims(config, length):
    return ["batch", config.num_heads, length, config.d_kv]


def distance_biases(stack, config, bidirectional):
    """[heads, 2 LONGEST - 1]: what attention adds to a key by its distance from
    the query, from 1 - LONGEST on."""
    import torch
    from transformers.models.t5.modeling_t5 import T5Attention

    buckets = T5Attention._relative_position_bucket(
        torch.arange(1 - LONGEST, LONGEST), bidirectional,
        config.relative_attention_num_buckets, config.relative_attention_max_distance,
    )  # fmt: skip
    table = stack.block[0].layer[0].SelfAttention.relative_attention_bias.weight
    return table[buckets].t().detach().numpy()


def embed(graph, stack, ids):
    """The words, and their norm."""
    words = graph.weight("shared", stack.embed_tokens.weight)
    x = graph.op("Gather", [words, ids], ["words"], False)
    norm = stack.block[0].layer[0].layer_norm
    y = graph.op(
        "SimplifiedLayerNormalization", [x, graph.weight("first.g", norm.weight)],
        ["first"], False, axis=-1, epsilon=norm.variance_epsilon, stash_type=1,
    )  # fmt: skip
    return x, y


def project(graph, name, attention, x, outputs):
    """Queries, keys and values by one multiplication."""
    matrices = [getattr(attention, part).weight.detach().numpy() for part in "qkv"]
    merged = graph.matmul(name, np.concatenate(matrices).T, x)
    thirds = graph.weight("thirds", np.array([len(matrix) for matrix in matrices]))
    graph.op("Split", [merged, thirds], outputs, False, axis=-1)


def add(graph, name, linear, x, residual, norm):
    """residual + linear(x), and its norm."""
    y = graph.matmul(name, linear.weight.t(), x)
    outputs = [name + ".norm", "", "", name + ".sum"]
    graph.op(
        "SkipSimplifiedLayerNormalization",
        [residual, y, graph.weight(name + ".g", norm.weight)], outputs,
        epsilon=norm.variance_epsilon,
    )  # fmt: skip
    return outputs[3], outputs[0]


def feed_forward(graph, i, mlp, x, y, norm):
    y = graph.matmul(f"{i}.up", mlp.DenseReluDense.wi.weight.t(), y)
    y = graph.op("Relu", [y], [f"{i}.relu"], False)
    return add(graph, f"{i}.down", mlp.DenseReluDense.wo, y, x, norm)


def next_norm(stack, i):
    last = i + 1 == len(stack.block)
    return stack.final_layer_norm if last else stack.block[i + 1].layer[0].layer_norm
