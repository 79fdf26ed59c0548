//===- ConstantData.h - structs of abi.h as LLVM dialect globals ----------===//
#ifndef TRANSOM_CODEGEN_HOST_CONSTANTDATA_H
#define TRANSOM_CODEGEN_HOST_CONSTANTDATA_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <variant>
#include <vector>

namespace transom::codegen {

/// A constant of an LLVM type: a number, the address of a symbol ("" is null),
/// or one datum for each element of a struct or array.
struct Datum {
  using List = std::vector<Datum>;
  struct Address {
    std::string symbol;
  };
  // An int64_t or a double, whatever number it is made of: an enum would become
  // a double by itself.
  template <
      typename T,
      std::enable_if_t<std::is_integral_v<T> || std::is_enum_v<T>, int> = 0>
  Datum(T integer) : value(static_cast<int64_t>(integer)) {}
  Datum(double number) : value(number) {}
  Datum(Address address) : value(std::move(address)) {}
  Datum(List list) : value(std::move(list)) {}

  std::variant<int64_t, double, Address, List> value;
};

/// Elements of the type of transom_frame.
enum FrameField {
  FrameWeights = 0,
  FrameArena = 1,
  FrameInputs = 2,
  FrameOutputs = 3,
  FrameExtents = 4,
  FramePaddedExtents = 5,
  FrameRequested = 6
};

/// The LLVM types of the structs in runtime/abi.h, field by field.
struct AbiTypes {
  explicit AbiTypes(mlir::MLIRContext *context);
  mlir::Type pointer, i8, i32, i64, f64;
  mlir::LLVM::LLVMStructType kernelArgument, kernelVariant, kernel, inputInfo,
      outputInfo, program, generationInfo, library, frame;
};

/// Adds constant globals to a module.
class ConstantData {
public:
  /// `textPrefix` begins the symbols of strings; each user of a module has its
  /// own.
  explicit ConstantData(mlir::ModuleOp module,
                        mlir::StringRef textPrefix = "text.");

  /// A global `symbol` of `type` with this value.
  mlir::LLVM::GlobalOp define(mlir::StringRef symbol, mlir::Type type,
                              const Datum &value, mlir::LLVM::Linkage linkage);
  /// As `define`, an array of `type`; null if `values` is empty.
  Datum array(mlir::StringRef symbol, mlir::Type type,
              const Datum::List &values);
  /// The address of a null-terminated string: one global for equal texts.
  Datum text(mlir::StringRef text);

private:
  mlir::Value materialize(mlir::OpBuilder &builder, mlir::Type type,
                          const Datum &datum);

  mlir::ModuleOp module;
  std::string textPrefix;
  llvm::StringMap<std::string> texts; ///< text -> symbol
};

} // namespace transom::codegen

#endif // TRANSOM_CODEGEN_HOST_CONSTANTDATA_H
