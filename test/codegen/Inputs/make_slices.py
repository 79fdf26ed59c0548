"""Prints a model whose ops read the last columns of wider rows, where a vector of
columns would run past the row. Weights are in it."""

import numpy as np

WIDTH, SLICE, IDS = 64, 3, 20

random = np.random.default_rng(1)
weights, body = [], []


def emit(text):
    body.append(f"    %v{len(body)} = transformer.{text}")
    return f"%v{len(body) - 1}"


def weight(*shape):
    kind = f"tensor<{'x'.join(map(str, shape))}xf32>"
    name = f"@w{len(weights)}"
    values = random.standard_normal(shape).astype(np.float32).tobytes().hex()
    weights.append(f'  transformer.weight {name} value dense<"0x{values}"> : {kind}')
    return emit(f"get_weight {name} : {kind}"), kind


def rows(columns):
    return f"tensor<?x?x{columns}xf32>"


def tail(x, columns):
    return emit(
        f"slice {x} axis 2 from {WIDTH - columns} to {WIDTH} : "
        f"{rows(WIDTH)} -> {rows(columns)}"
    )


wide, narrow = rows(WIDTH), rows(SLICE)
table, table_kind = weight(IDS, WIDTH)
x = emit(f"embedding %ids, {table} : tensor<?x?xi32>, {table_kind} -> {wide}")
end = tail(x, SLICE)
w, w_kind = weight(SLICE, WIDTH)
b, b_kind = weight(SLICE)
gamma, _ = weight(SLICE)
# A linear whose epilogue adds them, and its activation before that.
linear = emit(f"linear {x}, {w} bias {b} : {wide}, {w_kind}, {b_kind} -> {narrow}")
gelu = emit(f"gelu none {linear} : {narrow}")
added = emit(f"add {gelu}, {end} : {narrow}, {narrow} -> {narrow}")
# A norm of them, with and without a residual, and one of their columns alone.
norm = emit(
    f"layer_norm {end}, {gamma}, {b} epsilon 1.0e-5 : "
    f"{narrow}, {b_kind}, {b_kind} -> {narrow}"
)
total = emit(f"add {added}, {end} : {narrow}, {narrow} -> {narrow}")
rms = emit(f"rms_norm {total}, {gamma} epsilon 1.0e-5 : {narrow}, {b_kind} -> {narrow}")
softmax = emit(f"softmax {end} : {narrow}")
column = tail(x, 1)
scaled = emit(f"mul {norm}, {column} : {narrow}, {rows(1)} -> {narrow}")
# A token's rows of them.
token = emit(f"select_token {end} at 0 : {narrow} -> tensor<?x{SLICE}xf32>")

results = [added, rms, scaled, softmax]
names = ["added", "rms", "scaled", "softmax"]
dims = f'["batch", "length", "{SLICE}"]'
kinds = [
    f'{narrow} {{transformer.dims = {dims}, transformer.name = "{name}"}}'
    for name in names
]
kinds.append(
    f'tensor<?x{SLICE}xf32> {{transformer.dims = ["batch", "{SLICE}"], '
    'transformer.name = "token"}'
)
types = ", ".join([narrow] * len(names) + [f"tensor<?x{SLICE}xf32>"])
print(
    'module attributes {transformer.metadata = "{\\"task\\": \\"test\\", '
    '\\"model_type\\": \\"slices\\"}"} {'
)
print("\n".join(weights))
print(f"""  func.func @forward(
      %ids: tensor<?x?xi32> {{transformer.bound = {IDS} : i64,
          transformer.dims = ["batch", "length"], transformer.name = "ids"}})
      -> ({", ".join(kinds)}) {{""")
print("\n".join(body))
print(f"    return {', '.join([*results, token])} : {types}\n  }}\n}}")
