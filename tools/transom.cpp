//===- transom.cpp - compile, run and inspect transformer models ---------===//
//
// Finds the subcommand; each is a file of commands/.
//
//===----------------------------------------------------------------------===//

#include "tools/commands/Commands.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"

using namespace llvm;

/// In the order in which a user meets them.
static SmallVector<transom::Command> commands() {
  return {transom::compileCommand(), transom::checkCommand(),
          transom::importCommand(),  transom::infoCommand(),
          transom::runCommand(),     transom::generateCommand(),
          transom::benchCommand(),   transom::verifyCommand()};
}

int main(int argc, char **argv) {
  InitLLVM init(argc, argv);
  // LLVM's own options stay usable but out of sight.
  cl::OptionCategory none("");
  cl::HideUnrelatedOptions(none);
  SmallVector<transom::Command> known = commands();
  cl::ParseCommandLineOptions(
      argc, argv, "an ahead-of-time compiler for transformer models\n");
  for (const transom::Command &command : known)
    if (command.flags)
      return command.run();
  // Without a command there is nothing to do: say what there is.
  cl::PrintHelpMessage();
  return 1;
}
