//===- Formula.h - a model that is a formula, and remembers tokens --------===//
#ifndef TRANSOM_TEST_UNIT_RUNTIME_GENERATION_FORMULA_H
#define TRANSOM_TEST_UNIT_RUNTIME_GENERATION_FORMULA_H

#include "runtime/Error.h"
#include "runtime/generation/Decoder.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <vector>

namespace transom::test {

using Ints = std::vector<int32_t>;

/// A logit of `next` after `before` (-1: none) and `last`. record.py has it,
/// too.
inline float formula(int32_t before, int32_t last, int32_t next) {
  uint32_t h = uint32_t(before < 0 ? 1000003 : before) * 2246822519U ^
               uint32_t(last) * 2654435761U;
  h ^= uint32_t(next + 1) * 3266489917U;
  h = (h ^ h >> 15) * 2246822519U;
  h = (h ^ h >> 13) * 3266489917U;
  h = (h ^ h >> 16) & 0xFFFF;
  return (float(h) - 32768) / 8192;
}

/// Keeps the tokens of every sequence and fails tests that misuse it.
struct FormulaDecoder {
  explicit FormulaDecoder(int64_t vocabulary = 40) {
    table = {};
    table.self = this;
    table.vocabulary = table.ids = vocabulary;
    table.positions = 1000;
    table.add = add;
    table.fork = fork;
    table.truncate = truncate;
    table.free = free;
    table.step = step;
    stride = vocabulary + 3; // As an arena's padding.
  }
  FormulaDecoder(const FormulaDecoder &) = delete;

  Decoder table;
  int64_t stride;
  std::map<int64_t, Ints> sequences;
  int64_t nextSequence = 100;
  /// Tokens that all sequences together may have; forks cost what they share.
  int64_t capacity = INT64_MAX;
  std::function<float(const Ints &, int32_t)> logit = [](const Ints &tokens,
                                                         int32_t next) {
    size_t size = tokens.size();
    return formula(size < 2 ? -1 : tokens[size - 2], tokens[size - 1], next);
  };
  std::vector<float> rows;

  /// Encoder inputs count, once it is an encoder-decoder.
  void addEncoder(int64_t encoderIds = 40, int64_t encoderPositions = 100) {
    table.encode = encode;
    table.encoderIds = encoderIds;
    table.encoderPositions = encoderPositions;
    table.startId = 2;
  }
  std::map<int64_t, Ints> encoderInputs; ///< of sequences that have one
  /// As `logit`, of an encoder input: another last token.
  static float logitBeside(const Ints &encoderInput, const Ints &tokens,
                           int32_t next) {
    int32_t shift = 0;
    for (size_t i = 0; i < encoderInput.size(); ++i)
      shift += int32_t(i + 1) * encoderInput[i];
    size_t size = tokens.size();
    return formula(size < 2 ? -1 : tokens[size - 2],
                   (tokens[size - 1] + shift) % 40, next);
  }
  std::function<float(const Ints &, const Ints &, int32_t)> beside =
      logitBeside;

  // What has happened.
  std::vector<Ints> encoderSizes; ///< of each encode
  int64_t steps = 0, tokensRead = 0, forks = 0, exhaustions = 0;
  std::vector<Ints> partSizes; ///< of each step

  int64_t tokensHeld() const {
    int64_t sum = 0;
    for (const auto &[number, tokens] : sequences)
      sum += int64_t(tokens.size());
    for (const auto &[number, tokens] : encoderInputs)
      sum += int64_t(tokens.size());
    return sum;
  }

private:
  static FormulaDecoder &of(void *self) {
    return *static_cast<FormulaDecoder *>(self);
  }
  static transom_status add(void *self, int64_t &sequence) {
    sequence = of(self).nextSequence++;
    of(self).sequences[sequence];
    return TRANSOM_OK;
  }
  static transom_status fork(void *self, int64_t sequence, int64_t length,
                             int64_t &result) {
    FormulaDecoder &fake = of(self);
    if (!fake.sequences.count(sequence)) {
      ADD_FAILURE() << "no sequence " << sequence;
      return TRANSOM_INVALID_ARGUMENT;
    }
    Ints tokens = fake.sequences[sequence];
    EXPECT_GE(length, 0);
    EXPECT_LE(length, int64_t(tokens.size()));
    if (fake.tokensHeld() + length > fake.capacity) {
      ++fake.exhaustions;
      return fail(TRANSOM_EXHAUSTED, "fork: full");
    }
    ++fake.forks;
    tokens.resize(size_t(length));
    result = fake.nextSequence++;
    fake.sequences[result] = tokens;
    if (fake.encoderInputs.count(sequence))
      fake.encoderInputs[result] = fake.encoderInputs[sequence];
    return TRANSOM_OK;
  }
  static transom_status truncate(void *self, int64_t sequence, int64_t length) {
    Ints &tokens = of(self).sequences.at(sequence);
    EXPECT_LE(length, int64_t(tokens.size()));
    tokens.resize(size_t(length));
    return TRANSOM_OK;
  }
  static void free(void *self, int64_t sequence) {
    EXPECT_EQ(of(self).sequences.erase(sequence), 1U);
    of(self).encoderInputs.erase(sequence);
  }
  static transom_status encode(void *self, const StepPart *parts,
                               int64_t numParts) {
    FormulaDecoder &fake = of(self);
    EXPECT_GT(numParts, 0);
    int64_t total = 0;
    Ints sizes;
    for (int64_t i = 0; i < numParts; ++i) {
      EXPECT_TRUE(fake.sequences.at(parts[i].sequence).empty());
      EXPECT_GT(parts[i].count, 0);
      EXPECT_LE(parts[i].count, fake.table.encoderPositions);
      total += parts[i].count;
      sizes.push_back(int32_t(parts[i].count));
    }
    if (fake.table.stepTokens > 0)
      EXPECT_LE(total, fake.table.stepTokens);
    if (fake.tokensHeld() + total > fake.capacity) {
      ++fake.exhaustions;
      return fail(TRANSOM_EXHAUSTED, "encode: full");
    }
    for (int64_t i = 0; i < numParts; ++i)
      fake.encoderInputs[parts[i].sequence] =
          Ints(parts[i].tokens, parts[i].tokens + parts[i].count);
    fake.encoderSizes.push_back(sizes);
    return TRANSOM_OK;
  }
  static transom_status step(void *self, const StepPart *parts,
                             int64_t numParts, const int32_t *positions,
                             int64_t numPositions, StepRows &result) {
    FormulaDecoder &fake = of(self);
    EXPECT_GT(numParts, 0);
    std::set<int64_t> numbers;
    int64_t total = 0;
    Ints sizes;
    for (int64_t i = 0; i < numParts; ++i) {
      EXPECT_TRUE(fake.sequences.count(parts[i].sequence));
      EXPECT_TRUE(numbers.insert(parts[i].sequence).second);
      EXPECT_GT(parts[i].count, 0);
      total += parts[i].count;
      sizes.push_back(int32_t(parts[i].count));
    }
    if (fake.table.stepTokens > 0)
      EXPECT_LE(total, fake.table.stepTokens);
    if (fake.tokensHeld() + total > fake.capacity) {
      ++fake.exhaustions;
      return fail(TRANSOM_EXHAUSTED, "step: full");
    }
    std::vector<Ints> contexts, contextEncoderInputs;
    for (int64_t i = 0; i < numParts; ++i) {
      Ints &tokens = fake.sequences[parts[i].sequence];
      for (int64_t t = 0; t < parts[i].count; ++t) {
        EXPECT_GE(parts[i].tokens[t], 0);
        EXPECT_LT(parts[i].tokens[t], fake.table.ids);
        tokens.push_back(parts[i].tokens[t]);
        contexts.push_back(tokens);
        if (fake.table.encode)
          contextEncoderInputs.push_back(
              fake.encoderInputs.at(parts[i].sequence));
      }
      EXPECT_LE(int64_t(tokens.size()), fake.table.positions);
    }
    fake.rows.assign(size_t(numPositions * fake.stride), NAN);
    for (int64_t p = 0; p < numPositions; ++p) {
      EXPECT_LT(positions[p], total);
      for (int64_t next = 0; next < fake.table.vocabulary; ++next)
        fake.rows[size_t(p * fake.stride + next)] =
            fake.table.encode
                ? fake.beside(contextEncoderInputs[size_t(positions[p])],
                              contexts[size_t(positions[p])], int32_t(next))
                : fake.logit(contexts[size_t(positions[p])], int32_t(next));
    }
    result = {fake.rows.data(), fake.stride};
    ++fake.steps;
    fake.tokensRead += total;
    fake.partSizes.push_back(sizes);
    return TRANSOM_OK;
  }
};

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_RUNTIME_GENERATION_FORMULA_H
