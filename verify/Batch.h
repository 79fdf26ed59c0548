//===- Batch.h - the same batch, padded and packed --------------*- C++ -*-===//
//
// What a model's function computes before `transom-remove-padding` and after it
// is the same in two forms. A Batch makes either form's arguments, and brings
// either form's results to the padded one, as a compiled library does
// (runtime/batch/BatchPacker.h).
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_VERIFY_BATCH_H
#define TRANSOM_VERIFY_BATCH_H

#include "ir/Interpreter/Tensor.h"

#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringMap.h"

#include <optional>
#include <string>
#include <utility>

namespace transom::verify {

using interpreter::Tensor;

/// Sequences of unequal length, padded to [sequences, length], with a value for
/// every input of a function. A decoder's sequences have sources of other
/// lengths, padded to [sequences, encoder_length].
class Batch {
public:
  /// A small batch for a padded function: whole, padded on the right, padded on
  /// the left (token 0 masked), with holes (unless the mask is contiguous: then
  /// padded on both sides), and of one token. Values are random
  /// below `transformer.bound`, positions where that is the default; lengths
  /// stay within the positions' bound. Without an attention mask among the
  /// arguments nothing is masked. Fails with a diagnostic if an argument is
  /// neither an integer [batch, length] nor [batch].
  static mlir::FailureOr<Batch> generate(mlir::FunctionOpInterface function,
                                         unsigned seed);

  /// The arguments of `function`, which is the padded one or made from it by
  /// passes: each by its `transformer.name`, `.role` and `.dims`. Positions
  /// that can be asked for are all tokens, the last one first. Fails with a
  /// diagnostic if an argument has no counterpart in the batch.
  mlir::FailureOr<llvm::SmallVector<Tensor>>
  bind(mlir::FunctionOpInterface function) const;

  /// The results of `function`, as `bind`'s arguments gave them, in their
  /// padded form: zeros where a token is masked.
  llvm::SmallVector<Tensor> unpack(mlir::FunctionOpInterface function,
                                   llvm::ArrayRef<Tensor> results) const;

  enum Set : unsigned { Sequences = 0, Sources = 1 };
  /// The tokens of a set.
  struct Tokens {
    /// [sequences, length], 1 where there is a token; not there if no argument
    /// is of this set.
    std::optional<Tensor> mask;
    /// The mask's name in the interface, or empty if there is none.
    std::string maskName;
  };
  llvm::ArrayRef<Tokens> getTokens() const { return sets; }
  /// [sequences, length], 1 where the sequences have a token.
  const Tensor &getMask() const { return *sets[Sequences].mask; }
  /// Values by name, [sequences, length] or [sequences], without the masks.
  const llvm::StringMap<Tensor> &getInputs() const { return inputs; }
  /// Places of tokens by name, [sequences].
  const llvm::StringMap<Tensor> &getPlaces() const { return places; }

private:
  int64_t findToken(int64_t sequence, uint32_t random) const;
  using Rows = llvm::SmallVector<llvm::SmallVector<int64_t>>;
  Rows getRows(mlir::FunctionOpInterface function, unsigned set) const;
  /// A token that is there: its packed row, and its place in the padded form.
  struct Position {
    int64_t row, place;
  };
  llvm::SmallVector<Position> getPositions(const Rows &rows,
                                           unsigned set) const;
  int64_t getLength(unsigned set) const {
    return sets[set].mask->getShape()[1];
  }
  bool isKept(unsigned set, int64_t sequence, int64_t column) const {
    return std::as_const(*sets[set].mask)
               .integers()[sequence * getLength(set) + column] != 0;
  }

  Tokens sets[2];
  llvm::StringMap<Tensor> inputs, places;
};

} // namespace transom::verify

#endif // TRANSOM_VERIFY_BATCH_H
