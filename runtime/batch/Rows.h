//===- Rows.h - the packed rows of a sequence -----------------------------===//
#ifndef TRANSOM_RUNTIME_ROWS_H
#define TRANSOM_RUNTIME_ROWS_H

#include "runtime/Memory.h"
#include "runtime/batch/Request.h"

namespace transom {

/// Arrays are padded like slots of the arena, see transom_frame::inputs; one
/// element more, since offsets have one more than there are sequences.
inline int64_t paddedRows(int64_t rows) {
  return roundUp(rows, TRANSOM_ROWS_ALIGNMENT);
}
inline int64_t paddedSequences(int64_t sequences) {
  return roundUp(sequences + 1, TRANSOM_ROWS_ALIGNMENT);
}

/// Is the token of the same index asked for in all sequences?
inline bool isFixedIndex(const transom_input_info &info) {
  return info.role == TRANSOM_ROLE_TOKEN_ROWS && !isTokenIndex(info);
}

/// Is the token that `input` asks for asked for by an earlier input, too?
inline bool isRepeated(const transom_program &program, int32_t input) {
  for (int32_t i = 0; i < input; ++i)
    if (isFixedIndex(program.inputs[i]) &&
        program.inputs[i].operand == program.inputs[input].operand)
      return true;
  return false;
}

/// Calls `row(column)` for each packed row of a sequence, in order, until one
/// fails: the one place that says which tokens these are.
template <typename Row>
transom_status forEachRow(const Request &request, int64_t sequence, Row row) {
  int64_t columns = request.columns(sequence), begin = request.begin(sequence);
  for (int64_t column = 0; column < columns; ++column)
    if (request.isAttended(begin + column))
      if (transom_status status = row(column))
        return status;
  // Of the encoder inputs no token is asked for.
  if (!request.mask || request.ofEncoder)
    return TRANSOM_OK;
  const transom_program &program = *request.program;
  for (int32_t i = 0; i < program.num_inputs; ++i) {
    const transom_input_info &info = program.inputs[i];
    if (isFixedIndex(info) && info.operand < columns &&
        !request.isAttended(begin + info.operand) && !isRepeated(program, i))
      if (transom_status status = row(info.operand))
        return status;
  }
  return TRANSOM_OK;
}

} // namespace transom

#endif // TRANSOM_RUNTIME_ROWS_H
