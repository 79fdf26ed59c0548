//===- Kernel.cpp - parameters and how the runtime finds them -------------===//
#include "codegen/kernels/Kernel.h"

using namespace transom::codegen;

namespace {

uint8_t dtypeOf(Halide::Type type) {
  if (type == Halide::Float(32))
    return TRANSOM_F32;
  assert(type == Halide::Int(32) && "no other element type has a kernel yet");
  return TRANSOM_I32;
}

transom_kernel_argument launchArgument(const View &view, Halide::Type type) {
  transom_kernel_argument argument = {};
  int64_t bytes = type.bytes();
  argument.kind = TRANSOM_BUFFER;
  argument.dtype = dtypeOf(type);
  argument.rank = static_cast<uint8_t>(view.dims.size());
  argument.rows = static_cast<uint8_t>(view.rows);
  argument.operand = view.operand;
  argument.column_divisor = view.columnDivisor;
  argument.offset = view.offset * bytes;
  argument.row_bytes = view.rowStride * bytes;
  argument.column_bytes = view.columnStride * bytes;
  for (size_t d = 0; d < view.dims.size(); ++d)
    argument.dims[d] = {view.dims[d].source,
                        static_cast<int32_t>(view.dims[d].extent),
                        static_cast<int32_t>(view.dims[d].stride)};
  return argument;
}

/// Tells Halide all of the shape that is known, so that addresses fold.
template <typename Param> void constrain(Param &&param, const View &view) {
  for (size_t d = 0; d < view.dims.size(); ++d) {
    param.dim(d).set_min(0).set_stride(static_cast<int>(view.dims[d].stride));
    if (view.dims[d].source == TRANSOM_CONSTANT)
      param.dim(d).set_extent(static_cast<int>(view.dims[d].extent));
  }
  // Operands start on cache lines, and so does every view at a multiple of 64.
  auto aligned = [](int64_t elements) { return elements % 16 == 0; };
  if (aligned(view.offset) && aligned(view.rowStride) &&
      aligned(view.columnStride))
    param.set_host_alignment(64);
}

} // namespace

std::vector<transom_kernel_argument> Kernel::launchArguments() const {
  std::vector<transom_kernel_argument> all = launchInputs;
  all.insert(all.end(), launchResults.begin(), launchResults.end());
  return all;
}

Halide::ImageParam Kernel::view(const std::string &name, const View &view,
                                Halide::Type type) {
  Halide::ImageParam param(type, static_cast<int>(view.dims.size()), name);
  constrain(param, view);
  inputs.push_back(param);
  launchInputs.push_back(launchArgument(view, type));
  return param;
}

Halide::Param<int32_t> Kernel::scalar(const std::string &name, int32_t source) {
  Halide::Param<int32_t> param(name);
  transom_kernel_argument argument = {};
  argument.kind = TRANSOM_SCALAR;
  argument.dtype = TRANSOM_I32;
  argument.source = source;
  argument.operand = -1;
  argument.column_divisor = 1;
  inputs.push_back(param);
  launchInputs.push_back(argument);
  return param;
}

void Kernel::result(Halide::Func func, const View &view) {
  constrain(func.output_buffer(), view);
  // The result's own loops cover what the view shows.
  for (size_t d = 0; d < view.dims.size(); ++d)
    if (view.dims[d].source == TRANSOM_CONSTANT)
      func.bound(func.args()[d], 0, static_cast<int>(view.dims[d].extent));
  resultFuncs.push_back(func);
  launchResults.push_back(launchArgument(view, Halide::Float(32)));
}
