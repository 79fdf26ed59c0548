//===- ModuleFile.h - models as modules of IR -------------------*- C++ -*-===//
//
// An .mlir file holds @forward, in any ops that the passes take. Its weights
// have values, or name tensors of a checkpoint that another frontend opens.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_MODULEFILE_H
#define TRANSOM_FRONTENDS_MODULEFILE_H

#include "frontends/Frontend.h"

namespace transom {

extern const Frontend moduleFileFrontend;

} // namespace transom

#endif // TRANSOM_FRONTENDS_MODULEFILE_H
