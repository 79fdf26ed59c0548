//===- KernelSpec.cpp - specs as text -------------------------------------===//
#include "codegen/kernels/KernelSpec.h"

#include <sstream>

using namespace transom::codegen;

namespace {

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
      text << static_cast<int>(expression.kind) << '(';
      for (int operand : expression.operands)
        text << operand << ' ';
      text << expression.constant << ' ' << expression.index << ')';
    }
    text << "->";
    for (int result : program.results)
      text << result << ' ';
    text << ']';
  }

  std::ostringstream text;
  const char *separator = "";
};

std::string describeSpec(const LinearSpec &spec) {
  return Writer("linear")
      .field("in", spec.in)
      .field("out", spec.out)
      .field("xStride", spec.xStride)
      .field("xOffset", spec.xOffset)
      .field("outStride", spec.outStride)
      .field("hasBias", spec.hasBias)
      .field("epilogue", spec.epilogue)
      .field("operands", spec.epilogueOperands)
      .str();
}

std::string describeSpec(const AttentionSpec &spec) {
  return Writer("attention")
      .field("heads", spec.heads)
      .field("keyHeads", spec.keyHeads)
      .field("headDim", spec.headDim)
      .field("queryStride", spec.queryStride)
      .field("queryOffset", spec.queryOffset)
      .field("keyStride", spec.keyStride)
      .field("keyOffset", spec.keyOffset)
      .field("valueStride", spec.valueStride)
      .field("valueOffset", spec.valueOffset)
      .field("outStride", spec.outStride)
      .field("scale", spec.scale)
      .field("causal", spec.causal)
      .field("distances", spec.distances)
      .field("firstDistance", spec.firstDistance)
      .str();
}

std::string describeSpec(const AppendCacheSpec &spec) {
  return Writer("append_cache")
      .field("keyHeads", spec.keyHeads)
      .field("headDim", spec.headDim)
      .field("keyStride", spec.keyStride)
      .field("keyOffset", spec.keyOffset)
      .field("valueStride", spec.valueStride)
      .field("valueOffset", spec.valueOffset)
      .field("cacheWidth", spec.cacheWidth)
      .field("cacheOffset", spec.cacheOffset)
      .str();
}

std::string describeSpec(const CachedAttentionSpec &spec) {
  return Writer("cached_attention")
      .field("heads", spec.heads)
      .field("keyHeads", spec.keyHeads)
      .field("headDim", spec.headDim)
      .field("queryStride", spec.queryStride)
      .field("queryOffset", spec.queryOffset)
      .field("cacheWidth", spec.cacheWidth)
      .field("cacheOffset", spec.cacheOffset)
      .field("outStride", spec.outStride)
      .field("scale", spec.scale)
      .field("causal", spec.causal)
      .str();
}

std::string describeSpec(const RotarySpec &spec) {
  return Writer("rotary")
      .field("heads", spec.heads)
      .field("headDim", spec.headDim)
      .field("xStride", spec.xStride)
      .field("xOffset", spec.xOffset)
      .field("outStride", spec.outStride)
      .field("frequencies", spec.frequencies)
      .str();
}

std::string describeSpec(const NormSpec &spec) {
  return Writer("norm")
      .field("width", spec.width)
      .field("xStride", spec.xStride)
      .field("residualStride", spec.residualStride)
      .field("outStride", spec.outStride)
      .field("sumStride", spec.sumStride)
      .field("epsilon", spec.epsilon)
      .field("rms", spec.rms)
      .field("hasResidual", spec.hasResidual)
      .field("hasBeta", spec.hasBeta)
      .field("storesSum", spec.storesSum)
      .str();
}

std::string describeSpec(const EmbeddingSpec &spec) {
  return Writer("embedding")
      .field("width", spec.width)
      .field("tableRows", spec.tableRows)
      .field("tableStride", spec.tableStride)
      .field("outStride", spec.outStride)
      .field("addendStride", spec.addendStride)
      .str();
}

std::string describeSpec(const RowProgramSpec &spec) {
  return Writer("row_program")
      .field("width", spec.width)
      .field("program", spec.program)
      .field("operands", spec.operands)
      .field("resultStrides", spec.resultStrides)
      .str();
}

} // namespace

std::string transom::codegen::describe(const KernelSpec &spec) {
  return std::visit([](const auto &each) { return describeSpec(each); }, spec);
}
