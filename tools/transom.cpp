//===- transom.cpp - compile, run and inspect transformer models ---------===//

#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/raw_ostream.h"

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  llvm::errs() << "transom: no commands yet\n";
  return 2;
}
