//===- Checkpoint.h - a model's tensors, in one file or many ----*- C++ -*-===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_CHECKPOINT_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_CHECKPOINT_H

#include "frontends/Problems.h"
#include "frontends/huggingface/Safetensors.h"
#include "ir/Weights/WeightSource.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace transom::huggingface {

/// All tensors of a model's folder: model.safetensors, or the shards that
/// model.safetensors.index.json lists.
class Checkpoint final : public WeightSource {
public:
  /// Maps the files and reads their headers. Returns null after having reported
  /// problems; says what lies there instead if there are no safetensors.
  static std::unique_ptr<Checkpoint> open(llvm::StringRef folder,
                                          Problems &problems);

  llvm::Expected<TensorView> lookup(llvm::StringRef tensor) const override;
  void release(const TensorView &view) const override;

  /// The file to blame for what concerns all tensors: the only one, or the
  /// index.
  llvm::StringRef getFile() const { return file; }

  bool contains(llvm::StringRef tensor) const {
    return tensors.contains(tensor);
  }

  /// Whether any tensor's name begins so.
  bool hasPrefix(llvm::StringRef prefix) const;

  /// Checks that `tensor` is there, of a type that weights can have, and of
  /// this shape; reports what is wrong. It is then counted as used.
  bool require(llvm::StringRef tensor, llvm::ArrayRef<int64_t> shape,
               Problems &problems);

  /// Warns of tensors that no layer required, but for those whose name
  /// `ignored` accepts.
  void reportUnused(llvm::function_ref<bool(llvm::StringRef)> ignored,
                    Problems &problems) const;

private:
  struct Entry {
    const StoredTensor *tensor;
    const Safetensors *shard;
  };

  explicit Checkpoint(llvm::StringRef file) : file(file.str()) {}

  bool readIndex(llvm::StringRef folder, llvm::StringRef text,
                 Problems &problems);
  /// Adds a file's tensors.
  const Safetensors *addShard(llvm::StringRef folder, llvm::StringRef name,
                              Problems &problems);

  /// The name most like `tensor`, which does not exist; empty if none is.
  llvm::StringRef findNearest(llvm::StringRef tensor) const;

  std::string file;
  std::vector<std::unique_ptr<Safetensors>> shards;
  llvm::StringMap<Entry> tensors;
  llvm::StringSet<> used;
  /// Names are compared for the first few only: a wrong checkpoint lacks many
  /// thousand tensors, and the comparison of each takes long.
  size_t numMissing = 0;
};

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_CHECKPOINT_H
