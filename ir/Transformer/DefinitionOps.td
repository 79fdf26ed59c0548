//===- DefinitionOps.td - one equation of a paper each ----------*- tablegen -*-//
//
// Included by TransformerOps.td. What frontends emit; one spelling a meaning.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_DEFINITION_OPS_TD
#define TRANSOM_IR_TRANSFORMER_DEFINITION_OPS_TD

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def WeightOp : Transformer_Op<"weight", [Symbol]> {
  let summary = "names a tensor of the checkpoint";
  let description = [{
    A weight of `type`. The compiler reads it from the checkpoint when it packs
    the weight; the IR does not contain it. Several `sources` (merged
    projections) are concatenated along dimension 0, in order. Tests have small
    weights inline, as `value`.

    ```mlir
    transformer.weight @layer.0.query.weight
        from [#transformer.source<"encoder.layer.0.attention.self.query.weight">]
        : tensor<768x768xf32>
    transformer.weight @tiny value dense<1.0> : tensor<4x4xf32>
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<TypedArrayAttrBase<Transformer_SourceAttr, "sources">>:$sources,
                       OptionalAttr<ElementsAttr>:$value,
                       TypeAttrOf<Transformer_AnyTensor>:$type);
  let assemblyFormat = [{
    ($sym_visibility^)? $sym_name attr-dict custom<WeightContents>($sources, $value, $type)
  }];
  let hasVerifier = 1;
}

def GetWeightOp : Transformer_Op<"get_weight", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a weight";
  let description = [{
    ```mlir
    %w = transformer.get_weight @layer.0.query.weight : tensor<768x768xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Embeddings, linear algebra
//===----------------------------------------------------------------------===//

def EmbeddingOp : Transformer_ValueOp<"embedding", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface, ["isRowwise"]>]> {
  let summary = "rows of a table by id";
  let description = [{
    `result[.., c] = table[ids[..], c]`; ids [..], table [V, C], result [.., C].
    Ids lie in [0, V); the id -1 gives a row of zeros.

    ```mlir
    %x = transformer.embedding %ids, %table : tensor<?x?xi32>, tensor<30522x768xf32> -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_IntegerTensor:$ids, Transformer_FloatTensor:$table);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $ids `,` $table attr-dict `:` type($ids) `,` type($table) `->` type($result)
  }];
  let hasVerifier = 1;
}

def LinearOp : Transformer_ValueOp<"linear", [
    AttrSizedOperandSegments, IsolatedFromAbove, SingleBlock,
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "x w^T + b, with an optional epilogue";
  let description = [{
    `result[.., n] = epilogue(bias[n] + sum_k x[.., k] * weight[n, k], extras..)`

    x [.., K], weight [N, K] as torch.nn.Linear stores it, bias [N], result
    [.., N]. The definition op has no epilogue; `transom-fuse-epilogues` moves
    elementwise consumers into the region. The region's arguments are the
    accumulator and one scalar for each of `extras`, which broadcast to the
    result (activations [.., N] or [.., 1], vectors [N], scalars). It yields one
    scalar.

    ```mlir
    %y = transformer.linear %x, %w bias %b
        : tensor<?x768xf32>, tensor<3072x768xf32>, tensor<3072xf32> -> tensor<?x3072xf32>
    %z = transformer.linear %x, %u bias %c extras(%r)
        : tensor<?x768xf32>, tensor<768x768xf32>, tensor<768xf32> extras(tensor<?x768xf32>)
        -> tensor<?x768xf32> {
    ^bb0(%acc: f32, %residual: f32):
      %s = transformer.add %acc, %residual : f32, f32 -> f32
      transformer.yield %s : f32
    }
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, Transformer_FloatTensor:$weight,
                       Optional<Transformer_FloatTensor>:$bias,
                       Variadic<Transformer_AnyTensor>:$extras);
  let results = (outs Transformer_FloatTensor:$result);
  let regions = (region MaxSizedRegion<1>:$epilogue);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? (`extras` `(` $extras^ `)`)? attr-dict `:`
    type($input) `,` type($weight) (`,` type($bias)^)? (`extras` `(` type($extras)^ `)`)?
    `->` type($result) ($epilogue^)?
  }];
  let builders = [
    OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$weight,
                   CArg<"::mlir::Value", "{}">:$bias)>
  ];
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def YieldOp : Transformer_Op<"yield", [
    Pure, ReturnLike, Terminator, ParentOneOf<["LinearOp", "ElementwiseOp"]>]> {
  let summary = "the values that a region computes";
  let description = [{
    Ends the region of `transformer.linear` and `transformer.elementwise`.

    ```mlir
    transformer.yield %s : f32
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$values);
  let assemblyFormat = "($values^ `:` type($values))? attr-dict";
}

def MatmulOp : Transformer_ValueOp<"matmul"> {
  let summary = "batched matrix product";
  let description = [{
    `result[b.., i, j] = sum_k lhs[b.., i, k] * rhs[b.., k, j]`; with
    `transpose_rhs`, rhs is [b.., j, k]. Batch dimensions broadcast.

    ```mlir
    %s = transformer.matmul %q, %k transpose_rhs
        : tensor<?x12x?x64xf32>, tensor<?x12x?x64xf32> -> tensor<?x12x?x?xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$lhs, Transformer_FloatTensor:$rhs,
                       UnitAttr:$transpose_rhs);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs (`transpose_rhs` $transpose_rhs^)? attr-dict `:` type($lhs) `,`
    type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

def ScaleOp : Transformer_ValueOp<"scale", [
    Transformer_ElementwiseOpInterface,
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>]> {
  let summary = "a constant multiple";
  let description = [{
    `result = factor * input`.

    ```mlir
    %y = transformer.scale %x by 0.125 : tensor<?x12x?x?xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatLike:$input, F32Attr:$factor);
  let results = (outs Transformer_FloatLike:$result);
  let assemblyFormat = "$input `by` $factor attr-dict `:` type($input)";
  let hasFolder = 1;
}

//===----------------------------------------------------------------------===//
// Activations, norms
//===----------------------------------------------------------------------===//

def GeluOp : Transformer_ValueOp<"gelu", [
    Transformer_ElementwiseOpInterface,
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "Gaussian error linear unit";
  let description = [{
    `result = x * Phi(x)`, Phi the normal distribution function: none is
    `0.5 x (1 + erf(x / sqrt 2))`, tanh is
    `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))` (Hendrycks and Gimpel 2016).

    ```mlir
    %y = transformer.gelu none %x : tensor<?x3072xf32>
    ```
  }];
  let arguments = (ins Transformer_GeluApproximationAttr:$approximation,
                       Transformer_FloatLike:$input);
  let results = (outs Transformer_FloatLike:$result);
  let assemblyFormat = "`` $approximation $input attr-dict `:` type($input)";
}

class Transformer_ActivationOp<string mnemonic, string equation>
    : Transformer_UnaryOp<mnemonic, equation,
        [DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]>;
def ReluOp : Transformer_ActivationOp<"relu", "max(x, 0)">;
def SiluOp : Transformer_ActivationOp<"silu", "x / (1 + e^-x)">;
def TanhOp : Transformer_UnaryOp<"tanh", "tanh x">;

def SoftmaxOp : Transformer_ValueOp<"softmax", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "softmax over the last dimension";
  let description = [{
    `result[.., j] = exp(x[.., j] - m) / sum_l exp(x[.., l] - m)`, m the row's maximum.

    ```mlir
    %p = transformer.softmax %s : tensor<?x12x?x?xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def LayerNormOp : Transformer_ValueOp<"layer_norm", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "layer normalization over the last dimension";
  let description = [{
    `result = (x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and
    (biased) variance over the last dimension (Ba, Kiros, Hinton 2016). x [.., C],
    gamma and beta [C].

    ```mlir
    %y = transformer.layer_norm %x, %g, %b epsilon 1.0e-12
        : tensor<?x768xf32>, tensor<768xf32>, tensor<768xf32> -> tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, Transformer_FloatTensor:$gamma,
                       Transformer_FloatTensor:$beta, F32Attr:$epsilon);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $gamma `,` $beta `epsilon` $epsilon attr-dict `:` type($input) `,`
    type($gamma) `,` type($beta) `->` type($result)
  }];
  let hasVerifier = 1;
}

def RmsNormOp : Transformer_ValueOp<"rms_norm", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>,
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "root mean square normalization over the last dimension";
  let description = [{
    `result = x / sqrt(mean(x^2) + epsilon) * gamma` (Zhang and Sennrich 2019).

    ```mlir
    %y = transformer.rms_norm %x, %g epsilon 1.0e-6
        : tensor<?x512xf32>, tensor<512xf32> -> tensor<?x512xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, Transformer_FloatTensor:$gamma,
                       F32Attr:$epsilon);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $gamma `epsilon` $epsilon attr-dict `:` type($input) `,` type($gamma)
    `->` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Heads, masks, positions
//===----------------------------------------------------------------------===//

def SplitHeadsOp : Transformer_ValueOp<"split_heads", [
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>,
    DeclareOpInterfaceMethods<Transformer_PackableOpInterface>]> {
  let summary = "[B, T, H*D] -> [B, H, T, D]";
  let description = [{
    `result[b, h, t, d] = x[b, t, h * D + d]`.

    ```mlir
    %q = transformer.split_heads %x heads 12 : tensor<?x?x768xf32> -> tensor<?x12x?x64xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, I64Attr:$heads);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$input `heads` $heads attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def MergeHeadsOp : Transformer_ValueOp<"merge_heads", [
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>,
    DeclareOpInterfaceMethods<Transformer_PackableOpInterface>]> {
  let summary = "[B, H, T, D] -> [B, T, H*D]";
  let description = [{
    `result[b, t, h * D + d] = x[b, h, t, d]`.

    ```mlir
    %y = transformer.merge_heads %x : tensor<?x12x?x64xf32> -> tensor<?x?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def RepeatHeadsOp : Transformer_ValueOp<"repeat_heads", [
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "key heads for groups of query heads";
  let description = [{
    `result[b, h, t, d] = x[b, h * Hkv / H, t, d]`, H the number of `heads`:
    grouped-query attention (Ainslie et al. 2023) shares each of Hkv key and
    value heads among H / Hkv query heads. x [B, Hkv, T, D].

    ```mlir
    %y = transformer.repeat_heads %k heads 8 : tensor<?x2x?x64xf32> -> tensor<?x8x?x64xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, I64Attr:$heads);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$input `heads` $heads attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def PaddingMaskOp : Transformer_ValueOp<"padding_mask", [
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>,
    DeclareOpInterfaceMethods<Transformer_PackableOpInterface>]> {
  let summary = "the additive bias of an attention mask";
  let description = [{
    `result[b, 0, 0, t] = mask[b, t] != 0 ? 0 : lowest`, where lowest is the most
    negative finite float: added to scores, it hides masked keys. mask [B, T],
    result [B, 1, 1, T] f32.

    ```mlir
    %m = transformer.padding_mask %mask : tensor<?x?xi32> -> tensor<?x1x1x?xf32>
    ```
  }];
  let arguments = (ins Transformer_IntegerTensor:$mask);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$mask attr-dict `:` type($mask) `->` type($result)";
  let hasVerifier = 1;
}

def CausalMaskOp : Transformer_ValueOp<"causal_mask", [
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>]> {
  let summary = "hides keys after their query";
  let description = [{
    `result[.., i, j] = j <= i + Tk - Tq ? scores[.., i, j] : lowest`;
    scores [.., Tq, Tk].

    ```mlir
    %s = transformer.causal_mask %scores : tensor<?x12x?x?xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$scores);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$scores attr-dict `:` type($scores)";
  let hasVerifier = 1;
}

def RelativeBiasOp : Transformer_ValueOp<"relative_bias"> {
  let summary = "T5's bias by bucketed distance";
  let description = [{
    `result[0, h, i, j] = table[bucket(j - i - (Tk - Tq)), h]` (Raffel et al.
    2020). If `bidirectional`, keys before and after their query have half of the
    buckets each; otherwise keys before it have all, and keys after it share
    bucket 0. The first half of these buckets hold one distance each, the others
    grow logarithmically up to `max_distance`. table [buckets, H]; dimension 1 of
    `queries` and `keys` is Tq and Tk; result [1, H, Tq, Tk].

    ```mlir
    %b = transformer.relative_bias %table, %q, %k bidirectional max_distance 128
        : tensor<32x8xf32>, tensor<?x?x512xf32>, tensor<?x?x512xf32> -> tensor<1x8x?x?xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$table, Transformer_AnyTensor:$queries,
                       Transformer_AnyTensor:$keys, UnitAttr:$bidirectional,
                       I64Attr:$max_distance);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $table `,` $queries `,` $keys (`bidirectional` $bidirectional^)? `max_distance`
    $max_distance attr-dict `:` type($table) `,` type($queries) `,` type($keys)
    `->` type($result)
  }];
  let extraClassDeclaration = [{
    /// The bucket of a key that is `distance` after its query, in a table of so
    /// many. In f32, step by step as T5 was trained with: where the logarithm
    /// is a whole number of buckets, rounding decides.
    int64_t getBucket(int64_t distance, int64_t buckets);
  }];
  let hasVerifier = 1;
}

def RotaryOp : Transformer_ValueOp<"rotary", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface, ["isRowwise"]>,
    DeclareOpInterfaceMethods<Transformer_PackableOpInterface>]> {
  let summary = "rotary position embedding";
  let description = [{
    Rotates the halves of every head by an angle that grows with the position
    (Su et al. 2021, in the layout of LLaMA): with f = theta^(-2i/D), i < D/2,
    `result[i] = x[i] cos(p f) - x[i + D/2] sin(p f)` and
    `result[i + D/2] = x[i + D/2] cos(p f) + x[i] sin(p f)`.
    x [B, H, T, D], positions [B, T]; or, for packed tokens, x [N, H*D] with the
    `heads` side by side, positions [N].

    ```mlir
    %y = transformer.rotary %x, %p theta 10000.0
        : tensor<?x8x?x64xf32>, tensor<?x?xi32> -> tensor<?x8x?x64xf32>
    %z = transformer.rotary %r, %i heads 8 theta 10000.0
        : tensor<?x512xf32>, tensor<?xi32> -> tensor<?x512xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, Transformer_IntegerTensor:$positions,
                       F32Attr:$theta, OptionalAttr<I64Attr>:$heads);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $positions (`heads` $heads^)? `theta` $theta attr-dict `:` type($input) `,`
    type($positions) `->` type($result)
  }];
  let builders = [
    // Of [B, H, T, D].
    OpBuilder<(ins "::mlir::Value":$input, "::mlir::Value":$positions,
                   "::llvm::APFloat":$theta)>
  ];
  let hasVerifier = 1;
}

def SelectTokenOp : Transformer_ValueOp<"select_token", [
    DeclareOpInterfaceMethods<Transformer_DecomposableOpInterface>,
    DeclareOpInterfaceMethods<Transformer_PackableOpInterface>]> {
  let summary = "one token of every sequence";
  let description = [{
    `result[b, c] = x[b, index, c]`; x [B, T, C], result [B, C]. BERT's pooler
    reads token 0.

    ```mlir
    %y = transformer.select_token %x at 0 : tensor<?x?x768xf32> -> tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, I64Attr:$index);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$input `at` $index attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def GatherTokenOp : Transformer_ValueOp<"gather_token", [
    DeclareOpInterfaceMethods<Transformer_PackableOpInterface>]> {
  let summary = "a token of every sequence, each at an index of its own";
  let description = [{
    `result[b, c] = x[b, index[b], c]`; x [B, T, C], index [B] in [0, T), result
    [B, C]. Classifiers of decoders read the last token.

    ```mlir
    %y = transformer.gather_token %x, %i : tensor<?x?x768xf32>, tensor<?xi32> -> tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatTensor:$input, Transformer_IntegerTensor:$index);
  let results = (outs Transformer_FloatTensor:$result);
  let assemblyFormat = "$input `,` $index attr-dict `:` type($input) `,` type($index) `->` type($result)";
  let hasVerifier = 1;
}

#endif // TRANSOM_IR_TRANSFORMER_DEFINITION_OPS_TD
