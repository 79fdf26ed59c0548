//===- Check.cpp - transom check: can this model be compiled? -------------===//

#include "tools/commands/Commands.h"
#include "tools/commands/Model.h"

#include "ir/Transformer/ModelAttributes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

static cl::SubCommand
    flags("check", "list everything that keeps a model from being compiled");

static ModelFlags model(flags);

/// The name and shape of each argument or result: `input_ids [batch, length]`.
/// What a module does not name is a question mark.
static void printTensors(StringRef title, mlir::TypeRange types,
                         mlir::ArrayAttr attributes) {
  outs() << "  " << title << ':';
  for (auto [number, type] : enumerate(types)) {
    mlir::DictionaryAttr named;
    if (attributes)
      named = cast<mlir::DictionaryAttr>(attributes[number]);
    auto get = [&](StringRef key) {
      return named ? named.get(key) : mlir::Attribute();
    };
    auto name = dyn_cast_or_null<mlir::StringAttr>(get(transformer::nameAttr));
    auto dims = dyn_cast_or_null<mlir::ArrayAttr>(get(transformer::dimsAttr));
    outs() << ' ' << (name ? name.getValue() : "?") << " [";
    interleaveComma(
        enumerate(cast<mlir::ShapedType>(type).getShape()), outs(),
        [&](auto dim) {
          auto [axis, extent] = dim;
          if (!mlir::ShapedType::isDynamic(extent))
            outs() << extent;
          else
            outs() << (dims ? cast<mlir::StringAttr>(dims[axis]).getValue()
                            : "?");
        });
    outs() << ']';
  }
  outs() << '\n';
}

static int run() {
  mlir::MLIRContext context;
  Problems problems;
  ImportedModel imported =
      importModel(context, model.path, model.options(), problems);
  problems.print(errs());
  if (!imported.module) {
    size_t count = problems.numErrors();
    errs() << count << (count == 1 ? " error\n" : " errors\n");
    return 1;
  }
  outs() << "ready to compile: " << imported.description << '\n';
  for (auto function : imported.module->getOps<mlir::func::FuncOp>()) {
    printTensors("inputs", function.getArgumentTypes(),
                 function.getArgAttrsAttr());
    printTensors("outputs", function.getResultTypes(),
                 function.getResAttrsAttr());
  }
  return 0;
}

Command checkCommand() { return {flags, run}; }

} // namespace transom
