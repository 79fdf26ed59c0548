//===- Batch.cpp - the same batch, padded and packed ----------------------===//

#include "verify/Batch.h"

#include "ir/Transformer/ModelAttributes.h"

#include <random>

using namespace mlir;
using namespace transom;
using namespace transom::verify;

using transformer::Dimension;
using transformer::findTokenSet;
using transformer::getDim;
using transformer::InputRole;
static constexpr unsigned numSets = transformer::numTokenSets;

static DictionaryAttr getAttributes(FunctionOpInterface function,
                                    unsigned argument) {
  return function_interface_impl::getArgAttrDict(function, argument);
}

static bool isPositionIds(DictionaryAttr attributes) {
  transformer::DefaultAttr value = transformer::getDefault(attributes);
  return value && value.getKind() == transformer::DefaultKind::PositionIds;
}

/// The index of the token whose row the runtime makes in every call.
static std::optional<int64_t> getFixedToken(DictionaryAttr attributes) {
  transformer::DefaultAttr value = transformer::getDefault(attributes);
  if (!value || value.getKind() != transformer::DefaultKind::Token)
    return std::nullopt;
  return value.getOperand();
}

/// Whether a token is there, in five sequences of at most `length` tokens.
static bool isPresent(int64_t sequence, int64_t column, int64_t length,
                      bool isContiguous) {
  switch (sequence) {
  case 0: // whole
    return true;
  case 1: // padded on the right
    return column < (length + 1) / 2;
  case 2: // padded on the left
    return column >= length / 3;
  case 3: // holes, one where the first token would be
    if (isContiguous)
      return column > 0 && column < length - 1;
    return column % 3 != 0 || column == length - 1;
  default:
    return column == length / 2;
  }
}

FailureOr<Batch> Batch::generate(FunctionOpInterface function, unsigned seed) {
  constexpr int64_t sequences = 5;
  // More than a block of the cache, where there will be one.
  int64_t longest[numSets] = {
      function->hasAttr(transformer::generatesAttr) ? 18 : 9, 7};
  bool isContiguous[numSets] = {}, isThere[numSets] = {true, false};
  Batch batch;
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    DictionaryAttr attributes = getAttributes(function, number);
    unsigned set = findTokenSet(getDim(attributes, 1)).value_or(0);
    isThere[set] = true;
    auto bound =
        function.getArgAttrOfType<IntegerAttr>(number, transformer::boundAttr);
    if (bound && isPositionIds(attributes))
      longest[set] = std::min(longest[set], bound.getInt());
    if (transformer::getRole(attributes) == InputRole::AttentionMask) {
      batch.sets[set].maskName = transformer::getName(attributes);
      isContiguous[set] = attributes.contains(transformer::contiguousAttr);
    }
  }

  Builder builder(function.getContext());
  for (unsigned set = 0; set < numSets; ++set) {
    if (!isThere[set])
      continue;
    int64_t length = longest[set];
    Tensor mask(builder.getI32Type(), {sequences, length});
    for (auto [at, present] : llvm::enumerate(mask.integers()))
      // A sequence and its source are padded in different ways.
      present = batch.sets[set].maskName.empty() ||
                isPresent((at / length + 3 * set) % sequences, at % length,
                          length, isContiguous[set]);
    batch.sets[set].mask = mask;
  }

  std::mt19937 engine(seed);
  for (auto [number, argumentType] :
       llvm::enumerate(function.getArgumentTypes())) {
    DictionaryAttr attributes = getAttributes(function, number);
    InputRole role = transformer::getRole(attributes);
    StringRef name = transformer::getName(attributes);
    if (role == InputRole::AttentionMask)
      continue;
    auto type = dyn_cast<RankedTensorType>(argumentType);
    if (!type || !type.getElementType().isInteger() || type.getRank() < 1 ||
        type.getRank() > 2 || getDim(attributes) != Dimension::Batch)
      return function.emitOpError()
             << "argument " << number
             << " expects integers [batch, length] or [batch] to be verified, "
                "got "
             << argumentType;
    int64_t length = longest[findTokenSet(getDim(attributes, 1)).value_or(0)];
    Tensor tensor(
        type.getElementType(),
        ArrayRef<int64_t>({sequences, length}).take_front(type.getRank()));
    auto bound =
        function.getArgAttrOfType<IntegerAttr>(number, transformer::boundAttr);
    std::uniform_int_distribution<int64_t> values(
        0, bound ? std::max<int64_t>(bound.getInt() - 1, 0) : 1);
    for (auto [at, value] : llvm::enumerate(tensor.integers()))
      value = isPositionIds(attributes) ? at % length : values(engine);
    if (role == InputRole::TokenIndex) {
      for (auto [sequence, place] : llvm::enumerate(tensor.integers()))
        place = batch.findToken(sequence, engine());
      batch.places[name] = tensor;
      continue;
    }
    batch.inputs[name] = tensor;
  }
  return batch;
}

/// A token that is there, the first one at or behind a random place.
int64_t Batch::findToken(int64_t sequence, uint32_t random) const {
  int64_t length = getLength(0), place = random % length;
  for (int64_t step = 1; step < length && !isKept(0, sequence, place); ++step)
    place = (place + 1) % length;
  return place;
}

/// The columns that each sequence's packed rows are: the tokens that are there,
/// then those that are masked but asked for, once each.
Batch::Rows Batch::getRows(FunctionOpInterface function, unsigned set) const {
  Rows rows;
  if (!sets[set].mask)
    return rows;
  int64_t length = getLength(set);
  rows.resize(sets[set].mask->getShape()[0]);
  for (auto [sequence, columns] : llvm::enumerate(rows)) {
    for (int64_t column = 0; column < length; ++column)
      if (isKept(set, sequence, column))
        columns.push_back(column);
    // Tokens are asked for of the sequences, not of their sources.
    for (unsigned number = 0; set == 0 && number < function.getNumArguments();
         ++number) {
      std::optional<int64_t> index =
          getFixedToken(getAttributes(function, number));
      if (index && *index < length && !llvm::is_contained(columns, *index))
        columns.push_back(*index);
    }
  }
  return rows;
}

/// The last token first: a program that forgot to gather would be noticed.
SmallVector<Batch::Position> Batch::getPositions(const Rows &rows,
                                                 unsigned set) const {
  SmallVector<Position> positions;
  if (rows.empty())
    return positions;
  int64_t length = getLength(set), row = 0;
  for (auto [sequence, columns] : llvm::enumerate(rows))
    for (int64_t column : columns) {
      if (isKept(set, sequence, column))
        positions.push_back({row, int64_t(sequence) * length + column});
      ++row;
    }
  std::reverse(positions.begin(), positions.end());
  return positions;
}

FailureOr<SmallVector<Tensor>> Batch::bind(FunctionOpInterface function) const {
  Rows rowsOf[numSets];
  int64_t tokens[numSets] = {};
  for (unsigned set = 0; set < numSets; ++set) {
    rowsOf[set] = getRows(function, set);
    for (const auto &columns : rowsOf[set])
      tokens[set] += columns.size();
  }
  int64_t sequences = rowsOf[0].size();
  Type i32 = IntegerType::get(function.getContext(), 32);

  SmallVector<Tensor> arguments;
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    DictionaryAttr attributes = getAttributes(function, number);
    InputRole role = transformer::getRole(attributes);
    if (role == InputRole::AttentionMask) {
      arguments.push_back(
          *sets[findTokenSet(getDim(attributes, 1)).value_or(0)].mask);
      continue;
    }
    if (role == InputRole::OutputPositions) {
      SmallVector<Position> positions = getPositions(rowsOf[0], 0);
      Tensor tensor(i32, {int64_t(positions.size())});
      for (auto [value, position] :
           llvm::zip_equal(tensor.integers(), positions))
        value = position.row;
      arguments.push_back(tensor);
      continue;
    }
    std::optional<int64_t> index = getFixedToken(attributes);
    unsigned described = findTokenSet(role).value_or(0);
    bool ofOffsets = role == transformer::tokenSets[described].offsets;
    bool ofKeys = role == transformer::tokenSets[described].keyLengths;
    if (ofOffsets || ofKeys || index) {
      Tensor tensor(i32, {sequences + (ofOffsets ? 1 : 0)});
      MutableArrayRef<int64_t> values = tensor.integers();
      int64_t row = 0;
      for (auto [sequence, columns] : llvm::enumerate(rowsOf[described])) {
        if (ofOffsets) {
          values[sequence + 1] = row + columns.size();
        } else if (ofKeys) {
          values[sequence] = llvm::count_if(columns, [&](int64_t column) {
            return isKept(described, sequence, column);
          });
        } else {
          auto *at = llvm::find(columns, *index);
          values[sequence] =
              at == columns.end() ? -1 : row + (at - columns.begin());
        }
        row += columns.size();
      }
      arguments.push_back(tensor);
      continue;
    }

    StringRef name = transformer::getName(attributes);
    const llvm::StringMap<Tensor> &given =
        role == InputRole::Values ? inputs : places;
    auto input = given.find(name);
    if (input == given.end())
      return function.emitOpError()
             << "argument " << number
             << " expects an input of the model, got \"" << name << "\"";
    std::optional<unsigned> set = findTokenSet(getDim(attributes));
    if (!set) {
      arguments.push_back(input->second);
      // Of what was a token's place the packed form has the row.
      int64_t row = 0;
      if (role == InputRole::TokenRows)
        for (auto [value, columns] :
             llvm::zip_equal(arguments.back().integers(), rowsOf[0])) {
          value = row + (llvm::find(columns, value) - columns.begin());
          row += columns.size();
        }
      continue;
    }
    Tensor tensor(input->second.getElementType(), {tokens[*set]});
    int64_t *to = tensor.integers().data();
    for (auto [sequence, columns] : llvm::enumerate(rowsOf[*set]))
      for (int64_t column : columns)
        *to++ = input->second.integers()[sequence * getLength(*set) + column];
    arguments.push_back(tensor);
  }
  return arguments;
}

SmallVector<Tensor> Batch::unpack(FunctionOpInterface function,
                                  ArrayRef<Tensor> results) const {
  SmallVector<Position> positionsOf[numSets];
  for (unsigned set = 0; set < numSets; ++set)
    positionsOf[set] = getPositions(getRows(function, set), set);
  int64_t sequences = getMask().getShape()[0];
  SmallVector<Tensor> unpacked;
  for (auto [number, result] : llvm::enumerate(results)) {
    DictionaryAttr attributes =
        function_interface_impl::getResultAttrDict(function, number);
    std::optional<Dimension> leading = getDim(attributes);
    std::optional<unsigned> packed = findTokenSet(leading), padded;
    bool selected = leading == Dimension::OutputPositions;
    if (leading == Dimension::Batch)
      padded = findTokenSet(getDim(attributes, 1));
    if ((!packed && !selected && !padded) || !result.isFloat()) {
      unpacked.push_back(result); // A row a sequence.
      continue;
    }
    unsigned set = packed ? *packed : padded.value_or(0);
    SmallVector<int64_t> shape{sequences, getLength(set)};
    llvm::append_range(shape, result.getShape().drop_front(padded ? 2 : 1));
    int64_t width = llvm::product_of(ArrayRef(shape).drop_front(2));
    Tensor tensor(result.getElementType(), shape);
    for (auto [number, position] : llvm::enumerate(positionsOf[set])) {
      int64_t from = selected ? number : packed ? position.row : position.place;
      llvm::copy(result.floats().slice(from * width, width),
                 tensor.floats().begin() + position.place * width);
    }
    unpacked.push_back(tensor);
  }
  return unpacked;
}
