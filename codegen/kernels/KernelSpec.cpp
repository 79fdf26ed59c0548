//===- KernelSpec.cpp - specs as text -------------------------------------===//
#include "codegen/kernels/KernelSpec.h"

#include <sstream>

using namespace transom::codegen;

namespace {

const char *nameOf(Expression::Kind kind) {
  switch (kind) {
#define NAME(kind)                                                             \
  case Expression::Kind::kind:                                                 \
    return #kind;
    TRANSOM_EXPRESSION_KINDS(NAME)
#undef NAME
  }
  return "";
}

/// Writes name=value pairs; floating-point values exactly.
class Writer {
public:
  explicit Writer(const char *family) {
    text << std::hexfloat << family << '(';
  }
  template <typename T> Writer &field(const char *name, const T &value) {
    text << separator << name << '=';
    write(value);
    separator = ",";
    return *this;
  }
  std::string str() const { return text.str() + ')'; }

private:
  void write(int64_t value) { text << value; }
  void write(bool value) { text << value; }
  void write(float value) { text << value; }
  template <typename T> void write(const std::vector<T> &values) {
    text << '[';
    for (T value : values)
      text << value << ' ';
    text << ']';
  }
  void write(const std::vector<ProgramOperand> &operands) {
    text << '[';
    for (const ProgramOperand &operand : operands)
      text << static_cast<int>(operand.broadcast) << ':' << operand.stride
           << ':' << operand.offset << ' ';
    text << ']';
  }
  void write(const RowProgram &program) {
    text << '[';
    for (const Expression &expression : program.expressions) {
      text << nameOf(expression.kind) << '(';
      if (expression.kind == Expression::Kind::Input)
        text << expression.index;
      if (expression.kind == Expression::Kind::Constant)
        text << expression.constant;
      const char *space = "";
      for (int operand : expression.operands) {
        text << space << operand;
        space = " ";
      }
      text << ") ";
    }
    text << "->";
    for (int result : program.results)
      text << ' ' << result;
    text << ']';
  }

  std::ostringstream text;
  const char *separator = "";
};

// Every field of a spec is bound, so that one which is new is not forgotten:
// two kernels would be one to the cache.

std::string describeSpec(const LinearSpec &spec) {
  const auto &[in, out, xStride, xOffset, outStride, hasBias, epilogue,
               epilogueOperands] = spec;
  return Writer("linear")
      .field("in", in)
      .field("out", out)
      .field("xStride", xStride)
      .field("xOffset", xOffset)
      .field("outStride", outStride)
      .field("hasBias", hasBias)
      .field("epilogue", epilogue)
      .field("operands", epilogueOperands)
      .str();
}

std::string describeSpec(const AttentionSpec &spec) {
  const auto &[heads, keyHeads, headDim, queryStride, queryOffset, keyStride,
               keyOffset, valueStride, valueOffset, outStride, scale, causal,
               distances, firstDistance] = spec;
  return Writer("attention")
      .field("heads", heads)
      .field("keyHeads", keyHeads)
      .field("headDim", headDim)
      .field("queryStride", queryStride)
      .field("queryOffset", queryOffset)
      .field("keyStride", keyStride)
      .field("keyOffset", keyOffset)
      .field("valueStride", valueStride)
      .field("valueOffset", valueOffset)
      .field("outStride", outStride)
      .field("scale", scale)
      .field("causal", causal)
      .field("distances", distances)
      .field("firstDistance", firstDistance)
      .str();
}

std::string describeSpec(const AppendCacheSpec &spec) {
  const auto &[keyHeads, headDim, keyStride, keyOffset, valueStride,
               valueOffset, cacheWidth, cacheOffset] = spec;
  return Writer("append_cache")
      .field("keyHeads", keyHeads)
      .field("headDim", headDim)
      .field("keyStride", keyStride)
      .field("keyOffset", keyOffset)
      .field("valueStride", valueStride)
      .field("valueOffset", valueOffset)
      .field("cacheWidth", cacheWidth)
      .field("cacheOffset", cacheOffset)
      .str();
}

std::string describeSpec(const CachedAttentionSpec &spec) {
  const auto &[heads, keyHeads, headDim, queryStride, queryOffset, cacheWidth,
               cacheOffset, outStride, scale, causal, distances,
               firstDistance] = spec;
  return Writer("cached_attention")
      .field("heads", heads)
      .field("keyHeads", keyHeads)
      .field("headDim", headDim)
      .field("queryStride", queryStride)
      .field("queryOffset", queryOffset)
      .field("cacheWidth", cacheWidth)
      .field("cacheOffset", cacheOffset)
      .field("outStride", outStride)
      .field("scale", scale)
      .field("causal", causal)
      .field("distances", distances)
      .field("firstDistance", firstDistance)
      .str();
}

std::string describeSpec(const RotarySpec &spec) {
  const auto &[heads, headDim, xStride, xOffset, outStride, frequencies] = spec;
  return Writer("rotary")
      .field("heads", heads)
      .field("headDim", headDim)
      .field("xStride", xStride)
      .field("xOffset", xOffset)
      .field("outStride", outStride)
      .field("frequencies", frequencies)
      .str();
}

std::string describeSpec(const NormSpec &spec) {
  const auto &[width, xStride, residualStride, outStride, sumStride, epsilon,
               rms, hasResidual, hasBeta, storesSum] = spec;
  return Writer("norm")
      .field("width", width)
      .field("xStride", xStride)
      .field("residualStride", residualStride)
      .field("outStride", outStride)
      .field("sumStride", sumStride)
      .field("epsilon", epsilon)
      .field("rms", rms)
      .field("hasResidual", hasResidual)
      .field("hasBeta", hasBeta)
      .field("storesSum", storesSum)
      .str();
}

std::string describeSpec(const EmbeddingSpec &spec) {
  const auto &[width, tableRows, tableStride, tableBlock, outStride,
               addendStride] = spec;
  return Writer("embedding")
      .field("width", width)
      .field("tableRows", tableRows)
      .field("tableStride", tableStride)
      .field("tableBlock", tableBlock)
      .field("outStride", outStride)
      .field("addendStride", addendStride)
      .str();
}

std::string describeSpec(const RowProgramSpec &spec) {
  const auto &[width, program, inputs, resultStrides] = spec;
  return Writer("row_program")
      .field("width", width)
      .field("program", program)
      .field("operands", inputs)
      .field("resultStrides", resultStrides)
      .str();
}

} // namespace

std::string transom::codegen::describe(const KernelSpec &spec) {
  return std::visit([](const auto &each) { return describeSpec(each); }, spec);
}
