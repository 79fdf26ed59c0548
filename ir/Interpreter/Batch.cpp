//===- Batch.cpp - the same batch, padded and packed ----------------------===//

#include "ir/Interpreter/Batch.h"

#include "ir/Transformer/ModelAttributes.h"

#include <random>

using namespace mlir;
using namespace transom;
using namespace transom::interpreter;

/// The text of an argument's attribute, or empty.
static StringRef getText(FunctionOpInterface function, unsigned argument,
                         StringRef name) {
  auto text = function.getArgAttrOfType<StringAttr>(argument, name);
  return text ? text.getValue() : StringRef();
}

/// The name of the leading dimension of an argument or result, or empty.
static StringRef getLeadingDim(Attribute dims) {
  auto names = dyn_cast_or_null<ArrayAttr>(dims);
  if (!names || names.empty() || !isa<StringAttr>(names[0]))
    return "";
  return cast<StringAttr>(names[0]).getValue();
}

/// Whether a token is there, in five sequences of at most `length` tokens.
static bool isPresent(int64_t sequence, int64_t column, int64_t length) {
  switch (sequence) {
  case 0: // whole
    return true;
  case 1: // padded on the right
    return column < (length + 1) / 2;
  case 2: // padded on the left
    return column >= length / 3;
  case 3: // holes, one where the first token would be
    return column % 3 != 0 || column == length - 1;
  default:
    return column == length / 2;
  }
}

FailureOr<Batch> Batch::generate(FunctionOpInterface function, unsigned seed) {
  constexpr int64_t sequences = 5;
  // More than a block of the cache, where there will be one.
  int64_t length = function->hasAttr(transformer::generatesAttr) ? 18 : 9;
  Batch batch;
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    auto bound =
        function.getArgAttrOfType<IntegerAttr>(number, transformer::boundAttr);
    if (bound &&
        getText(function, number, transformer::defaultAttr) == "positions")
      length = std::min(length, bound.getInt());
    if (getText(function, number, transformer::roleAttr) == "attention_mask")
      batch.maskName = getText(function, number, transformer::nameAttr);
  }

  Builder builder(function.getContext());
  batch.mask = Tensor(builder.getI32Type(), {sequences, length});
  for (auto [at, present] : llvm::enumerate(batch.mask.integers()))
    present =
        batch.maskName.empty() || isPresent(at / length, at % length, length);

  std::mt19937 engine(seed);
  for (auto [number, argumentType] :
       llvm::enumerate(function.getArgumentTypes())) {
    if (getText(function, number, transformer::roleAttr) == "attention_mask")
      continue;
    auto type = dyn_cast<RankedTensorType>(argumentType);
    if (!type || !type.getElementType().isInteger() || type.getRank() < 1 ||
        type.getRank() > 2 ||
        getLeadingDim(function.getArgAttr(number, transformer::dimsAttr)) !=
            "batch")
      return function.emitOpError()
             << "argument " << number
             << " expects integers [batch, length] or [batch] to be verified, "
                "got "
             << argumentType;
    Tensor tensor(
        type.getElementType(),
        ArrayRef<int64_t>({sequences, length}).take_front(type.getRank()));
    auto bound =
        function.getArgAttrOfType<IntegerAttr>(number, transformer::boundAttr);
    std::uniform_int_distribution<int64_t> values(
        0, bound ? std::max<int64_t>(bound.getInt() - 1, 0) : 1);
    bool isPosition =
        getText(function, number, transformer::defaultAttr) == "positions";
    for (auto [at, value] : llvm::enumerate(tensor.integers()))
      value = isPosition ? at % length : values(engine);
    batch.inputs[getText(function, number, transformer::nameAttr)] = tensor;
  }
  return batch;
}

/// The columns that each sequence's packed rows are: the tokens that are there,
/// then those that are masked but asked for, once each.
Batch::Rows Batch::getRows(FunctionOpInterface function) const {
  int64_t sequences = mask.getShape()[0], length = mask.getShape()[1];
  Rows rows(sequences);
  for (auto [sequence, columns] : llvm::enumerate(rows)) {
    for (int64_t column = 0; column < length; ++column)
      if (isKept(sequence, column))
        columns.push_back(column);
    for (unsigned number = 0; number < function.getNumArguments(); ++number) {
      auto index = function.getArgAttrOfType<IntegerAttr>(
          number, transformer::tokenIndexAttr);
      if (index && index.getInt() < length &&
          !llvm::is_contained(columns, index.getInt()))
        columns.push_back(index.getInt());
    }
  }
  return rows;
}

/// The last token first: a program that forgot to gather would be noticed.
SmallVector<Batch::Position> Batch::getPositions(const Rows &rows) const {
  SmallVector<Position> positions;
  int64_t length = mask.getShape()[1], row = 0;
  for (auto [sequence, columns] : llvm::enumerate(rows))
    for (int64_t column : columns) {
      if (isKept(sequence, column))
        positions.push_back({row, int64_t(sequence) * length + column});
      ++row;
    }
  std::reverse(positions.begin(), positions.end());
  return positions;
}

FailureOr<SmallVector<Tensor>> Batch::bind(FunctionOpInterface function) const {
  Rows rows = getRows(function);
  int64_t sequences = rows.size(), length = mask.getShape()[1], tokens = 0;
  for (const auto &columns : rows)
    tokens += columns.size();
  Type i32 = IntegerType::get(function.getContext(), 32);

  SmallVector<Tensor> arguments;
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    StringRef role = getText(function, number, transformer::roleAttr);
    if (role == "attention_mask") {
      arguments.push_back(mask);
      continue;
    }
    if (role == "positions") {
      SmallVector<Position> positions = getPositions(rows);
      Tensor tensor(i32, {int64_t(positions.size())});
      for (auto [value, position] :
           llvm::zip_equal(tensor.integers(), positions))
        value = position.row;
      arguments.push_back(tensor);
      continue;
    }
    if (role == "sequence_offsets" || role == "key_lengths" ||
        role == "token_rows") {
      Tensor tensor(i32, {sequences + (role == "sequence_offsets")});
      MutableArrayRef<int64_t> values = tensor.integers();
      auto index = function.getArgAttrOfType<IntegerAttr>(
          number, transformer::tokenIndexAttr);
      int64_t row = 0;
      for (auto [sequence, columns] : llvm::enumerate(rows)) {
        if (role == "sequence_offsets") {
          values[sequence + 1] = row + columns.size();
        } else if (role == "key_lengths") {
          values[sequence] = llvm::count_if(columns, [&](int64_t column) {
            return isKept(sequence, column);
          });
        } else {
          auto *at =
              index ? llvm::find(columns, index.getInt()) : columns.end();
          values[sequence] =
              at == columns.end() ? -1 : row + (at - columns.begin());
        }
        row += columns.size();
      }
      arguments.push_back(tensor);
      continue;
    }

    StringRef name = getText(function, number, transformer::nameAttr);
    auto input = inputs.find(name);
    if (input == inputs.end())
      return function.emitOpError()
             << "argument " << number
             << " expects an input of the model, got \"" << name << "\"";
    if (getLeadingDim(function.getArgAttr(number, transformer::dimsAttr)) !=
        "tokens") {
      arguments.push_back(input->second);
      continue;
    }
    Tensor tensor(input->second.getElementType(), {tokens});
    int64_t *to = tensor.integers().data();
    for (auto [sequence, columns] : llvm::enumerate(rows))
      for (int64_t column : columns)
        *to++ = input->second.integers()[sequence * length + column];
    arguments.push_back(tensor);
  }
  return arguments;
}

SmallVector<Tensor> Batch::unpack(FunctionOpInterface function,
                                  ArrayRef<Tensor> results) const {
  SmallVector<Position> positions = getPositions(getRows(function));
  int64_t sequences = mask.getShape()[0], length = mask.getShape()[1];
  SmallVector<Tensor> unpacked;
  for (auto [number, result] : llvm::enumerate(results)) {
    auto dims = dyn_cast_or_null<ArrayAttr>(
        function.getResultAttr(number, transformer::dimsAttr));
    bool packed = getLeadingDim(dims) == "tokens";
    bool selected = getLeadingDim(dims) == "positions";
    bool padded = dims && dims.size() >= 2 && getLeadingDim(dims) == "batch" &&
                  dims[1] == StringAttr::get(function.getContext(), "length");
    if ((!packed && !selected && !padded) || !result.isFloat()) {
      unpacked.push_back(result); // A row a sequence.
      continue;
    }
    SmallVector<int64_t> shape{sequences, length};
    llvm::append_range(shape, result.getShape().drop_front(padded ? 2 : 1));
    int64_t width = llvm::product_of(ArrayRef(shape).drop_front(2));
    Tensor tensor(result.getElementType(), shape);
    for (auto [number, position] : llvm::enumerate(positions)) {
      int64_t from = selected ? number : packed ? position.row : position.place;
      llvm::copy(result.floats().slice(from * width, width),
                 tensor.floats().begin() + position.place * width);
    }
    unpacked.push_back(tensor);
  }
  return unpacked;
}
