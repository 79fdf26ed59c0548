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
  void write(const Format *value) { text << value->name(); }
  void write(const Activation &value) {
    text << value.stride << ':' << value.offset << ':' << value.type.name();
  }
  void write(const CacheColumns &value) {
    text << value.width << ':' << value.offset << ':' << value.type.name();
  }
  void write(const Packing &value) {
    text << value.block << ':' << value.stride << ':' << value.format->name();
  }
  template <typename T> void write(const std::vector<T> &values) {
    text << '[';
    for (const T &value : values) {
      write(value);
      text << ' ';
    }
    text << ']';
  }
  void write(const std::vector<ProgramOperand> &operands) {
    text << '[';
    for (const ProgramOperand &operand : operands)
      text << static_cast<int>(operand.broadcast) << ':' << operand.stride
           << ':' << operand.offset << ':' << operand.type.name() << ' ';
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
  const auto &[in, out, x, result, weightFormat, hasBias, epilogue,
               epilogueOperands] = spec;
  return Writer("linear")
      .field("in", in)
      .field("out", out)
      .field("x", x)
      .field("result", result)
      .field("weightFormat", weightFormat)
      .field("hasBias", hasBias)
      .field("epilogue", epilogue)
      .field("operands", epilogueOperands)
      .str();
}

std::string describeSpec(const AttentionSpec &spec) {
  const auto &[heads, keyHeads, headDim, query, key, value, result, scale,
               causal, distances, firstDistance] = spec;
  return Writer("attention")
      .field("heads", heads)
      .field("keyHeads", keyHeads)
      .field("headDim", headDim)
      .field("query", query)
      .field("key", key)
      .field("value", value)
      .field("result", result)
      .field("scale", scale)
      .field("causal", causal)
      .field("distances", distances)
      .field("firstDistance", firstDistance)
      .str();
}

std::string describeSpec(const AppendCacheSpec &spec) {
  const auto &[keyHeads, headDim, key, value, cache] = spec;
  return Writer("append_cache")
      .field("keyHeads", keyHeads)
      .field("headDim", headDim)
      .field("key", key)
      .field("value", value)
      .field("cache", cache)
      .str();
}

std::string describeSpec(const CachedAttentionSpec &spec) {
  const auto &[heads, keyHeads, headDim, query, cache, result, scale, causal,
               distances, firstDistance] = spec;
  return Writer("cached_attention")
      .field("heads", heads)
      .field("keyHeads", keyHeads)
      .field("headDim", headDim)
      .field("query", query)
      .field("cache", cache)
      .field("result", result)
      .field("scale", scale)
      .field("causal", causal)
      .field("distances", distances)
      .field("firstDistance", firstDistance)
      .str();
}

std::string describeSpec(const RotarySpec &spec) {
  const auto &[heads, headDim, x, result, frequencies] = spec;
  return Writer("rotary")
      .field("heads", heads)
      .field("headDim", headDim)
      .field("x", x)
      .field("result", result)
      .field("frequencies", frequencies)
      .str();
}

std::string describeSpec(const NormSpec &spec) {
  const auto &[width, x, residual, result, sum, epsilon, rms, hasResidual,
               hasBeta, storesSum] = spec;
  return Writer("norm")
      .field("width", width)
      .field("x", x)
      .field("residual", residual)
      .field("result", result)
      .field("sum", sum)
      .field("epsilon", epsilon)
      .field("rms", rms)
      .field("hasResidual", hasResidual)
      .field("hasBeta", hasBeta)
      .field("storesSum", storesSum)
      .str();
}

std::string describeSpec(const EmbeddingSpec &spec) {
  const auto &[width, tableRows, table, tableOffset, result, addend] = spec;
  return Writer("embedding")
      .field("width", width)
      .field("tableRows", tableRows)
      .field("table", table)
      .field("tableOffset", tableOffset)
      .field("result", result)
      .field("addend", addend)
      .str();
}

std::string describeSpec(const RowProgramSpec &spec) {
  const auto &[width, program, inputs, results] = spec;
  return Writer("row_program")
      .field("width", width)
      .field("program", program)
      .field("operands", inputs)
      .field("results", results)
      .str();
}

} // namespace

std::string transom::codegen::describe(const KernelSpec &spec) {
  return std::visit([](const auto &each) { return describeSpec(each); }, spec);
}
