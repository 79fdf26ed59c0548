//===- Commands.h - the subcommands of `transom` ----------------*- C++ -*-===//
//
// One file a command, which holds its flags and its function; transom.cpp lists
// them. A command is flags and wiring only: the work is done by libraries.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_TOOLS_COMMANDS_COMMANDS_H
#define TRANSOM_TOOLS_COMMANDS_COMMANDS_H

#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

namespace transom {

struct Command {
  /// True if this is the command given; its options say `cl::sub(flags)`.
  llvm::cl::SubCommand &flags;
  /// Does the work. Returns the exit code: 0, or 1 after having said on stderr
  /// what is wrong.
  int (*run)();
};

/// The exit code of a command that ends in `error`, which it says on stderr.
inline int exitCode(llvm::Error error) {
  if (!error)
    return 0;
  llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
  return 1;
}

Command benchCommand();
Command checkCommand();
Command compileCommand();
Command generateCommand();
Command importCommand();
Command infoCommand();
Command runCommand();
Command verifyCommand();

} // namespace transom

#endif // TRANSOM_TOOLS_COMMANDS_COMMANDS_H
