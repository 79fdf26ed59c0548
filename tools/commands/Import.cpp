//===- Import.cpp - transom import: a model as IR -------------------------===//

#include "tools/commands/Commands.h"
#include "tools/commands/Model.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OperationSupport.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;

namespace transom {

static cl::SubCommand flags("import", "write a model's forward function as IR");

static ModelFlags model(flags);
static cl::opt<std::string> output("o", cl::Required, cl::value_desc("file"),
                                   cl::desc("where to write; - is stdout"),
                                   cl::sub(flags));
static cl::opt<bool>
    locations("locations",
              cl::desc("print the layer's name behind each operation"),
              cl::sub(flags));

static int run() {
  mlir::MLIRContext context;
  ImportedModel imported = readModel(context, model.path, model.options());
  if (!imported.module)
    return 1;

  mlir::OpPrintingFlags printing;
  printing.enableDebugInfo(locations);
  // A file appears when it is complete, or not at all.
  Error error = writeToOutput(output, [&](raw_ostream &os) {
    imported.module->print(os, printing);
    os << '\n';
    return Error::success();
  });
  if (error) {
    errs() << "error: " << output << ": " << toString(std::move(error)) << '\n';
    return 1;
  }
  return 0;
}

Command importCommand() { return {flags, run}; }

} // namespace transom
