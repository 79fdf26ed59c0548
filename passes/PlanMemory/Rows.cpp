//===- Rows.cpp - how many rows every value of a function has -------------===//

#include "passes/PlanMemory/Plan.h"

#include "ir/Kernel/Layout.h"
#include "ir/Transformer/ModelAttributes.h"

using namespace mlir;
using namespace transom;
using namespace transom::memory;
using transom::transformer::GetWeightOp;

/// Rows of an activation whose leading dimension is `dim`; nullopt if padding
/// has to be removed first.
static std::optional<Rows> rowsOf(transformer::Dimension dim) {
  if (dim == transformer::Dimension::SequencesPlusOne)
    return Rows{kernel::Extent::Sequences, /*slack=*/1};
  // The values are the same (TransformerAttributes.td).
  std::optional<kernel::Extent> extent =
      kernel::symbolizeExtent(static_cast<uint32_t>(dim));
  return extent ? std::optional(Rows{*extent}) : std::nullopt;
}

/// A new state takes the memory of the old one, so that all that read the old
/// one must have run before.
static LogicalResult findRowsOfUpdate(Plan &plan, kernel::CallOp call,
                                      Value updated) {
  Value origin = plan.updates.lookup(updated);
  if (!origin && isa<BlockArgument>(updated))
    origin = updated;
  if (!origin)
    return call.emitOpError()
           << "expects to change an argument of the function "
              "in place, got another value";
  for (Operation *user : updated.getUsers())
    if (user != call && !user->isBeforeInBlock(call)) {
      InFlightDiagnostic diagnostic =
          call.emitOpError()
          << "changes in place what is read again later as it was before";
      diagnostic.attachNote(user->getLoc()) << "it is read here";
      return diagnostic;
    }
  plan.updates[call.getResult(0)] = origin;
  // A copy, because the map may grow before it is stored.
  Rows same = plan.rows.find(updated)->second;
  plan.rows[call.getResult(0)] = same;
  return success();
}

static LogicalResult findRowsOfResults(Plan &plan, kernel::CallOp call) {
  kernel::DefineOp define = plan.getKernel(call);
  auto leading = plan.rows.find(call.getArguments()[define.getRows()]);
  if (leading == plan.rows.end())
    return call.emitOpError() << "expects its rows operand to be an "
                                 "activation, got a weight";
  if (std::optional<unsigned> updated = define.getUpdatedArgument())
    return findRowsOfUpdate(plan, call, call.getArguments()[*updated]);
  // Without the slack of offsets (sequences+1): a kernel makes one row of each
  // of the extent.
  Rows result{leading->second.extent};
  if (static_cast<unsigned>(result.extent) >= kernel::numArenaExtents)
    return call.emitOpError() << "expects rows that the arena has, got "
                              << kernel::stringifyExtent(result.extent);
  for (Value value : call.getResults())
    plan.rows[value] = result;
  return success();
}

/// Rows of arguments by the names of their dimensions, of results by the rows
/// operand of their kernel.
LogicalResult memory::findRows(Plan &plan) {
  func::FuncOp function = plan.function;
  for (BlockArgument argument : function.getArguments()) {
    std::optional<transformer::Dimension> dim =
        transformer::getDim(function.getArgAttrDict(argument.getArgNumber()));
    std::optional<Rows> found = dim ? rowsOf(*dim) : std::nullopt;
    if (!found) {
      InFlightDiagnostic diagnostic =
          function.emitOpError()
          << "argument " << argument.getArgNumber()
          << " expects the first of 'transformer.dims' to be \"tokens\", "
             "\"sequences\", \"encoder_tokens\", \"output_positions\", "
             "\"blocks\", "
             "\"slots\" or \"encoder_blocks\", got ";
      return dim ? diagnostic << '"' << transformer::stringifyDimension(*dim)
                              << '"'
                 : diagnostic << "no names";
    }
    plan.rows[argument] = *found;
  }
  for (Operation &op : function.front().without_terminator()) {
    if (isa<GetWeightOp>(op))
      continue;
    auto call = dyn_cast<kernel::CallOp>(op);
    if (!call) {
      InFlightDiagnostic diagnostic = op.emitOpError()
                                      << "expects to be outlined into a kernel";
      diagnostic.attachNote(op.getLoc())
          << "transom-outline-kernels should have consumed it";
      return diagnostic;
    }
    if (failed(findRowsOfResults(plan, call)))
      return failure();
    plan.calls.push_back(call);
  }
  OperandRange results = plan.getResults();
  if (results.size() > kernel::mostOutputs)
    return function.emitOpError() << "expects at most " << kernel::mostOutputs
                                  << " results, got " << results.size();
  for (auto [number, result] : llvm::enumerate(results))
    if (!plan.rows.contains(result))
      return function.emitOpError()
             << "result " << number << " expects an activation, got a weight";
  return success();
}
