//===- Kernel.cpp - parameters and how the runtime finds them -------------===//
#include "codegen/kernels/Kernel.h"

using namespace transom::codegen;

namespace {

Halide::Type halideType(ElementType type) {
  static constexpr halide_type_code_t codes[] = {
      halide_type_int, halide_type_uint, halide_type_float, halide_type_bfloat};
  return Halide::Type(codes[static_cast<int>(type.kind)], type.bits, 1);
}

transom_kernel_argument launchArgument(const View &view) {
  transom_kernel_argument argument = {};
  int64_t bytes = view.type.bytes();
  argument.kind = TRANSOM_BUFFER;
  argument.dtype = view.type.abiCode();
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
  auto aligned = [&](int64_t elements) {
    return elements * view.type.bytes() % 64 == 0;
  };
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

Halide::ImageParam Kernel::view(const std::string &name, const View &view) {
  Halide::ImageParam param(halideType(view.type),
                           static_cast<int>(view.dims.size()), name);
  constrain(param, view);
  inputs.push_back(param);
  launchInputs.push_back(launchArgument(view));
  return param;
}

Kernel::Weight Kernel::weight(const std::string &name, int32_t operand,
                              const Packing &packing, int64_t columns,
                              Dim blocks) {
  const Format &format = *packing.format;
  int64_t bytes = format.blockBytes(packing.block, columns);
  std::vector<Halide::ImageParam> params;
  for (const StoredArray &array : format.arrays(packing.block, columns)) {
    View shape = {.operand = operand, .type = array.type};
    int64_t stride = 1;
    for (int64_t extent : array.extents) {
      shape.dims.push_back(fixed(extent, stride));
      stride *= extent;
    }
    blocks.stride = bytes / array.type.bytes();
    shape.dims.push_back(blocks);
    if (blocks.source == TRANSOM_TASK_COLUMNS)
      shape.columnStride = blocks.stride;
    shape.offset = array.offset / array.type.bytes();
    params.push_back(view(
        params.empty() ? name : name + std::to_string(params.size()), shape));
  }
  return [&format, params](Halide::Expr row, Halide::Expr column,
                           Halide::Expr block) {
    return format.decode(params, row, column, block);
  };
}

Halide::Param<int32_t> Kernel::scalar(const std::string &name, int32_t source) {
  Halide::Param<int32_t> param(name);
  transom_kernel_argument argument = {};
  argument.kind = TRANSOM_SCALAR;
  argument.dtype = i32.abiCode();
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
  launchResults.push_back(launchArgument(view));
}
