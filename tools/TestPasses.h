//===- TestPasses.h - passes that only tests use ----------------*- C++ -*-===//

#ifndef TRANSOM_TOOLS_TESTPASSES_H
#define TRANSOM_TOOLS_TESTPASSES_H

namespace transom {

/// Registers with the command line of transom-opt:
///   --test-interpret               runs each function without arguments and
///                                  prints its name and results to stdout; each
///                                  program, on three tokens of two sequences
///   --test-decompose-equivalence   runs each function on random arguments
///                                  before and after all that decomposes is
///                                  decomposed, over several sizes of the
///                                  dimensions that transformer.dims names, and
///                                  fails where the results differ
void registerTestPasses();

} // namespace transom

#endif // TRANSOM_TOOLS_TESTPASSES_H
