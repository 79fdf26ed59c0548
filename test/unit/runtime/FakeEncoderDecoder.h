//===- FakeEncoderDecoder.h - a library with encoder inputs, written by hand
//-----===//
//
// Three programs: `forward`, which is not run, `encode`, which stores a
// encoder input's tokens in the cache's blocks, and `step`. A row of a step
// depends on every token of its encoder input and every token of its sequence
// up to it, in order, and on each being stored at its position.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_TEST_UNIT_RUNTIME_FAKEENCODERDECODER_H
#define TRANSOM_TEST_UNIT_RUNTIME_FAKEENCODERDECODER_H

#include "FakeDecoder.h"

namespace transom::test {

struct FakeEncoderDecoder : FakeDecoder {
  static constexpr int64_t encoderIdBound = 300, encoderBound = 90;
  enum EncodeInput {
    EncoderIds,
    EncoderPositions,
    EncoderOffsets,
    EncoderLengths,
    EncoderSlots,
    EncoderCache
  };
  // A step's inputs after those of a decoder: lengths, table, blocks.
  enum StepInput { Lengths2 = Blocks + 2, Table2, Blocks2 };

  transom_program all[3] = {};
  std::vector<transom_input_info> encodeInputs = {
      inputInfo("input_ids", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS,
                encoderIdBound),
      inputInfo("places", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS, encoderBound,
                TRANSOM_DEFAULT_POSITION_IDS),
      inputInfo("offsets", TRANSOM_ROLE_OFFSETS, TRANSOM_SEQUENCES),
      inputInfo("lengths", TRANSOM_ROLE_KEY_LENGTHS, TRANSOM_SEQUENCES),
      inputInfo("slots", TRANSOM_ROLE_CACHE_SLOTS, TRANSOM_TOKENS),
      {"cache", TRANSOM_F32, TRANSOM_ROLE_CACHE, 0, TRANSOM_SLOTS, 0, 0}};
  std::vector<transom_output_info> encodeOutputs = {{"encoded",
                                                     TRANSOM_F32,
                                                     TRANSOM_TOKENS,
                                                     1,
                                                     0,
                                                     0,
                                                     {width},
                                                     4 * stride,
                                                     width}};
  int encodes = 0; ///< runs of `encode`

  FakeEncoderDecoder() {
    library.name = "pair";
    library.programs = all;
    library.num_programs = 3;
    inputs[Ids].name = "decoder_input_ids";
    inputs.push_back(inputInfo("encoder_lengths",
                               TRANSOM_ROLE_ENCODER_KEY_LENGTHS,
                               TRANSOM_SEQUENCES));
    inputs.push_back(inputInfo("source_table", TRANSOM_ROLE_ENCODER_BLOCK_TABLE,
                               TRANSOM_ENCODER_BLOCKS));
    inputs.push_back(inputInfo("encoder_blocks",
                               TRANSOM_ROLE_ENCODER_BLOCK_OFFSETS,
                               TRANSOM_SEQUENCES));
    all[0] = programs[0];
    all[2] = programs[1];
    all[0].inputs = all[2].inputs = inputs.data();
    all[2].num_inputs = int32_t(inputs.size());
    all[2].run = step;
    all[1] = all[2];
    all[1].name = "encode";
    all[1].kind = TRANSOM_PROGRAM_ENCODE;
    all[1].inputs = encodeInputs.data();
    all[1].num_inputs = int32_t(encodeInputs.size());
    all[1].outputs = encodeOutputs.data();
    all[1].num_outputs = int32_t(encodeOutputs.size());
    all[1].run = encode;
  }

  static FakeEncoderDecoder &of(transom_frame *frame) {
    auto *session = static_cast<transom_session *>(frame->session);
    auto *library = const_cast<transom_library *>(session->model->library);
    return *reinterpret_cast<FakeEncoderDecoder *>(library);
  }
  static int32_t encode(transom_frame *frame);
  static int32_t step(transom_frame *frame);

  /// What a row has at its first columns after these tokens beside this encoder
  /// input.
  static float value(const std::vector<int32_t> &encoderInput,
                     const std::vector<int32_t> &tokens, int column = 0) {
    int64_t hash = 1;
    for (int32_t token : encoderInput)
      hash = next(hash, token);
    hash = next(hash, separator);
    for (int32_t token : tokens)
      hash = next(hash, token);
    return float(hash) + float(column);
  }
  static constexpr int64_t separator = 1000;
};

/// cache, table, out; keys. Of an encoder input, for all rows of its sequence.
inline int32_t readEncoderKernel(void **argv) {
  auto *cache = hostAt<float>(argv, 0), *out = hostAt<float>(argv, 2);
  auto *table = hostAt<int32_t>(argv, 1);
  int keys = scalarAt(argv, 3);
  const Buffer &buffer = bufferAt(argv, 2);
  int64_t hash = 1;
  for (int key = 0; key < keys; ++key)
    hash = nextOfKey(hash, cache, table, key);
  for (int m = 0; m < buffer.dim[1].extent; ++m)
    out[m * buffer.dim[1].stride] =
        float(FakeDecoder::next(hash, FakeEncoderDecoder::separator));
  return 0;
}

/// As readKernel, on from what `out` has.
inline int32_t readOnKernel(void **argv) {
  auto *cache = hostAt<float>(argv, 0), *out = hostAt<float>(argv, 2);
  auto *table = hostAt<int32_t>(argv, 1);
  int keys = scalarAt(argv, 3), first = scalarAt(argv, 4),
      rows = scalarAt(argv, 5);
  const Buffer &buffer = bufferAt(argv, 2);
  for (int m = 0; m < buffer.dim[1].extent; ++m) {
    float *row = out + m * buffer.dim[1].stride;
    auto hash = int64_t(row[0]);
    for (int key = 0; key < keys - rows + first + m + 1; ++key)
      hash = nextOfKey(hash, cache, table, key);
    for (int c = 0; c < FakeDecoder::width; ++c)
      row[c] = float(hash) + float(c);
  }
  return 0;
}

/// `encoded` of a token is its id.
inline int32_t FakeEncoderDecoder::encode(transom_frame *frame) {
  FakeEncoderDecoder &self = of(frame);
  ++self.encodes;
  const void *const *in = frame->inputs;
  if (int32_t status = fakeAppend(frame, in[EncoderIds], in[EncoderPositions],
                                  in[EncoderSlots], in[EncoderCache]))
    return status;
  auto *ids = static_cast<const int32_t *>(in[EncoderIds]);
  auto *encoded = reinterpret_cast<float *>(frame->arena);
  for (int64_t row = 0; row < frame->extents[TRANSOM_TOKENS]; ++row)
    for (int64_t c = 0; c < width; ++c)
      encoded[row * stride + c] = float(ids[row]);
  frame->outputs[0] = encoded;
  return self.result;
}

inline int32_t FakeEncoderDecoder::step(transom_frame *frame) {
  static const transom_kernel_variant readsEncoder = {
      readEncoderKernel, INT64_MAX, 1, 8, 1, 0};
  static const transom_kernel_variant reads = {
      readOnKernel, INT64_MAX, 1, 8, 1, 0};
  auto *hidden = reinterpret_cast<float *>(frame->arena);
  const void *const *in = frame->inputs;
  const void *cache = in[Blocks + 1];
  if (int32_t status =
          fakeAppend(frame, in[Ids], in[Positions], in[Slots], cache))
    return status;
  const void *encoderInputs[] = {cache,       in[Table2],  hidden,
                                 in[Offsets], in[Blocks2], in[Lengths2]};
  if (int32_t status = fakeAttend(frame, "cross", readsEncoder, encoderInputs))
    return status;
  const void *loads[] = {cache,       in[Table],  hidden,
                         in[Offsets], in[Blocks], in[Lengths]};
  if (int32_t status = fakeAttend(frame, "attend", reads, loads))
    return status;
  fakeOutputs(frame, hidden);
  return of(frame).result;
}

using OpenedPair = OpenedFake<FakeEncoderDecoder>;

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_RUNTIME_FAKEENCODERDECODER_H
