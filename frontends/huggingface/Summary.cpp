//===- Summary.cpp - one token of a sequence, projected -------------------===//

#include "frontends/huggingface/Summary.h"

using namespace mlir;
using llvm::StringLiteral;

namespace transom::huggingface {

namespace {

/// Which token it is: by default, and by what name a caller chooses another.
struct SummaryType {
  StringLiteral name;
  transformer::DefaultKind defaultKind;
  StringLiteral input; ///< "": the head's own
};

} // namespace

static constexpr SummaryType summaryTypes[] = {
    {"cls_index", transformer::DefaultKind::Last, ""},
    {"last", transformer::DefaultKind::Last, "last_token"},
    {"first", transformer::DefaultKind::First, "first_token"},
};

Value buildSummary(StringRef module, StringLiteral tokenIndex, Value hidden,
                   Config &config, ModelBuilder &builder) {
  const SummaryType &type =
      config.oneOf("summary_type", "cls_index", llvm::ArrayRef(summaryTypes));
  Value index =
      builder.addInput({.name = type.input.empty() ? tokenIndex : type.input,
                        .defaultKind = type.defaultKind,
                        .role = transformer::InputRole::TokenIndex,
                        .length = std::nullopt});
  Value x = builder.gatherToken(module, hidden, index);
  bool projects = config.flag("summary_use_proj", true);
  bool isLabel = projects && config.flag("summary_proj_to_labels", true);
  int64_t width = cast<RankedTensorType>(hidden.getType()).getShape().back();
  std::string projection = (module + ".summary").str();
  if (projects)
    x = builder.linear(projection, x, isLabel ? 1 : width);
  if (!config.string("summary_activation", "").empty())
    x = builder.activation(
        (module + ".activation").str(),
        config.oneOf("summary_activation", "", activations()), x);
  return isLabel ? builder.column(projection, x, 0) : x;
}

} // namespace transom::huggingface
