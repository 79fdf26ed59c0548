//===- Check.cpp - transom check: can this model be compiled? -------------===//

#include "tools/commands/Commands.h"

#include "frontends/huggingface/HuggingFace.h"
#include "ir/Transformer/ModelAttributes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

static cl::SubCommand
    flags("check", "list everything that keeps a model from being compiled");

static cl::opt<std::string> folder(cl::Positional, cl::Required,
                                   cl::desc("MODEL"), cl::sub(flags));
static cl::opt<std::string> task("task", cl::value_desc("task"),
                                 cl::desc("default: what config.json asks for"),
                                 cl::sub(flags));

/// The name and shape of each argument or result: `input_ids [batch, length]`.
static void printTensors(StringRef title, mlir::TypeRange types,
                         ArrayRef<mlir::Attribute> attributes) {
  outs() << "  " << title << ':';
  for (auto [type, attribute] : zip_equal(types, attributes)) {
    auto dictionary = cast<mlir::DictionaryAttr>(attribute);
    auto name = dictionary.getAs<mlir::StringAttr>(transformer::nameAttr);
    auto dims = dictionary.getAs<mlir::ArrayAttr>(transformer::dimsAttr);
    outs() << ' ' << name.getValue() << " [";
    interleaveComma(zip_equal(cast<mlir::RankedTensorType>(type).getShape(),
                              dims.getAsRange<mlir::StringAttr>()),
                    outs(), [](auto dim) {
                      auto [extent, name] = dim;
                      if (mlir::ShapedType::isDynamic(extent))
                        outs() << name.getValue();
                      else
                        outs() << extent;
                    });
    outs() << ']';
  }
  outs() << '\n';
}

static int run() {
  mlir::MLIRContext context;
  huggingface::Problems problems;
  huggingface::ImportedModel model =
      huggingface::importModel(context, folder, {task}, problems);
  problems.print(errs());
  if (!model.module) {
    size_t count = problems.numErrors();
    errs() << count << (count == 1 ? " error\n" : " errors\n");
    return 1;
  }
  outs() << "ready to compile: " << model.description << '\n';
  for (auto function : model.module->getOps<mlir::func::FuncOp>()) {
    printTensors("inputs", function.getArgumentTypes(),
                 function.getArgAttrsAttr().getValue());
    printTensors("outputs", function.getResultTypes(),
                 function.getResAttrsAttr().getValue());
  }
  return 0;
}

Command checkCommand() { return {flags, run}; }

} // namespace transom
