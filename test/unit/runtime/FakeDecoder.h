//===- FakeDecoder.h - a library with a cache, written by hand ------------===//
//
// Two programs: `forward`, which is not run, and `step`, whose kernels store
// tokens in the cache's blocks and read all of a sequence back through its
// table. A row's value depends on every token up to it, in order, and on each
// token being stored at its position.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_TEST_UNIT_RUNTIME_FAKEDECODER_H
#define TRANSOM_TEST_UNIT_RUNTIME_FAKEDECODER_H

#include "FakeLibrary.h"

#include "runtime/cache/Step.h"

#include <cmath>

namespace transom::test {

struct FakeDecoder {
  static constexpr int64_t idBound = 500, positionBound = 200;
  // One layer, one head of 3 columns, padded to 16: keys, then values.
  static constexpr int64_t columns = 32, width = 5, stride = 64;
  static constexpr int64_t blockFloats = columns * TRANSOM_CACHE_BLOCK;
  enum Input { Ids, Positions, Offsets, Lengths, Asked, Slots, Table, Blocks };

  transom_library library = {};
  transom_program programs[2] = {};
  transom_generation_info generation = {
      /*eos_token_ids=*/nullptr, 0, /*decoder_start_token_id=*/-1,
      /*logits=*/0, 0};
  std::vector<transom_input_info> inputs = {
      inputInfo("input_ids", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS, idBound),
      inputInfo("position_ids", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS,
                positionBound, TRANSOM_DEFAULT_POSITION_IDS),
      inputInfo("offsets", TRANSOM_ROLE_OFFSETS, TRANSOM_SEQUENCES),
      inputInfo("lengths", TRANSOM_ROLE_KEY_LENGTHS, TRANSOM_SEQUENCES),
      inputInfo("output_positions", TRANSOM_ROLE_OUTPUT_POSITIONS,
                TRANSOM_OUTPUT_POSITIONS),
      inputInfo("slots", TRANSOM_ROLE_CACHE_SLOTS, TRANSOM_TOKENS),
      inputInfo("table", TRANSOM_ROLE_BLOCK_TABLE, TRANSOM_BLOCKS),
      inputInfo("blocks", TRANSOM_ROLE_BLOCK_OFFSETS, TRANSOM_SEQUENCES),
      {"cache", TRANSOM_F32, TRANSOM_ROLE_CACHE, 0, TRANSOM_SLOTS, 0, 0}};
  std::vector<transom_output_info> outputs = {{"logits",
                                               TRANSOM_F32,
                                               TRANSOM_OUTPUT_POSITIONS,
                                               1,
                                               0,
                                               0,
                                               {width},
                                               4 * stride,
                                               width},
                                              {"hidden",
                                               TRANSOM_F32,
                                               TRANSOM_TOKENS,
                                               1,
                                               0,
                                               0,
                                               {width},
                                               4 * stride,
                                               width}};
  struct alignas(64) Weights {
    transom_weights_header header = {};
  } weights;
  /// What the program returns after all of its launches.
  int32_t result = 0;

  FakeDecoder() {
    memcpy(weights.header.magic, TRANSOM_WEIGHTS_MAGIC, 8);
    weights.header.abi_version = TRANSOM_ABI_VERSION;
    weights.header.header_bytes = sizeof(transom_weights_header);
    weights.header.bytes = sizeof(Weights);
    library.abi_version = TRANSOM_ABI_VERSION;
    library.struct_bytes = sizeof(transom_library);
    library.name = "decoder";
    library.metadata = "{}";
    library.target = "host";
    library.weights_bytes = sizeof(Weights);
    library.embedded_weights = &weights;
    library.num_programs = 2;
    library.programs = programs;
    library.cache_columns = columns;
    library.cache_block_bytes = blockFloats * int64_t(sizeof(float));
    library.generation = &generation;
    for (transom_program &program : programs) {
      program.arena_bytes[TRANSOM_TOKENS] = 4 * stride;
      program.arena_bytes[TRANSOM_OUTPUT_POSITIONS] = 4 * stride;
      program.outputs = outputs.data();
      program.num_outputs = int32_t(outputs.size());
    }
    programs[0].name = "forward";
    programs[0].num_inputs = Slots;
    programs[0].run = [](transom_frame *) { return 1; };
    programs[1].name = "step";
    programs[1].kind = TRANSOM_PROGRAM_STEP;
    programs[1].num_inputs = int32_t(inputs.size());
    programs[1].run = step;
    programs[0].inputs = programs[1].inputs = inputs.data();
  }
  FakeDecoder(const FakeDecoder &) = delete;

  static int32_t step(transom_frame *frame);

  /// What a row of outputs has at its first columns after these tokens.
  static float value(const std::vector<int32_t> &tokens, int column = 0) {
    int64_t hash = 1;
    for (int32_t token : tokens)
      hash = next(hash, token);
    return float(hash) + float(column);
  }
  static int64_t next(int64_t hash, int64_t token) {
    return (hash * 31 + token + 1) % 65521;
  }
};

/// ids, positions, slots, cache: where codegen puts columns 0 and 16.
inline int32_t appendKernel(void **argv) {
  auto *ids = hostAt<int32_t>(argv, 0), *positions = hostAt<int32_t>(argv, 1),
       *slots = hostAt<int32_t>(argv, 2);
  auto *cache = hostAt<float>(argv, 3);
  for (int m = 0; m < bufferAt(argv, 0).dim[1].extent; ++m) {
    int64_t token = slots[m] % TRANSOM_CACHE_BLOCK;
    float *block =
        cache + slots[m] / TRANSOM_CACHE_BLOCK * FakeDecoder::blockFloats;
    block[token] = float(ids[m]);
    block[16 * 16 + 16 * token] = float(positions[m]);
  }
  return 0;
}

/// The hash after one more key of a sequence, whose token must be where the
/// table has it.
inline int64_t nextOfKey(int64_t hash, const float *cache, const int32_t *table,
                         int key) {
  const float *block =
      cache + table[key / TRANSOM_CACHE_BLOCK] * FakeDecoder::blockFloats;
  int token = key % TRANSOM_CACHE_BLOCK;
  bool isThere = block[16 * 16 + 16 * token] == float(key);
  return isThere ? FakeDecoder::next(hash, int64_t(block[token])) : -1e9;
}

/// cache, table, out; keys, first row, rows of the sequence.
inline int32_t readKernel(void **argv) {
  auto *cache = hostAt<float>(argv, 0), *out = hostAt<float>(argv, 2);
  auto *table = hostAt<int32_t>(argv, 1);
  int keys = scalarAt(argv, 3), first = scalarAt(argv, 4),
      rows = scalarAt(argv, 5);
  const Buffer &buffer = bufferAt(argv, 2);
  int64_t hash = 1;
  int key = 0;
  for (int m = 0; m < buffer.dim[1].extent; ++m) {
    for (; key < keys - rows + first + m + 1; ++key)
      hash = nextOfKey(hash, cache, table, key);
    for (int c = 0; c < FakeDecoder::width; ++c)
      out[m * buffer.dim[1].stride + c] = float(hash) + float(c);
  }
  return 0;
}

/// A kernel of this grid with one variant.
inline transom_kernel fakeKernel(const char *name, int32_t grid,
                                 const transom_kernel_argument *arguments,
                                 int32_t numArguments,
                                 const transom_kernel_variant *variant) {
  transom_kernel kernel = {};
  kernel.name = name;
  kernel.grid = grid;
  kernel.columns = 1;
  kernel.arguments = arguments;
  kernel.num_arguments = numArguments;
  kernel.variants = variant;
  kernel.num_variants = 1;
  kernel.query_offsets = 3;
  kernel.key_offsets = 4;
  kernel.key_lengths = 5;
  return kernel;
}

/// Stores ids at slots: all programs with a cache begin so.
inline int32_t fakeAppend(transom_frame *frame, const void *ids,
                          const void *positions, const void *slots,
                          const void *cache) {
  constexpr transom_kernel_dim one = {TRANSOM_CONSTANT, 1, 1};
  static const transom_kernel_argument stored[] = {
      matrix(0, 1, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, one, 0, TRANSOM_I32),
      matrix(1, 1, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, one, 0, TRANSOM_I32),
      matrix(2, 1, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, one, 0, TRANSOM_I32),
      matrix(3, 0, TRANSOM_CONSTANT, TRANSOM_CONSTANT, one)};
  static const transom_kernel_variant appends = {
      appendKernel, INT64_MAX, 1, 4, 1, 0};
  static const transom_kernel kernel =
      fakeKernel("append", TRANSOM_GRID_ROWS, stored, 4, &appends);
  const void *operands[] = {ids, positions, slots, cache};
  return transom_launch(frame, &kernel, operands,
                        frame->extents[TRANSOM_TOKENS], "append");
}

/// Launches a kernel that reads keys by a table: operands and arguments are
/// those of readKernel.
inline int32_t fakeAttend(transom_frame *frame, const char *name,
                          const transom_kernel_variant &variant,
                          const void *const *operands) {
  constexpr transom_kernel_dim one = {TRANSOM_CONSTANT, 1, 1};
  constexpr transom_kernel_dim wide = {TRANSOM_CONSTANT, FakeDecoder::width, 1};
  static const transom_kernel_argument read[] = {
      matrix(0, 0, TRANSOM_CONSTANT, TRANSOM_CONSTANT, wide),
      matrix(1, 1, TRANSOM_TASK_KEYS, TRANSOM_TASK_KEYS, one, 0, TRANSOM_I32),
      matrix(2, FakeDecoder::stride, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS,
             wide),
      scalar(TRANSOM_TASK_KEYS),
      scalar(TRANSOM_TASK_ROW_BEGIN),
      scalar(TRANSOM_SEQUENCE_ROWS)};
  transom_kernel kernel =
      fakeKernel(name, TRANSOM_GRID_RAGGED, read, 6, &variant);
  return transom_launch(frame, &kernel, operands,
                        frame->extents[TRANSOM_TOKENS], name);
}

/// Sets the outputs of a step whose hidden rows are computed.
inline void fakeOutputs(transom_frame *frame, float *hidden) {
  float *logits =
      hidden + frame->padded_extents[TRANSOM_TOKENS] * FakeDecoder::stride;
  auto *asked = static_cast<const int32_t *>(frame->inputs[FakeDecoder::Asked]);
  for (int64_t i = 0; i < frame->extents[TRANSOM_OUTPUT_POSITIONS]; ++i)
    memcpy(logits + i * FakeDecoder::stride,
           hidden + asked[i] * FakeDecoder::stride,
           FakeDecoder::width * sizeof(float));
  frame->outputs[0] = logits;
  frame->outputs[1] = hidden;
}

inline int32_t FakeDecoder::step(transom_frame *frame) {
  static const transom_kernel_variant reads = {readKernel, INT64_MAX, 1,
                                               8,          1,         0};
  auto *hidden = reinterpret_cast<float *>(frame->arena);
  const void *const *in = frame->inputs;
  const void *cache = in[Blocks + 1];
  if (int32_t status =
          fakeAppend(frame, in[Ids], in[Positions], in[Slots], cache))
    return status;
  const void *loads[] = {cache,       in[Table],  hidden,
                         in[Offsets], in[Blocks], in[Lengths]};
  if (int32_t status = fakeAttend(frame, "attend", reads, loads))
    return status;
  fakeOutputs(frame, hidden);
  auto *session = static_cast<transom_session *>(frame->session);
  return reinterpret_cast<const FakeDecoder *>(session->model->library)->result;
}

/// A fake library with a cache, opened, with a session.
template <typename Fake> struct OpenedFake : FakeSession<Fake> {
  explicit OpenedFake(transom_session_options options = {}) {
    this->open(options);
  }
};
using OpenedDecoder = OpenedFake<FakeDecoder>;

/// The score of a next token, from the value that a fake decoder computes of a
/// sequence.
inline float scoreOf(float value, int64_t token) {
  auto hash = static_cast<int64_t>(value);
  return float((hash * 7919 + hash * (token + 1) * (token + 3) * 104729) %
               10007) /
         1500;
}

/// After a fake decoder's step: scores instead of each output position's value.
inline void scoreOutputs(transom_frame *frame) {
  auto *logits =
      const_cast<float *>(static_cast<const float *>(frame->outputs[0]));
  for (int64_t row = 0; row < frame->extents[TRANSOM_OUTPUT_POSITIONS]; ++row) {
    float *scores = logits + row * FakeDecoder::stride;
    float value = scores[0];
    for (int64_t token = 0; token < FakeDecoder::width; ++token)
      scores[token] = scoreOf(value, token);
  }
}

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_RUNTIME_FAKEDECODER_H
