//===- Passes.td - every pass of the pipeline -------------------*- tablegen -*-//
//
// In the order in which Pipelines.cpp runs them. One entry, one .cpp, one lit
// test (test/passes/<name>.mlir) a pass. A description names an example of that
// test, which docs/expand_examples.py puts into docs/reference/passes.md.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_TD
#define TRANSOM_PASSES_TD

include "mlir/Pass/PassBase.td"

def Raise : Pass<"transom-raise", "::mlir::ModuleOp"> {
  let summary = "primitives -> definition ops";
  let description = [{
    Recognises what exporters write in chains of primitives and says it in one
    definition op: layer norm as mean and variance, GELU by erf and by tanh,
    softmax by exp, masks by where and by (1 - mask) * lowest, heads by reshape
    and transpose, linear by matmul and add, embedding by gather. Operands may
    stand in any order, products may associate in any way; constants may differ
    by rounding only.

    (* example test/passes/raise/norms.mlir @raises_rms_norm_of_a_product *)

    A weight stored [K, N] gets a second symbol that reads it transposed. Ids of
    an embedding get the table's height as their `transformer.bound`. Numbers up
    to -10000 hide a key as -inf does; only for a query that sees no key does it
    matter which. A mask used as a number is raised if it is known to be 0 or 1:
    an argument of role `attention_mask`, or of bound 2. That refusal is a missed
    remark in category `fusion`.
  }];
  let statistics = [Statistic<"numRaised", "num-raised", "definition ops formed">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def VerifyDefinition : Pass<"transom-verify-definition", "::mlir::ModuleOp"> {
  let summary = "no exporter's shapes are left";
  let description = [{
    The contract between primitives and definition ops: fusion passes match one
    spelling a meaning, so what exporters write around it (reshape, transpose,
    gather, expand, concat, shape arithmetic) must be gone. Names the first such
    op that is left. Elementwise arithmetic, reductions and slices are definition
    ops too. It changes nothing, and so counts nothing.

    (* example test/passes/verify-definition.mlir @heads_by_hand *)
  }];
}

def FuseAttention : Pass<"transom-fuse-attention", "::mlir::ModuleOp"> {
  let summary = "fuse softmax(scale(q k^T) + bias) v into attention";
  let description = [{
    Turns the chain that every frontend emits into one `transformer.attention`.
    Scales of the query, of the key and of the scores become one; biases add up;
    heads that `repeat_heads` repeats for key and value alike are shared.

    (* example test/passes/fuse-attention.mlir @fuses_scale_and_padding *)

    Leaves alone probabilities and scores with a second user: a caller wants the
    attention map. That refusal, and shapes that are not attention's, are missed
    remarks in category `fusion`.
  }];
  let statistics = [Statistic<"numFused", "num-fused", "attentions formed">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def FuseNorm : Pass<"transom-fuse-norm", "::mlir::ModuleOp"> {
  let summary = "fuse a residual add and its norm";
  let description = [{
    `layer_norm(add(x, r))` -> `add_layer_norm`, `rms_norm(add(x, r))` ->
    `add_rms_norm`; the sum stays a result, for pre-norm models.

    (* example test/passes/fuse-norm.mlir @fuses_post_norm *)

    Leaves alone an add that broadcasts. That refusal is a missed remark in
    category `fusion`.
  }];
  let statistics = [Statistic<"numFused", "num-fused", "norms fused">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def MergeProjections : Pass<"transom-merge-projections", "::mlir::ModuleOp"> {
  let summary = "linears of one input -> one linear and slices";
  let description = [{
    Q, K and V (gate and up) read the same activation: one linear with their
    weights concatenated reads it once.

    (* example test/passes/merge-projections.mlir @merges_two_of_unequal_width *)

    Only weights named by `weight` symbols with sources merge, all or none have a
    bias, and no `attention` stands between them: results that are used much
    later would only occupy memory.
  }];
  let statistics = [Statistic<"numMerged", "num-merged", "linears merged away">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def FoldRelativeBias : Pass<"transom-fold-relative-bias", "::mlir::ModuleOp"> {
  let summary = "relative bias -> a table over distances";
  let description = [{
    Takes `relative_bias` out of the bias of each `attention`, wherever it stands
    in the sum, and makes it the `distance_bias` [heads, distances]: a weight
    that is known at compile time, one for all layers that share a table, instead
    of a tensor [heads, length, length]. Distances end where the buckets do.

    (* example test/passes/fold-relative-bias.mlir @causal *)

    Leaves alone a table that is not a weight, a sum with several relative biases
    and a bias of other lengths than the scores. That refusal is a missed remark
    in category `fusion`.
  }];
  let statistics = [Statistic<"numFolded", "num-folded", "biases taken over distances">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def RemovePadding : Pass<"transom-remove-padding", "::mlir::ModuleOp"> {
  let summary = "[batch, length] -> packed [tokens]";
  let description = [{
    Every activation [batch, length, ..] becomes [tokens, ..], attention becomes
    `ragged_attention` over sequence offsets, the attention mask disappears from
    the function, `select_token` becomes a row gather. A padded slot costs
    nothing afterwards.

    (* example test/passes/remove-padding.mlir @selects_tokens *)

    Rowwise ops stay as they are. An op that mixes tokens and has no packed form
    (PackableOpInterface) is an error that names it.
  }];
  let statistics = [Statistic<"numPacked", "num-packed", "ops packed">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def IntroduceCache : Pass<"transom-introduce-cache", "::mlir::ModuleOp"> {
  let summary = "a function beside the model's that continues sequences";
  let description = [{
    A decoder that has seen a sequence needs only its keys and values to go on.
    For a packed function with the attribute `transformer.generates`, adds
    `@step`, which computes the same for tokens that follow others: each
    `ragged_attention` becomes an `append_cache` and a `cached_attention` on a
    layer of one cache. The function itself stays as it is.

    (* example test/passes/introduce-cache.mlir @forward *)

    New arguments have the roles `cache_slots`, `block_table`, `block_offsets` and
    `cache`; the last result is the cache as it is then. `key_lengths` counts past
    and new tokens. Of the results those per token remain.

    Attention to the tokens of an encoder takes keys and values that are the same
    in every step. `@encode` computes them, with all else that only the encoder's
    tokens decide; they go to blocks of the same cache, where the columns of the
    layers begin at 0 again. A step finds them by `encoder_key_lengths`,
    `encoder_block_table` and `encoder_block_offsets`.

    What a step can't compute is an error that names it: attention that isn't
    causal, an op that mixes tokens in another way, position ids that count the
    whole sequence.
  }];
  let statistics = [Statistic<"numLayers", "num-layers", "attentions with a cache">,
                    Statistic<"numCrossAttentions", "num-cross-attentions",
                              "attentions to encoder tokens">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def SelectOutputPositions : Pass<"transom-select-output-positions", "::mlir::ModuleOp"> {
  let summary = "results only at output positions";
  let description = [{
    For the results that a frontend marks with `transformer.select_output_positions`
    (logits over a vocabulary): adds an argument of role `output_positions`, the
    packed rows that a caller wants, and moves the largest tail of rowwise ops
    that nothing else needs behind a gather of these rows. Its results have the
    extent `output_positions` instead of `tokens`. Without output positions, the
    runtime requests every token.

    (* example test/passes/select-output-positions.mlir @head *)

    A result whose last op is not such an op is computed for all tokens and gathered
    then. That is a missed remark in category `fusion`.
  }];
  let statistics = [Statistic<"numSelected", "num-selected", "ops on output positions only">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def FuseEpilogues : Pass<"transom-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "elementwise consumers -> regions";
  let description = [{
    Moves elementwise ops into the epilogue of the `linear` that feeds them, as
    long as the linear has no other user, and gathers the chains that are left
    into `elementwise` ops.

    (* example test/passes/fuse-epilogues.mlir @two_extras *)

    A linear with another user is a missed remark in category `fusion`.
  }];
  let statistics = [Statistic<"numFused", "num-fused", "ops moved into a region">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def VerifyLowerable : Pass<"transom-verify-lowerable", "::mlir::ModuleOp"> {
  let summary = "every op left has a kernel";
  let description = [{
    The contract between fused ops and kernels: names the first op that no kernel
    family accepts and the pass that should have consumed it. It changes nothing,
    and so counts nothing.

    (* example test/passes/verify-lowerable.mlir @batched_matmul *)
  }];
}

def OutlineKernels : Pass<"transom-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "each distinct op -> one kernel symbol";
  let description = [{
    Moves each op, with the slices that feed it, into the body of a
    `kernel.define`, one for all places with the same static shapes, types,
    attributes and epilogue, and leaves a `kernel.call`.

    (* example test/passes/outline-kernels.mlir @takes_slices_along *)
  }];
  let statistics = [Statistic<"numKernels", "num-kernels", "distinct kernels">,
                    Statistic<"numCalls", "num-calls", "calls">];
  let dependentDialects = ["::transom::kernel::KernelDialect"];
}

def PlanMemory : Pass<"transom-plan-memory", "::mlir::ModuleOp"> {
  let summary = "calls on tensors -> launches on slots of one arena";
  let description = [{
    Every activation is bytes-per-row times an extent, so offsets in one arena are
    linear in the extents. Slots whose live ranges don't meet share memory.
    A launch that only some outputs need says which.

    (* example test/passes/plan-memory.mlir @reuses_memory *)
  }];
  let statistics = [Statistic<"arenaBytesPerToken", "arena-bytes-per-token", "bytes">];
  let dependentDialects = ["::transom::kernel::KernelDialect"];
}

#endif // TRANSOM_PASSES_TD
