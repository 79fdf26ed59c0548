//===- ModelBuilder.cpp - definition ops from modules and tensors ---------===//

#include "frontends/huggingface/ModelBuilder.h"

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Verifier.h"
#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace mlir;
using namespace transom::transformer;

namespace transom::huggingface {

template <GeluApproximation approximation>
static Value buildGelu(OpBuilder &builder, Location location, Value input) {
  return GeluOp::create(builder, location, approximation, input);
}

template <typename Op>
static Value buildUnary(OpBuilder &builder, Location location, Value input) {
  return Op::create(builder, location, input);
}

ArrayRef<Activation> activations() {
  // The names that follow `gelu_new` are the same function of real numbers,
  // rounded differently.
  static constexpr Activation table[] = {
      {"gelu", buildGelu<GeluApproximation::None>},
      {"gelu_python", buildGelu<GeluApproximation::None>},
      {"gelu_new", buildGelu<GeluApproximation::Tanh>},
      {"gelu_pytorch_tanh", buildGelu<GeluApproximation::Tanh>},
      {"gelu_python_tanh", buildGelu<GeluApproximation::Tanh>},
      {"gelu_fast", buildGelu<GeluApproximation::Tanh>},
      {"gelu_accurate", buildGelu<GeluApproximation::Tanh>},
      {"relu", buildUnary<ReluOp>},
      {"silu", buildUnary<SiluOp>},
      {"swish", buildUnary<SiluOp>},
      {"tanh", buildUnary<TanhOp>},
  };
  return table;
}

const Activation &findActivation(StringRef name) {
  return *llvm::find_if(activations(), [&](const Activation &activation) {
    return activation.name == name;
  });
}

ModelBuilder::ModelBuilder(MLIRContext &context, Checkpoint &checkpoint,
                           StringRef prefix, Problems &problems)
    : checkpoint(checkpoint), prefix(prefix.str()), problems(problems),
      builder(&context) {
  context.loadDialect<func::FuncDialect, TransformerDialect>();
  module = ModuleOp::create(builder.getUnknownLoc());
  builder.setInsertionPointToEnd(module->getBody());
  function = func::FuncOp::create(builder, builder.getUnknownLoc(), "forward",
                                  builder.getFunctionType({}, {}));
  builder.setInsertionPointToEnd(function.addEntryBlock());
}

Location ModelBuilder::at(StringRef name) {
  return NameLoc::get(builder.getStringAttr(name));
}

Value ModelBuilder::addInput(const Input &input) {
  SmallVector<StringRef> dims{stringifyDimension(Dimension::Batch)};
  if (input.length)
    dims.push_back(stringifyDimension(*input.length));
  MLIRContext *context = builder.getContext();
  SmallVector<NamedAttribute> attributes = {
      builder.getNamedAttr(nameAttr, builder.getStringAttr(input.name)),
      builder.getNamedAttr(dimsAttr, builder.getStrArrayAttr(dims))};
  if (input.defaultKind)
    attributes.push_back(builder.getNamedAttr(
        defaultAttr,
        DefaultAttr::get(context, *input.defaultKind, input.operand)));
  if (input.bound != 0)
    attributes.push_back(builder.getNamedAttr(
        boundAttr, builder.getI64IntegerAttr(input.bound)));
  if (input.role != InputRole::Values)
    attributes.push_back(builder.getNamedAttr(
        roleAttr, InputRoleAttr::get(context, input.role)));
  if (input.contiguous)
    attributes.push_back(
        builder.getNamedAttr(contiguousAttr, builder.getUnitAttr()));
  argumentAttributes.push_back(builder.getDictionaryAttr(attributes));
  auto type = RankedTensorType::get(
      SmallVector<int64_t>(dims.size(), ShapedType::kDynamic),
      builder.getI32Type());
  return function.getBody().front().addArgument(type, at(input.name));
}

void ModelBuilder::addOutput(StringRef name, Value value,
                             ArrayRef<StringRef> dims,
                             bool selectOutputPositions) {
  NamedAttrList attributes;
  attributes.set(nameAttr, builder.getStringAttr(name));
  attributes.set(dimsAttr, builder.getStrArrayAttr(dims));
  if (selectOutputPositions)
    attributes.set(selectOutputPositionsAttr, builder.getUnitAttr());
  resultAttributes.push_back(attributes.getDictionary(builder.getContext()));
  results.push_back(value);
}

void ModelBuilder::setGenerates() {
  function->setAttr(generatesAttr, builder.getUnitAttr());
}

bool ModelBuilder::generates() const {
  return function->hasAttr(generatesAttr);
}

OwningOpRef<ModuleOp> ModelBuilder::finish(StringRef metadata) {
  func::ReturnOp::create(builder, builder.getUnknownLoc(), results);
  function.setType(builder.getFunctionType(
      function.getBody().front().getArgumentTypes(), TypeRange(results)));
  function.setArgAttrsAttr(builder.getArrayAttr(argumentAttributes));
  function.setResAttrsAttr(builder.getArrayAttr(resultAttributes));
  (*module)->setAttr(metadataAttr, builder.getStringAttr(metadata));
  if (failed(verify(*module)))
    problems.error("forward", "the imported function does not verify");
  return std::move(module);
}

std::string ModelBuilder::spell(StringRef name) const {
  std::string full = prefix + name.str();
  if (checkpoint.contains(full))
    return full;
  if (checkpoint.contains(
          name.str())) // A head's, before the base model is left.
    return name.str();
  // TensorFlow's names, which conversions of the first BERT models kept.
  StringRef older = full;
  for (auto [now, then] : {std::pair<StringRef, StringRef>(".weight", ".gamma"),
                           {".bias", ".beta"}}) {
    StringRef stem = older;
    if (stem.consume_back(now) && checkpoint.contains((stem + then).str()))
      return (stem + then).str();
  }
  return full;
}

bool ModelBuilder::hasTensor(const Twine &name) const {
  return checkpoint.contains(spell(name.str()));
}

StringRef ModelBuilder::findModule(ArrayRef<StringRef> modules) const {
  const auto *it = llvm::find_if(
      modules, [&](StringRef module) { return hasModule(module); });
  return it == modules.end() ? StringRef() : *it;
}

Value ModelBuilder::getWeight(StringRef name, ArrayRef<int64_t> shape,
                              bool transposed) {
  auto type = RankedTensorType::get(shape, builder.getF32Type());
  if (!module->lookupSymbol(name)) {
    std::string tensor = spell(name);
    SmallVector<int64_t> stored(shape);
    if (transposed)
      std::reverse(stored.begin(), stored.end());
    checkpoint.require(tensor, stored, problems);
    numParameters += type.getNumElements();
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(function);
    Attribute source =
        SourceAttr::get(builder.getContext(), tensor, transposed);
    WeightOp::create(builder, at(name), name, /*sym_visibility=*/StringAttr(),
                     builder.getArrayAttr(source), /*value=*/ElementsAttr(),
                     type);
  }
  return GetWeightOp::create(builder, at(name), type, name);
}

static int64_t widthOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

Value ModelBuilder::embedding(StringRef name, Value ids, int64_t entries,
                              int64_t width, StringRef weight) {
  std::string tensor = weight.empty() ? (name + ".weight").str() : weight.str();
  Value table = getWeight(tensor, {entries, width});
  return EmbeddingOp::create(builder, at(name), ids, table);
}

Value ModelBuilder::linear(StringRef name, Value input, int64_t width,
                           StringRef weight, StringRef bias) {
  auto tensor = [&](StringRef given, StringRef own) {
    return given.empty() ? (name + own).str() : given.str();
  };
  Value matrix = getWeight(tensor(weight, ".weight"), {width, widthOf(input)});
  Value offset = getWeight(tensor(bias, ".bias"), {width});
  return LinearOp::create(builder, at(name), input, matrix, offset);
}

Value ModelBuilder::projection(StringRef name, Value input, int64_t width,
                               StringRef weight) {
  std::string tensor = weight.empty() ? (name + ".weight").str() : weight.str();
  Value matrix = getWeight(tensor, {width, widthOf(input)});
  return LinearOp::create(builder, at(name), input, matrix);
}

Value ModelBuilder::conv1d(StringRef name, Value input, int64_t width) {
  Value matrix = getWeight((name + ".weight").str(), {width, widthOf(input)},
                           /*transposed=*/true);
  Value offset = getWeight((name + ".bias").str(), {width});
  return LinearOp::create(builder, at(name), input, matrix, offset);
}

Value ModelBuilder::layerNorm(StringRef name, Value input, double epsilon) {
  Value gamma = getWeight((name + ".weight").str(), {widthOf(input)});
  Value beta = getWeight((name + ".bias").str(), {widthOf(input)});
  return LayerNormOp::create(builder, at(name), input, gamma, beta,
                             llvm::APFloat(static_cast<float>(epsilon)));
}

Value ModelBuilder::rmsNorm(StringRef name, Value input, double epsilon) {
  Value gamma = getWeight((name + ".weight").str(), {widthOf(input)});
  return RmsNormOp::create(builder, at(name), input, gamma,
                           llvm::APFloat(static_cast<float>(epsilon)));
}

Value ModelBuilder::relativeBias(StringRef name, Value queries, Value keys,
                                 int64_t buckets, int64_t heads,
                                 int64_t maxDistance, bool bidirectional) {
  Value table = getWeight((name + ".weight").str(), {buckets, heads});
  return RelativeBiasOp::create(builder, at(name), table, queries, keys,
                                bidirectional, maxDistance);
}

Value ModelBuilder::mul(StringRef name, Value lhs, Value rhs) {
  return MulOp::create(builder, at(name), lhs, rhs);
}

Value ModelBuilder::add(StringRef name, Value lhs, Value rhs) {
  return AddOp::create(builder, at(name), lhs, rhs);
}

Value ModelBuilder::activation(StringRef name, const Activation &activation,
                               Value input) {
  return activation.build(builder, at(name), input);
}

Value ModelBuilder::attention(StringRef name, Value query, Value key,
                              Value value, Value mask,
                              const AttentionOptions &options) {
  Location loc = at(name);
  int64_t headDim = widthOf(query) / options.heads;
  double scaling = options.scale.value_or(1.0 / std::sqrt(double(headDim)));
  query = SplitHeadsOp::create(builder, loc, query, options.heads);
  int64_t keyHeads = options.keyHeads ? options.keyHeads : options.heads;
  key = SplitHeadsOp::create(builder, loc, key, keyHeads);
  value = SplitHeadsOp::create(builder, loc, value, keyHeads);
  if (options.positions) {
    llvm::APFloat theta(static_cast<float>(options.theta));
    query = RotaryOp::create(builder, loc, query, options.positions, theta);
    key = RotaryOp::create(builder, loc, key, options.positions, theta);
  }
  if (keyHeads != options.heads) {
    key = RepeatHeadsOp::create(builder, loc, key, options.heads);
    value = RepeatHeadsOp::create(builder, loc, value, options.heads);
  }
  Value scores =
      MatmulOp::create(builder, loc, query, key, /*transpose_rhs=*/true);
  if (scaling != 1)
    scores = ScaleOp::create(builder, loc, scores,
                             llvm::APFloat(static_cast<float>(scaling)));
  if (options.relativeBias)
    scores = AddOp::create(builder, loc, scores, options.relativeBias);
  if (options.causal)
    scores = CausalMaskOp::create(builder, loc, scores);
  scores = AddOp::create(builder, loc, scores, mask);
  Value probabilities = SoftmaxOp::create(builder, loc, scores);
  Value mixed = MatmulOp::create(builder, loc, probabilities, value);
  return MergeHeadsOp::create(builder, loc, mixed);
}

Value ModelBuilder::paddingMask(StringRef name, Value mask) {
  return PaddingMaskOp::create(builder, at(name), mask);
}

Value ModelBuilder::selectToken(StringRef name, Value input, int64_t index) {
  return SelectTokenOp::create(builder, at(name), input, index);
}

Value ModelBuilder::scale(StringRef name, Value input, double factor) {
  return ScaleOp::create(builder, at(name), input,
                         llvm::APFloat(static_cast<float>(factor)));
}

Value ModelBuilder::gatherToken(StringRef name, Value input, Value index) {
  return GatherTokenOp::create(builder, at(name), input, index);
}

Value ModelBuilder::tanh(StringRef name, Value input) {
  return TanhOp::create(builder, at(name), input);
}

Value ModelBuilder::columns(StringRef name, Value input, int64_t begin,
                            int64_t end) {
  int64_t axis = cast<RankedTensorType>(input.getType()).getRank() - 1;
  return SliceOp::create(builder, at(name), input, axis, begin, end,
                         /*step=*/1);
}

Value ModelBuilder::column(StringRef name, Value input, int64_t index) {
  auto type = cast<RankedTensorType>(input.getType());
  int64_t rank = type.getRank();
  if (type.getShape().back() != 1)
    input = columns(name, input, index, index + 1);
  return ReshapeOp::create(builder, at(name), input,
                           SmallVector<int64_t>(rank - 1, 0));
}

} // namespace transom::huggingface
