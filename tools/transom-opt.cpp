//===- transom-opt.cpp - run passes and stages on a file of IR -----------===//

#include "tools/Registry.h"

#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  transom::registerDialects(registry);
  transom::registerAllPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "Transom's passes, one at a time or in stages\n", registry));
}
