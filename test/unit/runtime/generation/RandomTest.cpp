//===- RandomTest.cpp - the known answers of Philox 4x32-10 ---------------===//
#include "runtime/generation/Random.h"

#include <cmath>
#include <gtest/gtest.h>
#include <vector>

using transom::uniform;

namespace {

/// The 53 bits that a number was made of.
uint64_t bits(double number) { return uint64_t(ldexp(number, 53)); }

TEST(RandomTest, KnownAnswers) {
  // Of the generator's authors: counter, key, and the first two words.
  EXPECT_EQ(bits(uniform(0, 0, 0, 0)), 0x6627e8d5e169c58d >> 11);
  EXPECT_EQ(bits(uniform(0xffffffffffffffff, 0xffffffffffffffff, 0xffffffff,
                         0xffffffff)),
            0x408f276d41c83b0e >> 11);
  EXPECT_EQ(bits(uniform(0x299f31d0a4093822, 0x85a308d3243f6a88, 0x13198a2e,
                         0x03707344)),
            0xd16cfe0994fdcceb >> 11);
}

TEST(RandomTest, IsUniformAlongEveryArgument) {
  for (int argument = 0; argument < 4; ++argument) {
    std::vector<int> counts(16, 0);
    constexpr int draws = 16000;
    for (uint32_t i = 0; i < draws; ++i) {
      double number = uniform(argument == 0 ? i : 1, argument == 1 ? i : 2,
                              argument == 2 ? i : 3, argument == 3 ? i : 4);
      ASSERT_GE(number, 0);
      ASSERT_LT(number, 1);
      ++counts[size_t(number * 16)];
    }
    double chiSquare = 0;
    for (int count : counts)
      chiSquare += (count - 1000.0) * (count - 1000.0) / 1000;
    EXPECT_LT(chiSquare, 44.3) << "15 degrees of freedom, 99.99 %";
  }
}

} // namespace
