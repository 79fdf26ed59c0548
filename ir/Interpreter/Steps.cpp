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

namespace {

/// A sequence of the batch and how much of it has been fed.
struct Sequence {
  int64_t number;
  SmallVector<int64_t> columns; ///< of its tokens in the padded form
  SmallVector<int64_t> blocks;  ///< of the cache, in order
  int64_t length = 0;           ///< tokens fed

  int64_t getSlot(int64_t token) const {
    return blocks[token / cacheBlock] * cacheBlock + token % cacheBlock;
  }
};

/// New tokens of one sequence: those from its length on.
struct Part {
  Sequence *sequence;
  int64_t tokens;
};

class Feeder {
public:
  Feeder(FunctionOpInterface step, const Batch &batch, Context &context,
         unsigned seed)
      : step(step), batch(batch), context(context), engine(seed) {}

  FailureOr<SmallVector<Tensor>> run();

private:
  int64_t draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(engine);
  }
  StringRef getText(unsigned argument, StringRef name) {
    auto text = step.getArgAttrOfType<StringAttr>(argument, name);
    return text ? text.getValue() : StringRef();
  }
  StringRef getResultRole(unsigned result) {
    auto text = dyn_cast_or_null<StringAttr>(
        step.getResultAttr(result, transformer::roleAttr));
    return text ? text.getValue() : StringRef();
  }
  LogicalResult prepare();
  SmallVector<Part> drawParts();
  FailureOr<Tensor> bind(unsigned argument, ArrayRef<Part> parts);
  void collect(unsigned result, const Tensor &tensor, ArrayRef<Part> parts);

  FunctionOpInterface step;
  const Batch &batch;
  Context &context;
  std::mt19937 engine;
  std::vector<Sequence> sequences;
  Tensor cache;
  SmallVector<Tensor> padded;
};

LogicalResult Feeder::prepare() {
  ArrayRef<int64_t> shape = batch.getMask().getShape();
  int64_t numBlocks = 2; // That nobody has.
  for (int64_t number = 0; number < shape[0]; ++number) {
    sequences.push_back({number, {}, {}});
    for (int64_t column = 0; column < shape[1]; ++column)
      if (batch.getMask().integers()[number * shape[1] + column])
        sequences.back().columns.push_back(column);
    numBlocks += llvm::divideCeil(sequences.back().columns.size(), cacheBlock);
  }
  std::vector<int64_t> blocks(numBlocks);
  std::iota(blocks.begin(), blocks.end(), 0);
  std::shuffle(blocks.begin(), blocks.end(), engine);
  for (Sequence &sequence : sequences)
    for (size_t token = 0; token < sequence.columns.size();
         token += cacheBlock) {
      sequence.blocks.push_back(blocks.back());
      blocks.pop_back();
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

/// Some sequences that have tokens left, in any order, each with a token, a few
/// or all that are left.
SmallVector<Part> Feeder::drawParts() {
  SmallVector<Part> parts;
  for (Sequence &sequence : sequences) {
    int64_t rest = sequence.columns.size() - sequence.length;
    if (rest == 0 || draw(0, 3) == 0)
      continue;
    int64_t kind = draw(0, 2);
    parts.push_back({&sequence, kind == 0   ? 1
                                : kind == 1 ? draw(1, rest)
                                            : rest});
  }
  std::shuffle(parts.begin(), parts.end(), engine);
  return parts;
}

FailureOr<Tensor> Feeder::bind(unsigned argument, ArrayRef<Part> parts) {
  StringRef role = getText(argument, transformer::roleAttr);
  if (role == "cache")
    return cache;
  SmallVector<int64_t> numbers;
  auto forEachToken = [&](auto add) {
    for (Part part : parts)
      for (int64_t i = 0; i < part.tokens; ++i)
        add(*part.sequence, part.sequence->length + i);
  };
  auto blocksOf = [](Part part) {
    return ArrayRef(part.sequence->blocks)
        .take_front(
            llvm::divideCeil(part.sequence->length + part.tokens, cacheBlock));
  };
  if (role == "sequence_offsets") {
    numbers.push_back(0);
    for (Part part : parts)
      numbers.push_back(numbers.back() + part.tokens);
  } else if (role == "key_lengths") {
    for (Part part : parts)
      numbers.push_back(part.sequence->length + part.tokens);
  } else if (role == "cache_slots") {
    forEachToken([&](const Sequence &sequence, int64_t token) {
      numbers.push_back(sequence.getSlot(token));
    });
  } else if (role == "block_table") {
    for (Part part : parts)
      llvm::append_range(numbers, blocksOf(part));
  } else if (role == "block_offsets") {
    numbers.push_back(0);
    for (Part part : parts)
      numbers.push_back(numbers.back() + blocksOf(part).size());
  } else if (role == "positions") {
    // The last one first: a program that forgot to gather would be noticed.
    forEachToken(
        [&](const Sequence &, int64_t) { numbers.push_back(numbers.size()); });
    std::reverse(numbers.begin(), numbers.end());
  } else {
    StringRef name = getText(argument, transformer::nameAttr);
    auto input = batch.getInputs().find(name);
    if (input == batch.getInputs().end() || input->second.getRank() != 2)
      return step.emitOpError()
             << "argument " << argument
             << " expects an input of the model per token, got \"" << name
             << "\"";
    int64_t length = input->second.getShape()[1];
    forEachToken([&](const Sequence &sequence, int64_t token) {
      numbers.push_back(input->second.integers()[sequence.number * length +
                                                 sequence.columns[token]]);
    });
    Tensor tensor(input->second.getElementType(),
                  {static_cast<int64_t>(numbers.size())});
    llvm::copy(numbers, tensor.integers().begin());
    return tensor;
  }
  Tensor tensor(IntegerType::get(step.getContext(), 32),
                {static_cast<int64_t>(numbers.size())});
  llvm::copy(numbers, tensor.integers().begin());
  return tensor;
}

/// Puts the rows of one run where they belong in the padded result.
void Feeder::collect(unsigned result, const Tensor &tensor,
                     ArrayRef<Part> parts) {
  ArrayRef<int64_t> mask = batch.getMask().getShape();
  if (padded.size() <= result) {
    SmallVector<int64_t> shape(mask);
    llvm::append_range(shape, tensor.getShape().drop_front());
    padded.push_back(Tensor(tensor.getElementType(), shape));
  }
  auto dims = dyn_cast_or_null<ArrayAttr>(
      step.getResultAttr(result, transformer::dimsAttr));
  bool reversed = dims && !dims.empty() &&
                  dims[0] == StringAttr::get(step.getContext(), "positions");
  int64_t rows = tensor.getShape()[0], row = 0;
  int64_t width = llvm::product_of(tensor.getShape().drop_front());
  for (Part part : parts)
    for (int64_t i = 0; i < part.tokens; ++i, ++row) {
      const Sequence &sequence = *part.sequence;
      int64_t place =
          sequence.number * mask[1] + sequence.columns[sequence.length + i];
      int64_t from = reversed ? rows - 1 - row : row;
      llvm::copy(tensor.floats().slice(from * width, width),
                 padded[result].floats().begin() + place * width);
    }
}

FailureOr<SmallVector<Tensor>> Feeder::run() {
  if (failed(prepare()))
    return failure();
  auto hasRest = [](const Sequence &sequence) {
    return sequence.length < static_cast<int64_t>(sequence.columns.size());
  };
  while (llvm::any_of(sequences, hasRest)) {
    SmallVector<Part> parts = drawParts();
    if (parts.empty())
      continue;
    SmallVector<Tensor> arguments, results;
    for (unsigned number = 0; number < step.getNumArguments(); ++number) {
      FailureOr<Tensor> argument = bind(number, parts);
      if (failed(argument))
        return failure();
      arguments.push_back(*argument);
    }
    if (failed(context.run(step, arguments, results)))
      return failure();
    for (auto [number, tensor] : llvm::enumerate(results)) {
      if (getResultRole(number) == "cache")
        cache = tensor;
      else
        collect(number, tensor, parts);
    }
    for (Part part : parts)
      part.sequence->length += part.tokens;
  }
  return padded;
}

} // namespace

FailureOr<SmallVector<Tensor>>
transom::interpreter::runInSteps(FunctionOpInterface step, const Batch &batch,
                                 Context &context, unsigned seed) {
  return Feeder(step, batch, context, seed).run();
}
