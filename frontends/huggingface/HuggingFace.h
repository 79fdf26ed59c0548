//===- HuggingFace.h - models as transformers saves them --------*- C++ -*-===//
//
// A model is a folder with config.json and safetensors. It becomes a module of
// definition ops, whose weights are named, and a source of the weights.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_HUGGINGFACE_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_HUGGINGFACE_H

#include "frontends/Frontend.h"

namespace transom::huggingface {

extern const Frontend frontend;

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_HUGGINGFACE_H
