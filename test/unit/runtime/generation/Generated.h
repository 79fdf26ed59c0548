//===- Generated.h - calling generate, as vectors -------------------------===//
#ifndef TRANSOM_TEST_UNIT_RUNTIME_GENERATION_GENERATED_H
#define TRANSOM_TEST_UNIT_RUNTIME_GENERATION_GENERATED_H

#include "Formula.h"

#include "runtime/entry.h"
#include "runtime/generation/Generate.h"

namespace transom::test {

inline transom_generation_options defaults() {
  transom_generation_options options = {};
  options.struct_bytes = sizeof(options);
  return options;
}

/// Lists of tokens that a transom_token_lists points to.
struct Lists {
  Lists(const std::vector<Ints> &lists = {}) {
    for (const Ints &list : lists) {
      tokens.insert(tokens.end(), list.begin(), list.end());
      offsets.push_back(int64_t(tokens.size()));
    }
  }
  transom_token_lists get() const {
    return {tokens.data(), offsets.data(), int64_t(offsets.size()) - 1};
  }
  Ints tokens;
  std::vector<int64_t> offsets = {0};
};

/// What generate returned; rows by prompt, then by sequence.
struct Generated {
  transom_status status = TRANSOM_OK;
  std::vector<Ints> tokens;
  Ints finish;
  std::vector<float> scores;
};

inline Generated generate(FormulaDecoder &fake,
                          const std::vector<Ints> &prompts,
                          const transom_generation_options &options,
                          transom_generation_callback callback = nullptr,
                          void *user = nullptr) {
  Lists lists(prompts);
  transom_token_lists given = lists.get();
  int64_t rows =
      int64_t(prompts.size()) * std::max(options.num_return_sequences, 1);
  int64_t most = 0;
  for (const Ints &prompt : prompts) {
    int64_t length = fake.table.encode ? 1 : int64_t(prompt.size());
    most = std::max<int64_t>(most,
                             options.max_new_tokens ? options.max_new_tokens
                             : options.max_length ? options.max_length - length
                                                  : 20);
  }
  most = std::max<int64_t>(most, 1);
  constexpr int32_t guard = -77;
  Ints tokens(size_t(rows * most), guard);
  std::vector<int64_t> lengths(size_t(rows), -1);
  Generated result;
  result.finish.resize(size_t(rows));
  result.scores.resize(size_t(rows));
  transom_generated memory = {sizeof(memory),      0,
                              tokens.data(),       most,
                              lengths.data(),      result.finish.data(),
                              result.scores.data()};
  result.status =
      transom::generate(fake.table, &given, &options, callback, user, &memory);
  EXPECT_TRUE(fake.sequences.empty()) << "sequences are left";
  if (result.status != TRANSOM_OK)
    return result;
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t *begin = tokens.data() + row * most;
    EXPECT_GE(lengths[size_t(row)], 0);
    result.tokens.emplace_back(begin, begin + lengths[size_t(row)]);
    for (int64_t i = lengths[size_t(row)]; i < most; ++i)
      EXPECT_EQ(begin[i], guard);
  }
  return result;
}

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_RUNTIME_GENERATION_GENERATED_H
