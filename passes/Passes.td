//===- Passes.td - every pass of the pipeline -------------------*- tablegen -*-//
//
// In the order in which Pipelines.cpp runs them. Each pass has one entry, one
// .cpp and one lit test (test/passes/<name>.mlir). Its description names an
// example of that test, which docs/expand_examples.py puts into
// docs/reference/passes.md.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_PASSES_TD
#define TRANSOM_PASSES_TD

include "mlir/Pass/PassBase.td"

def Raise : Pass<"transom-raise", "::mlir::ModuleOp"> {
  let summary = "primitives -> definition ops";
  let description = [{
    Replaces each chain of primitives that exporters write for a definition op by
    that op: layer norm as mean and variance, GELU by erf and by tanh, softmax by
    exp, masks by where and by (1 - mask) * lowest, heads by reshape and
    transpose, linear by matmul and add, embedding by gather. Operands may have
    any order, products any association; constants may differ only by rounding.

    (* example test/passes/raise/norms.mlir @raises_rms_norm_of_a_product *)

    A weight stored as [K, N] gets a second symbol that reads it transposed. The
    ids of an embedding get the table's height as their `transformer.bound`. A
    bias of -10000 or less hides a key as -inf does; which number it is matters
    only for a query that attends to no key. The pass raises a mask used as a
    number if its values are known to be 0 or 1: an argument of role
    `attention_mask` or of bound 2. Other such masks are a missed remark in
    category `fusion`.
  }];
  let statistics = [Statistic<"numRaised", "num-raised", "definition ops formed">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def VerifyDefinition : Pass<"transom-verify-definition", "::mlir::ModuleOp"> {
  let summary = "check that only definition ops are left";
  let description = [{
    Checks the contract between primitives and definition ops: fusion passes
    match one spelling a meaning, so no reshape, transpose, gather, expand,
    concat or shape arithmetic of an exporter may be left. The error names the
    first such op. Elementwise arithmetic, reductions and slices are definition
    ops, too. The pass changes nothing, and so counts nothing.

    (* example test/passes/verify-definition.mlir @heads_by_hand *)
  }];
}

def FuseAttention : Pass<"transom-fuse-attention", "::mlir::ModuleOp"> {
  let summary = "fuse softmax(scale(q k^T) + bias) v into attention";
  let description = [{
    Turns the chain that every frontend emits into one `transformer.attention`.
    Multiplies the scales of the query, of the key and of the scores, and adds
    the biases. Query heads share the key and value heads that `repeat_heads`
    repeats for both.

    (* example test/passes/fuse-attention.mlir @fuses_scale_and_padding *)

    Does not fuse probabilities or scores with a second user, such as an output
    with the attention map. This, and shapes that are not those of an attention,
    are missed remarks in category `fusion`.
  }];
  let statistics = [Statistic<"numFused", "num-fused", "attentions formed">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def FuseNorm : Pass<"transom-fuse-norm", "::mlir::ModuleOp"> {
  let summary = "fuse a residual add and its norm";
  let description = [{
    Turns `layer_norm(add(x, r))` into `add_layer_norm`, and `rms_norm(add(x, r))`
    into `add_rms_norm`. The sum stays a result, for pre-norm models.

    (* example test/passes/fuse-norm.mlir @fuses_post_norm *)

    Does not fuse an add that broadcasts; this is a missed remark in category
    `fusion`.
  }];
  let statistics = [Statistic<"numFused", "num-fused", "norms fused">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def MergeProjections : Pass<"transom-merge-projections", "::mlir::ModuleOp"> {
  let summary = "linears of one input -> one linear and slices";
  let description = [{
    Q, K and V, or gate and up, read the same activation. One linear with their
    weights concatenated reads it once.

    (* example test/passes/merge-projections.mlir @merges_two_of_unequal_width *)

    Linears merge if their weights are `weight` symbols with sources, if all or
    none have a bias, and if no `attention` stands between them: results that are
    used much later would only occupy memory.
  }];
  let statistics = [Statistic<"numMerged", "num-merged", "linears merged away">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def FoldRelativeBias : Pass<"transom-fold-relative-bias", "::mlir::ModuleOp"> {
  let summary = "relative bias -> a table over distances";
  let description = [{
    Takes `relative_bias` out of the bias of each `attention`, anywhere in the
    sum, and makes it the `distance_bias` [heads, distances]. This is a weight,
    known at compile time, which all layers with the same table share; it replaces
    a tensor [heads, length, length]. Distances end where the buckets end.

    (* example test/passes/fold-relative-bias.mlir @causal *)

    Does not fold a table that is not a weight, a sum with several relative
    biases, or a bias of other lengths than the scores. These are missed remarks
    in category `fusion`.
  }];
  let statistics = [Statistic<"numFolded", "num-folded", "biases folded">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def RemovePadding : Pass<"transom-remove-padding", "::mlir::ModuleOp"> {
  let summary = "[batch, length] -> packed [tokens]";
  let description = [{
    Every activation [batch, length, ..] becomes [tokens, ..], and `attention`
    becomes `ragged_attention` over sequence offsets. The attention mask
    disappears from the function, and `select_token` becomes a gather of rows.
    Padding costs nothing afterwards.

    (* example test/passes/remove-padding.mlir @selects_tokens *)

    Rowwise ops stay unchanged. An op that mixes tokens and has no packed form
    (PackableOpInterface) is an error that names the op.
  }];
  let statistics = [Statistic<"numPacked", "num-packed", "ops packed">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def IntroduceCache : Pass<"transom-introduce-cache", "::mlir::ModuleOp"> {
  let summary = "add a function that continues sequences";
  let description = [{
    A decoder that has read a sequence needs only its keys and values to continue.
    For a packed function with the attribute `transformer.generates`, the pass
    adds `@step`, which computes the same for tokens that follow others: each
    `ragged_attention` becomes an `append_cache` and a `cached_attention` on a
    layer of one cache. The function itself does not change.

    (* example test/passes/introduce-cache.mlir @forward *)

    New arguments have the roles `cache_slots`, `block_table`, `block_offsets` and
    `cache`; the last result is the new state of the cache. `key_lengths` counts
    past and new tokens. The step keeps the results per token only.

    Keys and values of encoder tokens are the same in every step. `@encode`
    computes them, and all else that depends on encoder tokens only. It stores
    them in blocks of the same cache, where the columns of the layers begin at 0
    again. A step finds them by `encoder_key_lengths`, `encoder_block_table` and
    `encoder_block_offsets`.

    An op that a step can't compute is an error that names it: attention that
    isn't causal, another op that mixes tokens, position ids that count the whole
    sequence.
  }];
  let statistics = [Statistic<"numLayers", "num-layers", "attentions with a cache">,
                    Statistic<"numCrossAttentions", "num-cross-attentions",
                              "attentions to encoder tokens">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def SelectOutputPositions : Pass<"transom-select-output-positions", "::mlir::ModuleOp"> {
  let summary = "compute results at output positions only";
  let description = [{
    For results that a frontend marks with `transformer.select_output_positions`
    (logits over a vocabulary), adds an argument of role `output_positions`, the
    packed rows that a caller requests. Moves the largest tail of rowwise ops
    that no other result needs behind a gather of these rows. The marked results
    get the extent `output_positions` instead of `tokens`. If a caller gives no
    output positions, the runtime requests every token.

    (* example test/passes/select-output-positions.mlir @head *)

    A result whose last op is not rowwise is computed for all tokens and then
    gathered. This is a missed remark in category `fusion`.
  }];
  let statistics = [Statistic<"numSelected", "num-selected", "ops on output positions only">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def FuseEpilogues : Pass<"transom-fuse-epilogues", "::mlir::ModuleOp"> {
  let summary = "elementwise ops -> epilogues and loops";
  let description = [{
    Moves elementwise ops into the epilogue of the `linear` that feeds them, if
    the linear has no other user, and collects the remaining chains in
    `elementwise` ops.

    (* example test/passes/fuse-epilogues.mlir @two_extras *)

    A linear with another user is a missed remark in category `fusion`.
  }];
  let statistics = [Statistic<"numFused", "num-fused", "ops moved into a region">];
  let dependentDialects = ["::transom::transformer::TransformerDialect"];
}

def VerifyLowerable : Pass<"transom-verify-lowerable", "::mlir::ModuleOp"> {
  let summary = "check that every op has a kernel";
  let description = [{
    Checks the contract between fused ops and kernels: the error names the first
    op that no kernel family accepts, and the pass that should have consumed it.
    The pass changes nothing, and so counts nothing.

    (* example test/passes/verify-lowerable.mlir @batched_matmul *)
  }];
}

def OutlineKernels : Pass<"transom-outline-kernels", "::mlir::ModuleOp"> {
  let summary = "each distinct op -> one kernel symbol";
  let description = [{
    Moves each op, with the slices that feed it, into the body of a
    `kernel.define`, and leaves a `kernel.call`. Ops with the same static shapes,
    types, attributes and epilogue share one `kernel.define`.

    (* example test/passes/outline-kernels.mlir @takes_slices_along *)
  }];
  let statistics = [Statistic<"numKernels", "num-kernels", "distinct kernels">,
                    Statistic<"numCalls", "num-calls", "calls">];
  let dependentDialects = ["::transom::kernel::KernelDialect"];
}

def PlanMemory : Pass<"transom-plan-memory", "::mlir::ModuleOp"> {
  let summary = "calls on tensors -> launches on slots of one arena";
  let description = [{
    Gives each activation a slot in one arena. Its size is bytes per row times an
    extent, so offsets are linear in the extents. Slots whose live ranges do not
    overlap share memory. A launch that only some outputs need lists them.

    (* example test/passes/plan-memory.mlir @reuses_memory *)
  }];
  let statistics = [Statistic<"arenaBytesPerToken", "arena-bytes-per-token", "bytes">];
  let dependentDialects = ["::transom::kernel::KernelDialect"];
}

#endif // TRANSOM_PASSES_TD
