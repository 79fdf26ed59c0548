//===- KernelSelection.cpp - kernel.define -> KernelSpec ------------------===//
//
// One function a kernel family, each of which returns nullopt if the define is
// not of its form; the row program, which takes any chain of row-wise ops, is
// tried last, and it alone reports errors.
//
//===----------------------------------------------------------------------===//

#include "codegen/KernelSelection.h"
#include "codegen/RowPrograms.h"
#include "codegen/kernels/KernelCompiler.h"
#include "ir/Transformer/Transformer.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/xxhash.h"

#include <cmath>

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

using Operand = SelectedKernel::Operand;

std::optional<ColumnView> transom::codegen::columnViewOf(Value value) {
  ColumnView view;
  while (auto slice = value.getDefiningOp<transformer::SliceOp>()) {
    auto type = cast<RankedTensorType>(slice.getInput().getType());
    int64_t axis = slice.getAxis();
    if (axis < 0)
      axis += type.getRank();
    if (axis != type.getRank() - 1 || slice.getStep() != 1)
      return std::nullopt;
    int64_t begin = slice.getBegin();
    if (begin < 0)
      begin += type.getShape().back();
    view.offset += std::max<int64_t>(begin, 0);
    value = slice.getInput();
  }
  auto argument = dyn_cast<BlockArgument>(value);
  auto type = dyn_cast<RankedTensorType>(value.getType());
  if (!argument || !type)
    return std::nullopt;
  view.argument = argument.getArgNumber();
  // A vector has no rows: nothing to stride over.
  view.stride = type.getRank() == 2 ? rowStride(type.getDimSize(1)) : 0;
  return view;
}

namespace {
/// The define under selection.
struct Define {
  explicit Define(kernel::DefineOp op)
      : op(op), yield(cast<kernel::YieldOp>(op.getBody().front().back())) {
    for (Operation &each : op.getBody().front().without_terminator())
      if (!isa<transformer::SliceOp>(each) &&
          !each.hasTrait<OpTrait::ConstantLike>())
        ops.push_back(&each);
  }

  bool isWeight(const ColumnView &view) const {
    return llvm::is_contained(op.getWeights(), int64_t(view.argument));
  }
  /// The argument that is this activation [rows, width], or a slice of it.
  std::optional<ColumnView> activation(Value value) const {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    std::optional<ColumnView> view = columnViewOf(value);
    if (!view || !type || type.getRank() != 2 ||
        !type.getElementType().isF32() || isWeight(*view))
      return std::nullopt;
    return view;
  }
  /// The argument that is this whole weight.
  std::optional<ColumnView> weight(Value value) const {
    std::optional<ColumnView> view = columnViewOf(value);
    if (!view || isa_and_present<transformer::SliceOp>(value.getDefiningOp()) ||
        !isWeight(*view) ||
        !cast<RankedTensorType>(value.getType()).getElementType().isF32())
      return std::nullopt;
    return view;
  }
  /// The argument that is this vector of i32: ids, offsets.
  std::optional<ColumnView> integers(Value value) const {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    std::optional<ColumnView> view = columnViewOf(value);
    if (!view || !type || type.getRank() != 1 ||
        !type.getElementType().isInteger(32))
      return std::nullopt;
    return view;
  }

  // Ops are handles, whose methods are not const.
  mutable kernel::DefineOp op;
  mutable kernel::YieldOp yield;
  SmallVector<Operation *> ops; ///< but for slices and constants
};
} // namespace

/// Columns of [rows, columns]; [rows] is stored as [rows, 1].
static int64_t widthOf(Value value) {
  int64_t last = cast<RankedTensorType>(value.getType()).getShape().back();
  return ShapedType::isDynamic(last) ? 1 : last;
}

static std::optional<SelectedKernel> selectLinear(const Define &define) {
  if (define.ops.size() != 1 || define.yield.getNumOperands() != 1)
    return std::nullopt;
  auto linear = dyn_cast<transformer::LinearOp>(define.ops[0]);
  if (!linear)
    return std::nullopt;
  std::optional<ColumnView> input = define.activation(linear.getInput());
  std::optional<ColumnView> weight = define.weight(linear.getWeight());
  if (!input || !weight ||
      cast<RankedTensorType>(linear.getResult().getType()).getRank() != 2)
    return std::nullopt;

  SelectedKernel kernel;
  LinearSpec spec;
  spec.in = widthOf(linear.getInput());
  spec.out = widthOf(linear.getResult());
  spec.xStride = input->stride;
  spec.xOffset = input->offset;
  spec.outStride = rowStride(spec.out);
  spec.hasBias = static_cast<bool>(linear.getBias());
  kernel.operands = {{input->argument}, {weight->argument}};
  if (spec.hasBias) {
    std::optional<ColumnView> bias = define.weight(linear.getBias());
    if (!bias)
      return std::nullopt;
    kernel.operands.push_back({bias->argument});
  }
  if (!linear.getEpilogue().empty()) {
    RowProgramBuilder builder(spec.out);
    Block &block = linear.getEpilogue().front();
    builder.bindAccumulator(block.getArgument(0));
    for (auto [extra, argument] :
         llvm::zip_equal(linear.getExtras(), block.getArguments().drop_front()))
      if (failed(builder.bindOperand(argument, extra)))
        return std::nullopt;
    auto yield = cast<transformer::YieldOp>(block.getTerminator());
    if (failed(builder.addResult(yield.getValues()[0])))
      return std::nullopt;
    spec.epilogue = builder.program();
    spec.epilogueOperands = builder.operands();
    for (unsigned argument : builder.arguments())
      kernel.operands.push_back({argument});
  }
  kernel.operands.push_back({0, /*isResult=*/true});
  kernel.spec = std::move(spec);
  return kernel;
}

/// Adds the distance_bias of an attention that has one; false if it is no
/// weight.
template <typename Attention, typename Spec>
static bool addDistanceBias(Attention attention, const Define &define,
                            Spec &spec, SelectedKernel &kernel) {
  Value bias = attention.getDistanceBias();
  if (!bias)
    return true;
  std::optional<ColumnView> distances = define.weight(bias);
  if (!distances)
    return false;
  spec.distances = widthOf(bias);
  spec.firstDistance = attention.getFirstDistance();
  kernel.operands.push_back({distances->argument});
  return true;
}

static std::optional<SelectedKernel> selectAttention(const Define &define) {
  if (define.ops.size() != 1 || define.yield.getNumOperands() != 1)
    return std::nullopt;
  auto attention = dyn_cast<transformer::RaggedAttentionOp>(define.ops[0]);
  if (!attention)
    return std::nullopt;
  std::optional<ColumnView> query = define.activation(attention.getQuery());
  std::optional<ColumnView> key = define.activation(attention.getKey());
  std::optional<ColumnView> value = define.activation(attention.getValue());
  std::optional<ColumnView> queryOffsets =
      define.integers(attention.getQueryOffsets());
  std::optional<ColumnView> keyOffsets =
      define.integers(attention.getKeyOffsets());
  std::optional<ColumnView> keyLengths =
      define.integers(attention.getKeyLengths());
  if (!query || !key || !value || !queryOffsets || !keyOffsets || !keyLengths)
    return std::nullopt;

  SelectedKernel kernel;
  AttentionSpec spec;
  spec.heads = attention.getHeads();
  spec.keyHeads = attention.getKeyHeads();
  spec.headDim = widthOf(attention.getQuery()) / spec.heads;
  spec.queryStride = query->stride;
  spec.queryOffset = query->offset;
  spec.keyStride = key->stride;
  spec.keyOffset = key->offset;
  spec.valueStride = value->stride;
  spec.valueOffset = value->offset;
  spec.outStride = rowStride(widthOf(attention.getResult()));
  spec.scale = attention.getScale().convertToFloat();
  spec.causal = attention.getCausal();
  for (const ColumnView &view :
       {*query, *key, *value, *queryOffsets, *keyOffsets, *keyLengths})
    kernel.operands.push_back({view.argument});
  if (!addDistanceBias(attention, define, spec, kernel))
    return std::nullopt;
  kernel.operands.push_back({0, /*isResult=*/true});
  kernel.spec = spec;
  return kernel;
}

static std::optional<SelectedKernel> selectAppendCache(const Define &define) {
  if (define.ops.size() != 1 || define.yield.getNumOperands() != 1)
    return std::nullopt;
  auto append = dyn_cast<transformer::AppendCacheOp>(define.ops[0]);
  if (!append)
    return std::nullopt;
  std::optional<ColumnView> key = define.activation(append.getKey());
  std::optional<ColumnView> value = define.activation(append.getValue());
  std::optional<ColumnView> slots = define.integers(append.getSlots());
  // The result is the cache's own buffer.
  if (!key || !value || !slots || !isa<BlockArgument>(append.getCache()))
    return std::nullopt;

  SelectedKernel kernel;
  AppendCacheSpec spec;
  spec.keyHeads = append.getKeyHeads();
  spec.headDim = widthOf(append.getKey()) / spec.keyHeads;
  spec.keyStride = key->stride;
  spec.keyOffset = key->offset;
  spec.valueStride = value->stride;
  spec.valueOffset = value->offset;
  spec.cacheWidth = widthOf(append.getCache());
  spec.cacheOffset = append.getAt();
  kernel.operands = {{key->argument},
                     {value->argument},
                     {slots->argument},
                     {0, /*isResult=*/true}};
  kernel.spec = spec;
  return kernel;
}

static std::optional<SelectedKernel>
selectCachedAttention(const Define &define) {
  if (define.ops.size() != 1 || define.yield.getNumOperands() != 1)
    return std::nullopt;
  auto attention = dyn_cast<transformer::CachedAttentionOp>(define.ops[0]);
  if (!attention)
    return std::nullopt;
  std::optional<ColumnView> query = define.activation(attention.getQuery());
  auto cache = dyn_cast<BlockArgument>(attention.getCache());
  std::optional<ColumnView> queryOffsets =
      define.integers(attention.getQueryOffsets());
  std::optional<ColumnView> keyLengths =
      define.integers(attention.getKeyLengths());
  std::optional<ColumnView> blockTable =
      define.integers(attention.getBlockTable());
  std::optional<ColumnView> blockOffsets =
      define.integers(attention.getBlockOffsets());
  if (!query || !cache || !queryOffsets || !keyLengths || !blockTable ||
      !blockOffsets)
    return std::nullopt;

  SelectedKernel kernel;
  CachedAttentionSpec spec;
  spec.heads = attention.getHeads();
  spec.keyHeads = attention.getKeyHeads();
  spec.headDim = widthOf(attention.getQuery()) / spec.heads;
  spec.queryStride = query->stride;
  spec.queryOffset = query->offset;
  spec.cacheWidth = widthOf(cache);
  spec.cacheOffset = attention.getAt();
  spec.outStride = rowStride(widthOf(attention.getResult()));
  spec.scale = attention.getScale().convertToFloat();
  spec.causal = attention.getCausal();
  for (unsigned argument :
       {query->argument, cache.getArgNumber(), queryOffsets->argument,
        keyLengths->argument, blockTable->argument, blockOffsets->argument})
    kernel.operands.push_back({argument});
  if (!addDistanceBias(attention, define, spec, kernel))
    return std::nullopt;
  kernel.operands.push_back({0, /*isResult=*/true});
  kernel.spec = spec;
  return kernel;
}

static std::optional<SelectedKernel> selectRotary(const Define &define) {
  if (define.ops.size() != 1 || define.yield.getNumOperands() != 1)
    return std::nullopt;
  auto rotary = dyn_cast<transformer::RotaryOp>(define.ops[0]);
  if (!rotary || !rotary.getHeads())
    return std::nullopt;
  std::optional<ColumnView> input = define.activation(rotary.getInput());
  std::optional<ColumnView> positions = define.integers(rotary.getPositions());
  if (!input || !positions)
    return std::nullopt;

  SelectedKernel kernel;
  RotarySpec spec;
  spec.heads = *rotary.getHeads();
  spec.headDim = widthOf(rotary.getInput()) / spec.heads;
  spec.xStride = input->stride;
  spec.xOffset = input->offset;
  spec.outStride = rowStride(widthOf(rotary.getResult()));
  // Rounded to f32 where models that are trained in it round, for the angle of
  // a late position multiplies every difference.
  double theta = rotary.getTheta().convertToDouble();
  for (int64_t i = 0; i < spec.headDim / 2; ++i) {
    float exponent = float(2 * i) / float(spec.headDim);
    spec.frequencies.push_back(1.0f / float(std::pow(theta, exponent)));
  }
  kernel.operands = {
      {input->argument}, {positions->argument}, {0, /*isResult=*/true}};
  kernel.spec = std::move(spec);
  return kernel;
}

static std::optional<SelectedKernel> selectNorm(const Define &define) {
  if (define.ops.size() != 1)
    return std::nullopt;
  Operation *op = define.ops[0];
  Value input, residual, gamma, beta, sum;
  APFloat epsilon(0.0f);
  NormSpec spec;
  bool isNorm = TypeSwitch<Operation *, bool>(op)
                    .Case([&](transformer::LayerNormOp norm) {
                      input = norm.getInput();
                      gamma = norm.getGamma();
                      beta = norm.getBeta();
                      epsilon = norm.getEpsilon();
                      return true;
                    })
                    .Case([&](transformer::RmsNormOp norm) {
                      input = norm.getInput();
                      gamma = norm.getGamma();
                      epsilon = norm.getEpsilon();
                      spec.rms = true;
                      return true;
                    })
                    .Case([&](transformer::AddLayerNormOp norm) {
                      input = norm.getInput();
                      residual = norm.getResidual();
                      gamma = norm.getGamma();
                      beta = norm.getBeta();
                      sum = norm.getSum();
                      epsilon = norm.getEpsilon();
                      return true;
                    })
                    .Case([&](transformer::AddRmsNormOp norm) {
                      input = norm.getInput();
                      residual = norm.getResidual();
                      gamma = norm.getGamma();
                      sum = norm.getSum();
                      epsilon = norm.getEpsilon();
                      spec.rms = true;
                      return true;
                    })
                    .Default(false);
  if (!isNorm)
    return std::nullopt;

  SelectedKernel kernel;
  // Slices have a column offset, which the norm kernels do not take.
  auto addOperand = [&](std::optional<ColumnView> view) {
    if (!view || view->offset != 0)
      return false;
    kernel.operands.push_back({view->argument});
    return true;
  };
  std::optional<ColumnView> x = define.activation(input);
  if (!addOperand(x))
    return std::nullopt;
  spec.width = widthOf(input);
  spec.xStride = x->stride;
  spec.outStride = rowStride(spec.width);
  spec.epsilon = epsilon.convertToFloat();
  if (residual) {
    std::optional<ColumnView> view = define.activation(residual);
    if (!addOperand(view))
      return std::nullopt;
    spec.hasResidual = true;
    spec.residualStride = view->stride;
  }
  spec.hasBeta = static_cast<bool>(beta);
  if (!addOperand(define.weight(gamma)) ||
      (beta && !addOperand(define.weight(beta))))
    return std::nullopt;

  std::optional<unsigned> normResult, sumResult;
  for (auto [index, value] : llvm::enumerate(define.yield.getValues())) {
    std::optional<unsigned> &place =
        value == op->getResult(0) ? normResult : sumResult;
    if (place || value.getDefiningOp() != op)
      return std::nullopt;
    place = index;
  }
  if (!normResult)
    return std::nullopt;
  kernel.operands.push_back({*normResult, /*isResult=*/true});
  if (sumResult) {
    spec.storesSum = true;
    spec.sumStride = rowStride(spec.width);
    kernel.operands.push_back({*sumResult, /*isResult=*/true});
  }
  kernel.spec = spec;
  return kernel;
}

static std::optional<SelectedKernel> selectEmbedding(const Define &define) {
  if (define.ops.empty() || define.ops.size() > 2 ||
      define.yield.getNumOperands() != 1)
    return std::nullopt;
  auto embedding = dyn_cast<transformer::EmbeddingOp>(define.ops[0]);
  if (!embedding)
    return std::nullopt;
  std::optional<ColumnView> ids = define.integers(embedding.getIds());
  // Rows of an activation are gathered the same way: select_token.
  std::optional<ColumnView> table = define.weight(embedding.getTable());
  bool isWeight = table.has_value();
  if (!table)
    table = define.activation(embedding.getTable());
  auto tableType = cast<RankedTensorType>(embedding.getTable().getType());
  if (!ids || !table || table->offset != 0 || tableType.getRank() != 2)
    return std::nullopt;

  SelectedKernel kernel;
  EmbeddingSpec spec;
  spec.width = widthOf(embedding.getResult());
  spec.tableRows = tableType.isDynamicDim(0) ? 0 : tableType.getDimSize(0);
  spec.tableStride = isWeight ? rowStride(spec.width) : table->stride;
  spec.outStride = rowStride(spec.width);
  kernel.operands = {{ids->argument}, {table->argument}};
  if (define.ops.size() == 2) {
    auto add = dyn_cast<transformer::AddOp>(define.ops[1]);
    if (!add || add.getResult().getType() != embedding.getResult().getType())
      return std::nullopt;
    Value other =
        add.getLhs() == embedding.getResult() ? add.getRhs() : add.getLhs();
    std::optional<ColumnView> addend = define.activation(other);
    if (!addend || addend->offset != 0 || other.getType() != add.getType())
      return std::nullopt;
    spec.addendStride = addend->stride;
    kernel.operands.push_back({addend->argument});
  }
  if (define.yield.getValues()[0] != define.ops.back()->getResult(0))
    return std::nullopt;
  kernel.operands.push_back({0, /*isResult=*/true});
  kernel.spec = spec;
  return kernel;
}

/// Anything else that works on rows. Reports why not.
static FailureOr<SelectedKernel> selectRowProgram(const Define &define) {
  int64_t width = 1;
  auto widen = [&](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    if (tensor && tensor.getRank() == 2)
      width = std::max(width, tensor.getDimSize(1));
  };
  for (Operation *op : define.ops) {
    llvm::for_each(op->getOperandTypes(), widen);
    llvm::for_each(op->getResultTypes(), widen);
  }
  llvm::for_each(define.yield.getOperandTypes(), widen);

  RowProgramBuilder builder(width);
  SelectedKernel kernel;
  RowProgramSpec spec;
  spec.width = width;
  for (Value value : define.yield.getValues()) {
    if (failed(builder.addResult(value)))
      return failure();
    spec.resultStrides.push_back(rowStride(widthOf(value)));
  }
  spec.program = builder.program();
  spec.operands = builder.operands();
  for (unsigned argument : builder.arguments())
    kernel.operands.push_back({argument});
  for (unsigned i = 0; i < define.yield.getNumOperands(); ++i)
    kernel.operands.push_back({i, /*isResult=*/true});
  kernel.spec = std::move(spec);
  return kernel;
}

/// Symbols in IR may be any text; Halide and C want identifiers.
static std::string linkerSymbol(StringRef name) {
  bool isIdentifier =
      !name.empty() && !llvm::isDigit(name[0]) &&
      llvm::all_of(name, [](char c) { return llvm::isAlnum(c) || c == '_'; });
  if (isIdentifier)
    return name.str();
  return "kernel_" + llvm::utohexstr(llvm::xxh3_64bits(name),
                                     /*LowerCase=*/true, /*Width=*/16);
}

FailureOr<SelectedKernel> transom::codegen::selectKernel(kernel::DefineOp op) {
  Define define(op);
  std::optional<SelectedKernel> kernel;
  for (auto *select :
       {selectLinear, selectAttention, selectAppendCache, selectCachedAttention,
        selectRotary, selectNorm, selectEmbedding})
    if ((kernel = select(define)))
      break;
  if (!kernel) {
    FailureOr<SelectedKernel> program = selectRowProgram(define);
    if (failed(program))
      return failure();
    kernel = std::move(*program);
  }
  kernel->symbol = linkerSymbol(op.getSymName());
  return std::move(*kernel);
}

FailureOr<KernelTable> transom::codegen::selectKernels(ModuleOp module,
                                                       const Machine &machine) {
  KernelTable table;
  // A define that nothing launches costs no compilation.
  llvm::SmallPtrSet<Attribute, 16> used;
  module.walk([&](kernel::LaunchOp launch) {
    used.insert(launch.getCalleeAttr().getAttr());
  });
  bool good = true;
  for (auto define : module.getOps<kernel::DefineOp>()) {
    if (!used.contains(define.getSymNameAttr()))
      continue;
    FailureOr<SelectedKernel> kernel = selectKernel(define);
    if (failed(kernel)) {
      good = false;
      continue;
    }
    kernel->packing = packingOf(kernel->spec, machine);
    table.insert(define.getSymNameAttr(), std::move(*kernel));
  }
  if (!good)
    return failure();
  return table;
}
