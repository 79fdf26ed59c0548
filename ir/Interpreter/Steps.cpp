//===- Steps.cpp - a batch fed to a step function bit by bit --------------===//

#include "ir/Interpreter/Steps.h"

#include "ir/Kernel/Kernel.h"
#include "ir/Transformer/CacheLayout.h"
#include "ir/Transformer/ModelAttributes.h"

#include <numeric>
#include <random>

using namespace mlir;
using namespace transom;
using namespace transom::interpreter;
using transformer::cacheBlock;

//===----------------------------------------------------------------------===//
// Runs
//===----------------------------------------------------------------------===//

std::vector<SmallVector<Part>>
transom::interpreter::cutAtRandom(const Batch &batch, unsigned seed) {
  std::mt19937 engine(seed);
  auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  };
  ArrayRef<int64_t> shape = batch.getMask().getShape();
  std::vector<SmallVector<int64_t>> columns(shape[0]);
  SmallVector<int64_t> past(shape[0], 0);
  int64_t left = 0;
  for (auto [at, isThere] : llvm::enumerate(batch.getMask().integers()))
    if (isThere) {
      columns[at / shape[1]].push_back(at % shape[1]);
      ++left;
    }

  std::vector<SmallVector<Part>> runs;
  while (left > 0) {
    SmallVector<Part> run;
    for (int64_t number = 0; number < shape[0]; ++number) {
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

void transom::interpreter::placeRows(const Batch &batch, ArrayRef<Part> run,
                                     const Tensor &rows, Tensor &padded) {
  ArrayRef<int64_t> mask = batch.getMask().getShape();
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

  FailureOr<SmallVector<Tensor>> run();

private:
  StringRef getText(unsigned argument, StringRef name) {
    auto text = step.getArgAttrOfType<StringAttr>(argument, name);
    return text ? text.getValue() : StringRef();
  }
  StringAttr getResultRole(unsigned result) {
    return dyn_cast_or_null<StringAttr>(
        step.getResultAttr(result, transformer::roleAttr));
  }
  LogicalResult prepare(ArrayRef<SmallVector<Part>> runs);
  FailureOr<Tensor> bind(unsigned argument, ArrayRef<Part> run);
  Tensor inOrder(unsigned result, const Tensor &tensor);
  int64_t getSlot(const Part &part, int64_t token) {
    return blocks[part.sequence][token / cacheBlock] * cacheBlock +
           token % cacheBlock;
  }

  FunctionOpInterface step;
  const Batch &batch;
  Context &context;
  unsigned seed;
  std::vector<SmallVector<int64_t>> blocks; ///< of each sequence, in order
  Tensor cache;
};

/// Tokens that a sequence has after a run.
int64_t lengthAfter(const Part &part) {
  return part.past + static_cast<int64_t>(part.columns.size());
}

int64_t countBlocks(const Part &part) {
  return llvm::divideCeil(lengthAfter(part), cacheBlock);
}

LogicalResult Feeder::prepare(ArrayRef<SmallVector<Part>> runs) {
  SmallVector<int64_t> needed(batch.getMask().getShape()[0], 0);
  for (ArrayRef<Part> run : runs)
    for (const Part &part : run)
      needed[part.sequence] = countBlocks(part);
  int64_t numBlocks = 2; // That nobody has.
  for (int64_t count : needed)
    numBlocks += count;
  std::vector<int64_t> all(numBlocks);
  std::iota(all.begin(), all.end(), 0);
  std::shuffle(all.begin(), all.end(), std::mt19937(seed));
  for (int64_t count : needed) {
    blocks.emplace_back(all.end() - count, all.end());
    all.resize(all.size() - count);
  }

  RankedTensorType type;
  for (unsigned number = 0; number < step.getNumArguments(); ++number)
    if (getText(number, transformer::roleAttr) == "cache") {
      Type argument = step.getArgumentTypes()[number];
      auto buffer = dyn_cast<kernel::BufferType>(argument);
      type = buffer ? buffer.getTensor() : dyn_cast<RankedTensorType>(argument);
    }
  if (!type || type.getRank() != 2 || type.isDynamicDim(1) ||
      !type.getElementType().isFloat())
    return step.emitOpError()
           << "expects an argument [slots, columns] with role \"cache\"";
  cache = Tensor(type.getElementType(),
                 {numBlocks * cacheBlock, type.getDimSize(1)});
  llvm::fill(cache.floats(), std::numeric_limits<double>::quiet_NaN());
  return success();
}

FailureOr<Tensor> Feeder::bind(unsigned argument, ArrayRef<Part> run) {
  StringRef role = getText(argument, transformer::roleAttr);
  if (role == "cache")
    return cache;
  Type type = IntegerType::get(step.getContext(), 32);
  SmallVector<int64_t> numbers;
  if (role == "sequence_offsets" || role == "block_offsets") {
    numbers.push_back(0);
    for (const Part &part : run)
      numbers.push_back(numbers.back() + (role == "block_offsets"
                                              ? countBlocks(part)
                                              : part.columns.size()));
  } else if (role == "key_lengths") {
    for (const Part &part : run)
      numbers.push_back(lengthAfter(part));
  } else if (role == "cache_slots") {
    for (const Part &part : run)
      for (int64_t token = part.past; token < lengthAfter(part); ++token)
        numbers.push_back(getSlot(part, token));
  } else if (role == "block_table") {
    for (const Part &part : run)
      llvm::append_range(
          numbers,
          ArrayRef(blocks[part.sequence]).take_front(countBlocks(part)));
  } else if (role == "positions") {
    // The last one first: a program that forgot to gather would be noticed.
    for (const Part &part : run)
      for (size_t i = 0; i < part.columns.size(); ++i)
        numbers.push_back(numbers.size());
    std::reverse(numbers.begin(), numbers.end());
  } else {
    StringRef name = getText(argument, transformer::nameAttr);
    auto input = batch.getInputs().find(name);
    if (input == batch.getInputs().end() || input->second.getRank() != 2)
      return step.emitOpError()
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
Tensor Feeder::inOrder(unsigned result, const Tensor &tensor) {
  auto dims = dyn_cast_or_null<ArrayAttr>(
      step.getResultAttr(result, transformer::dimsAttr));
  if (!dims || dims.empty() ||
      dims[0] != StringAttr::get(step.getContext(), "positions"))
    return tensor;
  Tensor turned = tensor;
  int64_t rows = tensor.getShape()[0];
  int64_t width = llvm::product_of(tensor.getShape().drop_front());
  for (int64_t row = 0; row < rows; ++row)
    llvm::copy(tensor.floats().slice((rows - 1 - row) * width, width),
               turned.floats().begin() + row * width);
  return turned;
}

FailureOr<SmallVector<Tensor>> Feeder::run() {
  std::vector<SmallVector<Part>> runs = cutAtRandom(batch, seed);
  if (failed(prepare(runs)))
    return failure();
  SmallVector<Tensor> padded;
  for (ArrayRef<Part> run : runs) {
    SmallVector<Tensor> arguments, results;
    for (unsigned number = 0; number < step.getNumArguments(); ++number) {
      FailureOr<Tensor> argument = bind(number, run);
      if (failed(argument))
        return failure();
      arguments.push_back(*argument);
    }
    if (failed(context.run(step, arguments, results)))
      return failure();
    unsigned place = 0;
    for (auto [number, tensor] : llvm::enumerate(results)) {
      StringAttr role = getResultRole(number);
      if (role && role.getValue() == "cache") {
        cache = tensor;
        continue;
      }
      if (place == padded.size())
        padded.emplace_back();
      placeRows(batch, run, inOrder(number, tensor), padded[place++]);
    }
  }
  return padded;
}

} // namespace

FailureOr<SmallVector<Tensor>>
transom::interpreter::runInSteps(FunctionOpInterface step, const Batch &batch,
                                 Context &context, unsigned seed) {
  return Feeder(step, batch, context, seed).run();
}
