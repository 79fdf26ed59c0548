//===- BatchPacker.h - from a caller's batch to the packed one ------------===//
#ifndef TRANSOM_RUNTIME_BATCHPACKER_H
#define TRANSOM_RUNTIME_BATCHPACKER_H

#include "runtime/Memory.h"
#include "runtime/batch/Request.h"
#include "runtime/cache/Sequences.h"

namespace transom {

/// A batch as generated code sees it. The rows of a sequence stand together:
/// its attended tokens in their order, then those that are masked but asked for
/// by a TRANSOM_ROLE_TOKEN_ROWS input, once each. The latter are queries, not
/// keys, so key lengths don't count them.
struct BatchPacker {
  /// For the inputs that `request`, which was created, owns.
  bool create(const Request &request);
  void release();

  /// Packed rows that the request has.
  static int64_t countRows(const Request &request);

  /// Positions that it asks for: those that are listed, or else as many as
  /// there are tokens; 0 if none of its outputs has positions.
  int64_t countPositions(const Request &request) const;

  /// Room for that many packed rows, sequences and positions; false if there is
  /// none.
  bool reserve(int64_t rows, int64_t sequences, int64_t positions);

  /// Room for so many blocks of the cache, of all sequences of a step, and of
  /// their encoder inputs.
  bool reserveBlocks(int64_t blocks, int64_t encoderBlocks);

  /// Packs `numRows` rows and `numPositions` positions, after `reserve`; with
  /// a cache for its `batch`, after `reserveBlocks`. Fails where a value lies
  /// outside its bounds.
  transom_status pack(const Request &request, const Batch *batch);

  /// Copies the program's rows into the caller's tensors, in his form; zeros
  /// for masked tokens, and for sequences that have none.
  /// `rows` is [num_outputs], as transom_frame::outputs.
  void unpack(const Request &request, const void *const *rows) const;

  int64_t numRows = 0, numPositions = 0;
  int32_t *offsets = nullptr, *keyLengths = nullptr;
  const void **inputs = nullptr; ///< [num_inputs], as transom_frame::inputs

private:
  void layOut(const Request &request, const Batch *batch);
  void packBlocks(const Request &request, const Batch &batch);
  void packEncoder(const Request &request, const Batch &batch);
  void packSequences(const Request &request);
  transom_status findTokenIndices(const Request &request, int32_t input);
  transom_status packValues(const Request &request, int32_t input);
  transom_status fillPositions(const Request &request, int32_t input,
                               const Batch *batch);
  transom_status countPositions(const Request &request, int32_t input);
  void packPositions(const Request &request);
  int32_t rowOf(const Request &request, int64_t index) const;

  int32_t numPerToken = 0, numPerSequence = 0;
  /// Of each packed row, if there are positions to be found; or null.
  int32_t *columns = nullptr;
  /// With a cache. Tables of blocks lie one behind the other.
  int32_t *slots = nullptr, *table = nullptr, *blockOffsets = nullptr;
  int32_t *encoderTable = nullptr, *encoderBlockOffsets = nullptr,
          *encoderLengths = nullptr;
  Region perToken, perSequence, perPosition, perBlock;
};

} // namespace transom

#endif // TRANSOM_RUNTIME_BATCHPACKER_H
