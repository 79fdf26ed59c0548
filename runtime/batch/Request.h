//===- Request.h - a caller's tensors, matched with the library's ---------===//
#ifndef TRANSOM_RUNTIME_REQUEST_H
#define TRANSOM_RUNTIME_REQUEST_H

#include "runtime/abi.h"
#include "runtime/cache/Step.h"
#include "runtime/transom.h"

#include <cstring>

namespace transom {

/// Element `index` of an int32 or int64 tensor, whatever its alignment.
inline int64_t loadInteger(const transom_tensor &tensor, int64_t index) {
  const char *data = static_cast<const char *>(tensor.data);
  if (tensor.dtype == TRANSOM_INT64) {
    int64_t value;
    memcpy(&value, data + index * int64_t(sizeof(value)), sizeof(value));
    return value;
  }
  int32_t value;
  memcpy(&value, data + index * int64_t(sizeof(value)), sizeof(value));
  return value;
}

/// Does the input say which token of each sequence is read? A caller may give
/// its index, [sequences].
inline bool isTokenIndex(const transom_input_info &info) {
  return info.role == TRANSOM_ROLE_TOKEN_ROWS &&
         info.default_kind != TRANSOM_DEFAULT_NONE;
}

/// One run's tensors of one set of tokens, that of the sequences or that of the
/// encoder inputs beside a decoder: all names known, all
/// dtypes, ranks, dims and capacities checked, so that what comes after may
/// read and write all of them. Values of `sequence_offsets` and of positions
/// are checked, ids and indices are not. Of a step inside the runtime its parts
/// instead, which name no tensors.
struct Request {
  bool create(const transom_program *program, bool ofEncoder);
  void release();

  /// Does the program have tokens of an encoder input?
  static bool hasEncoderInput(const transom_program &program);
  /// Is an input or an output of this set? Positions are of sequences.
  bool owns(const transom_input_info &info) const;
  bool owns(const transom_output_info &info) const {
    return (info.extent == TRANSOM_ENCODER_TOKENS) == ofEncoder;
  }

  /// The new tokens of a step, or the encoder inputs of an encode, and the
  /// tokens that outputs at positions are asked for; see transom::step.
  void readParts(const StepPart *parts, int64_t numParts,
                 const int32_t *positions, int64_t numPositions);
  /// After that of the encoder input's request, which `encoderInput` must be.
  transom_status readInputs(const transom_tensor *tensors, size_t count);
  /// After readInputs. Sets the dims of the outputs, too.
  transom_status readOutputs(transom_tensor *tensors, size_t count);

  /// Columns of a sequence, masked ones included, and the index of its first
  /// one in every values tensor.
  int64_t columns(int64_t sequence) const {
    return parts     ? parts[sequence].count
           : offsets ? begin(sequence + 1) - begin(sequence)
                     : length;
  }
  int64_t begin(int64_t sequence) const {
    return offsets ? loadInteger(*offsets, sequence) : sequence * length;
  }
  /// The sequence that the token at this index (see `begin`) belongs to.
  int64_t sequenceOf(int64_t index) const;
  /// Is the token at this index (see `begin`) there, or masked out?
  bool isAttended(int64_t index) const {
    return !mask || loadInteger(*mask, index) != 0;
  }
  /// Does the caller give the input?
  bool has(int32_t input) const {
    return parts ? input == ids : values[input] != nullptr;
  }
  /// An input's value at a token, if it is given.
  int64_t value(int32_t input, int64_t sequence, int64_t column) const {
    return parts ? parts[sequence].tokens[column]
                 : loadInteger(*values[input], begin(sequence) + column);
  }
  /// With a cache, which of the session's sequences this one is.
  int64_t sequenceId(int64_t sequence) const {
    return parts ? parts[sequence].sequence
                 : loadInteger(*sequenceIds, sequence);
  }
  /// Is the input made of the encoder input's values? `values` has these, then.
  bool isShifted(int32_t input) const {
    return program->inputs[input].default_kind ==
               TRANSOM_DEFAULT_SHIFTED_RIGHT &&
           values[input] == encoderInput->values[encoderInput->ids];
  }
  /// Does the caller list positions? How many, and which.
  bool hasList() const { return parts || positions; }
  int64_t numListed() const {
    return parts ? numPartPositions : positions->dims[0];
  }
  int64_t listed(int64_t i) const {
    return parts ? partPositions[i] : loadInteger(*positions, i);
  }
  /// Has an output a row for each of the positions that the caller lists?
  bool isListed(const transom_output_info &info) const {
    return positions && info.extent == TRANSOM_OUTPUT_POSITIONS;
  }

  const transom_program *program = nullptr;
  /// The first input of this set that the caller has to give; -1: none.
  int32_t ids = -1;
  bool hasEncoderInputs = false; ///< the program has tokens of an encoder input
  bool ofEncoder = false;        ///< it is the encoder inputs' set
  /// Of a decoder's set, that of the encoder inputs.
  const Request *encoderInput = nullptr;
  // What the caller calls the mask and the offsets of this set.
  const char *maskName = nullptr, *offsetsName = nullptr;
  bool hasCache = false; ///< the program has one
  /// With a cache, the program reads encoder inputs that are there.
  bool readsEncoder = false;
  const transom_tensor **values = nullptr; ///< [num_inputs], null: left out
  transom_tensor **outputs = nullptr;   ///< [num_outputs], null: not asked for
  const transom_tensor *mask = nullptr; ///< or null: all tokens are there
  const transom_tensor *offsets = nullptr; ///< null: the padded form
  /// With a cache, the sequences that those of the batch are; else null.
  const transom_tensor *sequenceIds = nullptr;
  /// Indices as `begin` counts, of tokens that are there; null: all of them.
  const transom_tensor *positions = nullptr;
  int64_t sequences = 0;
  int64_t length = 0; ///< columns of the padded form
  int64_t elements =
      0; ///< of each values tensor: sequences * length, or tokens
  uint64_t requested = 0; ///< transom_frame::requested

private:
  const StepPart *parts = nullptr; ///< [sequences]; null: tensors are given
  const int32_t *partPositions = nullptr;
  int64_t numPartPositions = 0;

  /// The caller's tensor of an input with a value for each token, or null.
  const transom_tensor *perToken(int32_t input) const {
    return isTokenIndex(program->inputs[input]) ? nullptr : values[input];
  }
  bool isOfOther(const char *name) const;
  transom_status findInputs(const transom_tensor *tensors, size_t count);
  transom_status checkTokens(int32_t rank, const char *form,
                             const transom_tensor *&first);
  transom_status checkPadded();
  transom_status checkRagged();
  transom_status followEncoder();
  transom_status checkTokenIndices();
  transom_status checkPositions();
  transom_status checkContiguous();
};

} // namespace transom

#endif // TRANSOM_RUNTIME_REQUEST_H
