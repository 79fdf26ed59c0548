//===- Families.h - the kinds of models that we can import ------*- C++ -*-===//
//
// A family is one entry in the table of Families.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_FRONTENDS_HUGGINGFACE_FAMILIES_H
#define TRANSOM_FRONTENDS_HUGGINGFACE_FAMILIES_H

#include "frontends/huggingface/Config.h"
#include "frontends/huggingface/ModelBuilder.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>

namespace transom::huggingface {

/// One model, as its config.json describes it.
class Definition {
public:
  virtual ~Definition() = default;

  /// The sizes that people ask for: "6 layers, 12 heads, ...".
  virtual std::string describe() const = 0;

  /// Writes inputs, forward pass and outputs of `task`, which is one of the
  /// family's.
  virtual void build(llvm::StringRef task, ModelBuilder &builder) const = 0;
};

/// A key of config.json that names a token, and what transformers takes if it
/// is missing.
struct TokenKey {
  llvm::StringLiteral key;
  int64_t fallback;
};

struct Family {
  llvm::StringLiteral modelType; ///< "model_type" of config.json
  /// What names of the classes in transformers begin with: "Bert".
  llvm::StringLiteral className;
  /// Before the base model's tensors, if the checkpoint is of a larger one: the
  /// first of these that begins a name.
  llvm::ArrayRef<llvm::StringLiteral> prefixes;
  llvm::ArrayRef<llvm::StringLiteral> tasks;
  /// Beginnings of names (without prefix) that a checkpoint may hold and a task
  /// may leave unused: heads of other tasks, and buffers.
  llvm::ArrayRef<llvm::StringLiteral> optionalTensors;
  /// Endings of names of buffers, for every task.
  llvm::ArrayRef<llvm::StringLiteral> buffers = {};
  /// Those of its tokens that a configuration need not name.
  llvm::ArrayRef<TokenKey> tokens = {};
  /// Reads all of the configuration that is this family's own.
  std::unique_ptr<Definition> (*read)(Config &config);
};

// Encoders, described in EncoderFamilies.cpp.
extern const Family bertFamily;
extern const Family camembertFamily;
extern const Family distilbertFamily;
extern const Family electraFamily;
extern const Family robertaFamily;
extern const Family xlmRobertaFamily;

// Decoders, described in DecoderFamilies.cpp.
extern const Family gptFamily;
extern const Family gpt2Family;
extern const Family llamaFamily;

// Encoders and decoders with relative positions, described in T5.cpp.
extern const Family mt5Family;
extern const Family t5Family;
extern const Family umt5Family;

llvm::ArrayRef<const Family *> families();

/// The task, as Hugging Face's exporters name it, of a class of `family`: of
/// "BertForMaskedLM" it is "fill-mask". Empty if the class is none of the
/// family's, or its task has no name.
llvm::StringRef taskOf(const Family &family, llvm::StringRef architecture);

/// What generate() of transformers takes from config.json if the model has no
/// generation_config.json.
llvm::json::Object generationDefaults(const Family &family,
                                      const Config &config);

/// Marks the keys that every configuration may have and that have no influence
/// on a forward pass, and refuses those that every configuration may have and
/// we can't compile.
void readCommonKeys(Config &config);

} // namespace transom::huggingface

#endif // TRANSOM_FRONTENDS_HUGGINGFACE_FAMILIES_H
