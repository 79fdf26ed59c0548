//===- InputRoles.cpp - what each role of an input implies ----------------===//

#include "ir/Transformer/InputRoles.h"

using namespace transom::transformer;

static constexpr DefaultKind valueDefaults[] = {
    DefaultKind::Zeros, DefaultKind::Ones, DefaultKind::PositionIds,
    DefaultKind::PaddingAwarePositionIds, DefaultKind::ShiftedRight};
static constexpr DefaultKind maskDefaults[] = {DefaultKind::Ones};
static constexpr DefaultKind indexDefaults[] = {
    DefaultKind::First, DefaultKind::Last, DefaultKind::LastNonPadding,
    DefaultKind::LastEqual};
static constexpr DefaultKind rowDefaults[] = {
    DefaultKind::First, DefaultKind::Last, DefaultKind::LastNonPadding,
    DefaultKind::LastEqual, DefaultKind::Token};

const InputRoleInfo &transom::transformer::getRoleInfo(InputRole role) {
  using enum InputRole;
  // In the order of the enum.
  static constexpr InputRoleInfo table[] = {
      {Values, std::nullopt, false, false, valueDefaults},
      {SequenceOffsets, Dimension::SequencesPlusOne, false, false, {}},
      {KeyLengths, Dimension::Sequences, false, true, {}},
      {TokenRows, Dimension::Sequences, false, false, rowDefaults},
      {OutputPositions, Dimension::OutputPositions, false, false, {}},
      {CacheSlots, Dimension::Tokens, false, false, {}},
      {BlockTable, Dimension::Blocks, false, false, {}},
      {BlockOffsets, Dimension::SequencesPlusOne, false, false, {}},
      {Cache, Dimension::Slots, true, false, {}},
      {EncoderOffsets, Dimension::SequencesPlusOne, false, false, {}},
      {EncoderKeyLengths, Dimension::Sequences, false, true, {}},
      {EncoderBlockTable, Dimension::EncoderBlocks, false, false, {}},
      {EncoderBlockOffsets, Dimension::SequencesPlusOne, false, false, {}},
      {AttentionMask, Dimension::Batch, false, true, maskDefaults},
      {TokenIndex, Dimension::Batch, false, false, indexDefaults}};
  static_assert(std::size(table) == getMaxEnumValForInputRole() + 1);
  const InputRoleInfo &info = table[static_cast<unsigned>(role)];
  assert(info.role == role && "rows in the order of the enum");
  return info;
}

bool transom::transformer::hasOperand(DefaultKind kind) {
  return readsEncoderIds(kind) || readsPaddingIds(kind) ||
         kind == DefaultKind::Token;
}

bool transom::transformer::readsEncoderIds(DefaultKind kind) {
  return kind == DefaultKind::ShiftedRight || kind == DefaultKind::LastEqual;
}

bool transom::transformer::readsPaddingIds(DefaultKind kind) {
  return kind == DefaultKind::PaddingAwarePositionIds ||
         kind == DefaultKind::LastNonPadding;
}

const TokenSetInfo transom::transformer::tokenSets[numTokenSets] = {
    {Dimension::Length, Dimension::Tokens, InputRole::SequenceOffsets,
     InputRole::KeyLengths, InputRole::BlockTable, InputRole::BlockOffsets},
    {Dimension::EncoderLength, Dimension::EncoderTokens,
     InputRole::EncoderOffsets, InputRole::EncoderKeyLengths,
     InputRole::EncoderBlockTable, InputRole::EncoderBlockOffsets}};

std::optional<unsigned>
transom::transformer::findTokenSet(std::optional<Dimension> dim) {
  for (auto [number, set] : llvm::enumerate(tokenSets))
    if (dim == set.length || dim == set.tokens)
      return number;
  return std::nullopt;
}

std::optional<unsigned> transom::transformer::findTokenSet(InputRole role) {
  for (auto [number, set] : llvm::enumerate(tokenSets))
    if (llvm::is_contained(
            {set.offsets, set.keyLengths, set.blockTable, set.blockOffsets},
            role))
      return number;
  return std::nullopt;
}
