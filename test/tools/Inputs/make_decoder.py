"""Prints a decoder as LLaMA is one, in definition ops: rotary positions, key heads
that groups of query heads share, gated feed-forward layers. Weights are in it.

    make_decoder.py [--layers N] [--heads N] [--key-heads N] [--head-size N]
"""

import argparse

import numpy as np

WORDS, POSITIONS = 50, 40


def main():
    parser = argparse.ArgumentParser()
    for name, size in [
        ("layers", 2),
        ("heads", 6),
        ("key-heads", 2),
        ("head-size", 10),
    ]:
        parser.add_argument(f"--{name}", type=int, default=size)
    options = parser.parse_args()
    heads, key_heads, size = options.heads, options.key_heads, options.head_size
    width, keys, inner = heads * size, key_heads * size, 2 * heads * size
    random = np.random.default_rng(1)
    weights, body = [], []
    count = 0

    def emit(op, result):
        nonlocal count
        count += 1
        body.append(f"  %v{count} = transformer.{op} {result}")
        return f"%v{count}"

    def weight(name, *shape):
        values = random.standard_normal(shape).astype(np.float32)
        values *= 1 if len(shape) == 1 else shape[-1] ** -0.5
        kind = f"tensor<{'x'.join(map(str, shape))}xf32>"
        weights.append(
            f'transformer.weight @{name} value dense<"0x{values.tobytes().hex()}"> : {kind}'
        )
        return emit(f"get_weight @{name}", f": {kind}"), kind

    tokens, ids = "tensor<?x?x{}xf32>", "tensor<?x?xi32>"
    split = "tensor<?x{}x?x{}xf32>"

    def linear(name, x, columns, rows):
        w, kind = weight(name, rows, columns)
        return emit(
            f"linear {x}, {w}",
            f": {tokens.format(columns)}, {kind} -> {tokens.format(rows)}",
        )

    def norm(name, x):
        g, kind = weight(name, width)
        wide = tokens.format(width)
        return emit(f"rms_norm {x}, {g} epsilon 1.0e-6", f": {wide}, {kind} -> {wide}")

    def binary(op, a, b, columns):
        kind = tokens.format(columns)
        return emit(f"{op} {a}, {b}", f": {kind}, {kind} -> {kind}")

    def split_heads(x, number):
        return emit(
            f"split_heads {x} heads {number}",
            f": {tokens.format(number * size)} -> {split.format(number, size)}",
        )

    def rotary(x, number):
        kind = split.format(number, size)
        return emit(f"rotary {x}, %positions theta 100.0", f": {kind}, {ids} -> {kind}")

    def repeat(x):
        return emit(
            f"repeat_heads {x} heads {heads}",
            f": {split.format(key_heads, size)} -> {split.format(heads, size)}",
        )

    def attention(layer, x):
        q = split_heads(linear(f"{layer}.q", x, width, width), heads)
        k = split_heads(linear(f"{layer}.k", x, width, keys), key_heads)
        v = split_heads(linear(f"{layer}.v", x, width, keys), key_heads)
        q, k = rotary(q, heads), repeat(rotary(k, key_heads))
        wide, scores = split.format(heads, size), split.format(heads, "?")
        s = emit(f"matmul {q}, {k} transpose_rhs", f": {wide}, {wide} -> {scores}")
        s = emit(f"scale {s} by {size**-0.5}", f": {scores}")
        s = emit(f"add {s}, {mask}", f": {scores}, tensor<?x1x1x?xf32> -> {scores}")
        s = emit(f"causal_mask {s}", f": {scores}")
        s = emit(f"softmax {s}", f": {scores}")
        y = emit(f"matmul {s}, {repeat(v)}", f": {scores}, {wide} -> {wide}")
        y = emit(f"merge_heads {y}", f": {wide} -> {tokens.format(width)}")
        return linear(f"{layer}.o", y, width, width)

    def feed_forward(layer, x):
        gate = linear(f"{layer}.gate", x, width, inner)
        up = linear(f"{layer}.up", x, width, inner)
        gate = emit(f"silu {gate}", f": {tokens.format(inner)}")
        return linear(f"{layer}.down", binary("mul", gate, up, inner), inner, width)

    mask = emit("padding_mask %mask", f": {ids} -> tensor<?x1x1x?xf32>")
    table, kind = weight("words", WORDS, width)
    x = emit(f"embedding %ids, {table}", f": {ids}, {kind} -> {tokens.format(width)}")
    for number in range(options.layers):
        layer = f"layer.{number}"
        x = binary("add", attention(layer, norm(f"{layer}.in", x)), x, width)
        x = binary("add", feed_forward(layer, norm(f"{layer}.post", x)), x, width)
    x = norm("last", x)
    logits = linear("head", x, width, WORDS)

    print("\n".join(weights))
    print(f"""func.func @forward(
    %ids: {ids} {{transformer.name = "input_ids", transformer.dims = ["batch", "length"], transformer.bound = {WORDS} : i64}},
    %mask: {ids} {{transformer.name = "attention_mask", transformer.dims = ["batch", "length"], transformer.role = #transformer.role<attention_mask>, transformer.default = #transformer.default<ones>}},
    %positions: {ids} {{transformer.name = "position_ids", transformer.dims = ["batch", "length"], transformer.bound = {POSITIONS} : i64, transformer.default = #transformer.default<position_ids>}})
    -> ({tokens.format(width)} {{transformer.name = "last_hidden_state", transformer.dims = ["batch", "length", "width"]}},
        {tokens.format(WORDS)} {{transformer.name = "logits", transformer.dims = ["batch", "length", "words"], transformer.select_output_positions}})
    attributes {{transformer.generates}} {{""")
    print("\n".join(body))
    print(f"  return {x}, {logits} : {tokens.format(width)}, {tokens.format(WORDS)}")
    print("}")


main()
