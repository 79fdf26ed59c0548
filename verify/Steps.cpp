//===- Steps.cpp - a batch fed to a step function bit by bit --------------===//

#include "verify/Steps.h"

#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/ModelAttributes.h"

#include <numeric>
#include <random>

using namespace mlir;
using namespace transom;
using namespace transom::verify;
using interpreter::Context;
using transformer::cacheBlock;
using transformer::InputRole;

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

/// Of each sequence, the columns where a token is there.
static std::vector<SmallVector<int64_t>> findColumns(const Tensor &mask) {
  ArrayRef<int64_t> shape = mask.getShape();
  std::vector<SmallVector<int64_t>> columns(shape[0]);
  for (auto [at, isThere] : llvm::enumerate(mask.integers()))
    if (isThere)
      columns[at / shape[1]].push_back(at % shape[1]);
  return columns;
}

std::vector<SmallVector<Part>> transom::verify::cutAtRandom(const Batch &batch,
                                                            unsigned seed) {
  std::mt19937 engine(seed);
  auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  };
  auto columns = findColumns(batch.getMask());
  int64_t left = 0, sequences = columns.size();
  for (const auto &list : columns)
    left += list.size();
  SmallVector<int64_t> past(sequences, 0);

  std::vector<SmallVector<Part>> runs;
  while (left > 0) {
    SmallVector<Part> run;
    for (int64_t number = 0; number < sequences; ++number) {
      int64_t rest = columns[number].size() - past[number];
      if (rest == 0 || draw(0, 3) == 0)
        continue;
      int64_t kind = draw(0, 2);
      int64_t tokens = kind == 0 ? 1 : kind == 1 ? draw(1, rest) : rest;
      auto part = ArrayRef(columns[number]).slice(past[number], tokens);
      run.push_back({number, past[number], SmallVector<int64_t>(part)});
      past[number] += tokens;
      left -= tokens;
    }
    std::shuffle(run.begin(), run.end(), engine);
    if (!run.empty())
      runs.push_back(run);
  }
  return runs;
}

std::vector<SmallVector<Part>> transom::verify::cutSources(const Batch &batch) {
  auto columns = findColumns(*batch.getTokens()[Batch::Sources].mask);
  std::vector<SmallVector<Part>> runs(2);
  for (auto [sequence, list] : llvm::enumerate(columns))
    runs[sequence % 2].push_back({int64_t(sequence), /*past=*/0, list});
  return runs;
}

void transom::verify::placeRows(const Batch &batch, ArrayRef<Part> run,
                                const Tensor &rows, Tensor &padded,
                                Batch::Set set) {
  ArrayRef<int64_t> mask = batch.getTokens()[set].mask->getShape();
  if (!padded.getElementType()) {
    SmallVector<int64_t> shape(mask);
    llvm::append_range(shape, rows.getShape().drop_front());
    padded = Tensor(rows.getElementType(), shape);
  }
  int64_t width = llvm::product_of(rows.getShape().drop_front()), row = 0;
  for (const Part &part : run)
    for (int64_t column : part.columns) {
      int64_t place = part.sequence * mask[1] + column;
      llvm::copy(rows.floats().slice(row++ * width, width),
                 padded.floats().begin() + place * width);
    }
}

//===----------------------------------------------------------------------===//
// In the interpreter
//===----------------------------------------------------------------------===//

namespace {

class Feeder {
public:
  Feeder(FunctionOpInterface step, const Batch &batch, Context &context,
         unsigned seed)
      : step(step), batch(batch), context(context), seed(seed) {}

  FailureOr<std::vector<NamedResult>> run();

private:
  LogicalResult prepare();
  SmallVector<SmallVector<int64_t>> takeBlocks(ArrayRef<SmallVector<Part>> runs,
                                               std::vector<int64_t> &all);
  LogicalResult feed(FunctionOpInterface function, Batch::Set set);
  FailureOr<Tensor> bind(FunctionOpInterface function, unsigned argument,
                         ArrayRef<Part> run, Batch::Set set);
  Tensor inOrder(DictionaryAttr attributes, const Tensor &tensor);
  int64_t getSlot(const Part &part, int64_t token, Batch::Set set) {
    return blocks[set][part.sequence][token / cacheBlock] * cacheBlock +
           token % cacheBlock;
  }

  FunctionOpInterface step;
  const Batch &batch;
  Context &context;
  unsigned seed;
  std::vector<SmallVector<Part>> runs[2]; ///< of each set of tokens
  /// Of each sequence of a set, in order.
  SmallVector<SmallVector<int64_t>> blocks[2];
  SmallVector<int64_t> sourceLengths;
  Tensor cache;
  std::vector<NamedResult> padded;
};

/// Tokens that a sequence has after a run.
int64_t lengthAfter(const Part &part) {
  return part.past + static_cast<int64_t>(part.columns.size());
}

int64_t countBlocks(const Part &part) {
  return llvm::divideCeil(lengthAfter(part), cacheBlock);
}

/// Blocks from the end of `all` for each sequence of the runs.
SmallVector<SmallVector<int64_t>>
Feeder::takeBlocks(ArrayRef<SmallVector<Part>> runs,
                   std::vector<int64_t> &all) {
  SmallVector<int64_t> needed(batch.getMask().getShape()[0], 0);
  for (ArrayRef<Part> run : runs)
    for (const Part &part : run)
      needed[part.sequence] = countBlocks(part);
  SmallVector<SmallVector<int64_t>> taken;
  for (int64_t count : needed) {
    taken.emplace_back(all.end() - count, all.end());
    all.resize(all.size() - count);
  }
  return taken;
}

LogicalResult Feeder::prepare() {
  runs[Batch::Sequences] = cutAtRandom(batch, seed);
  if (batch.getTokens()[Batch::Sources].mask)
    runs[Batch::Sources] = cutSources(batch);
  int64_t numBlocks = 2; // Without an owner.
  for (const auto &set : runs)
    for (ArrayRef<Part> run : set)
      for (const Part &part : run)
        numBlocks += llvm::divideCeil(part.columns.size(), cacheBlock);
  std::vector<int64_t> all(numBlocks);
  std::iota(all.begin(), all.end(), 0);
  std::shuffle(all.begin(), all.end(), std::mt19937(seed));
  for (Batch::Set set : {Batch::Sequences, Batch::Sources})
    blocks[set] = takeBlocks(runs[set], all);
  sourceLengths.resize(batch.getMask().getShape()[0]);
  for (ArrayRef<Part> run : runs[Batch::Sources])
    for (const Part &part : run)
      sourceLengths[part.sequence] = lengthAfter(part);

  RankedTensorType type;
  for (unsigned number = 0; number < step.getNumArguments(); ++number)
    if (transformer::getRole(function_interface_impl::getArgAttrDict(
            step, number)) == InputRole::Cache) {
      Type argument = step.getArgumentTypes()[number];
      auto buffer = dyn_cast<kernel::BufferType>(argument);
      type = buffer ? buffer.getTensor() : dyn_cast<RankedTensorType>(argument);
    }
  if (!type || type.getRank() != 2 || type.isDynamicDim(1) ||
      !type.getElementType().isFloat())
    return step.emitOpError()
           << "expects an argument [slots, columns] with role 'cache'";
  cache = Tensor(type.getElementType(),
                 {numBlocks * cacheBlock, type.getDimSize(1)});
  llvm::fill(cache.floats(), std::numeric_limits<double>::quiet_NaN());
  return success();
}

FailureOr<Tensor> Feeder::bind(FunctionOpInterface function, unsigned argument,
                               ArrayRef<Part> run, Batch::Set set) {
  DictionaryAttr attributes =
      function_interface_impl::getArgAttrDict(function, argument);
  InputRole role = transformer::getRole(attributes);
  if (role == InputRole::Cache)
    return cache;
  Type type = IntegerType::get(function.getContext(), 32);
  SmallVector<int64_t> numbers;
  auto addOffsets = [&](llvm::function_ref<int64_t(const Part &)> count) {
    numbers.push_back(0);
    for (const Part &part : run)
      numbers.push_back(numbers.back() + count(part));
  };
  auto sourceOf = [&](const Part &part) -> ArrayRef<int64_t> {
    return blocks[Batch::Sources][part.sequence];
  };
  if (role == InputRole::SequenceOffsets) {
    addOffsets([](const Part &part) { return part.columns.size(); });
  } else if (role == InputRole::BlockOffsets) {
    addOffsets(countBlocks);
  } else if (role == InputRole::EncoderBlockOffsets) {
    addOffsets([&](const Part &part) { return sourceOf(part).size(); });
  } else if (role == InputRole::KeyLengths) {
    for (const Part &part : run)
      numbers.push_back(lengthAfter(part));
  } else if (role == InputRole::EncoderKeyLengths) {
    for (const Part &part : run)
      numbers.push_back(sourceLengths[part.sequence]);
  } else if (role == InputRole::CacheSlots) {
    for (const Part &part : run)
      for (int64_t token = part.past; token < lengthAfter(part); ++token)
        numbers.push_back(getSlot(part, token, set));
  } else if (role == InputRole::BlockTable) {
    for (const Part &part : run)
      llvm::append_range(
          numbers,
          ArrayRef(blocks[set][part.sequence]).take_front(countBlocks(part)));
  } else if (role == InputRole::EncoderBlockTable) {
    for (const Part &part : run)
      llvm::append_range(numbers, sourceOf(part));
  } else if (role == InputRole::OutputPositions) {
    // The last one first: a program that forgot to gather would be noticed.
    for (const Part &part : run)
      for (size_t i = 0; i < part.columns.size(); ++i)
        numbers.push_back(numbers.size());
    std::reverse(numbers.begin(), numbers.end());
  } else {
    StringRef name = transformer::getName(attributes);
    auto input = batch.getInputs().find(name);
    if (input == batch.getInputs().end() || input->second.getRank() != 2)
      return function.emitOpError()
             << "argument " << argument
             << " expects an input of the model per token, got \"" << name
             << "\"";
    type = input->second.getElementType();
    int64_t length = input->second.getShape()[1];
    for (const Part &part : run)
      for (int64_t column : part.columns)
        numbers.push_back(
            input->second.integers()[part.sequence * length + column]);
  }
  Tensor tensor(type, {static_cast<int64_t>(numbers.size())});
  llvm::copy(numbers, tensor.integers().begin());
  return tensor;
}

/// A result's rows in the order of the tokens: `positions` turns it round.
Tensor Feeder::inOrder(DictionaryAttr attributes, const Tensor &tensor) {
  if (transformer::getDim(attributes) !=
      transformer::Dimension::OutputPositions)
    return tensor;
  Tensor turned = tensor;
  int64_t rows = tensor.getShape()[0];
  int64_t width = llvm::product_of(tensor.getShape().drop_front());
  for (int64_t row = 0; row < rows; ++row)
    llvm::copy(tensor.floats().slice((rows - 1 - row) * width, width),
               turned.floats().begin() + row * width);
  return turned;
}

LogicalResult Feeder::feed(FunctionOpInterface function, Batch::Set set) {
  size_t first = padded.size();
  for (ArrayRef<Part> run : runs[set]) {
    SmallVector<Tensor> arguments, results;
    for (unsigned number = 0; number < function.getNumArguments(); ++number) {
      FailureOr<Tensor> argument = bind(function, number, run, set);
      if (failed(argument))
        return failure();
      arguments.push_back(*argument);
    }
    if (failed(context.run(function, arguments, results)))
      return failure();
    size_t place = first;
    for (auto [number, tensor] : llvm::enumerate(results)) {
      DictionaryAttr attributes =
          function_interface_impl::getResultAttrDict(function, number);
      if (transformer::getRole(attributes) == InputRole::Cache) {
        cache = tensor;
        continue;
      }
      if (place == padded.size())
        padded.push_back({transformer::getName(attributes).str(), {}});
      placeRows(batch, run, inOrder(attributes, tensor), padded[place++].padded,
                set);
    }
  }
  return success();
}

FailureOr<std::vector<NamedResult>> Feeder::run() {
  if (failed(prepare()))
    return failure();
  FunctionOpInterface encode =
      findProgram(step->getParentOp(), transformer::ProgramKind::Encode);
  if ((encode && failed(feed(encode, Batch::Sources))) ||
      failed(feed(step, Batch::Sequences)))
    return failure();
  return padded;
}

} // namespace

FailureOr<std::vector<NamedResult>>
transom::verify::runInSteps(FunctionOpInterface step, const Batch &batch,
                            Context &context, unsigned seed) {
  return Feeder(step, batch, context, seed).run();
}

FunctionOpInterface verify::findProgram(Operation *module,
                                        transformer::ProgramKind kind) {
  for (auto function : module->getRegion(0).getOps<FunctionOpInterface>())
    if (!isa<kernel::DefineOp>(function) && !function.isExternal() &&
        transformer::getProgramKind(function) == kind)
      return function;
  return {};
}
