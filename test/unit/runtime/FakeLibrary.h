//===- FakeLibrary.h - a compiled library, written by hand ----------------===//
//
// What the compiler would emit: a descriptor, embedded weights, and a program
// that launches kernels. Kernels are C++ here, called through Halide's argv.
//
//===----------------------------------------------------------------------===//
#ifndef TRANSOM_TEST_UNIT_RUNTIME_FAKELIBRARY_H
#define TRANSOM_TEST_UNIT_RUNTIME_FAKELIBRARY_H

#include "runtime/Session.h"
#include "runtime/entry.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace transom::test {

// Halide's own, spelled here once more: the runtime's copy is private to it.
struct BufferDim {
  int32_t min, extent, stride;
  uint32_t flags;
};
struct Buffer {
  uint64_t device;
  const void *deviceInterface;
  uint8_t *host;
  uint64_t flags;
  uint8_t code, bits;
  uint16_t lanes;
  int32_t dimensions;
  BufferDim *dim;
  void *padding;
};
inline const Buffer &bufferAt(void **argv, int argument) {
  return *static_cast<Buffer *>(argv[1 + argument]);
}
template <typename T> T *hostAt(void **argv, int argument) {
  return reinterpret_cast<T *>(bufferAt(argv, argument).host);
}
inline int32_t scalarAt(void **argv, int argument) {
  return *static_cast<int32_t *>(argv[1 + argument]);
}

/// A buffer argument [rows, columns] of f32 or i32.
inline transom_kernel_argument matrix(int32_t operand, int64_t stride,
                                      uint8_t rows, int32_t rowSource,
                                      transom_kernel_dim columns,
                                      int64_t columnElements = 0,
                                      uint8_t dtype = TRANSOM_F32) {
  transom_kernel_argument argument = {};
  argument.kind = TRANSOM_BUFFER;
  argument.dtype = dtype;
  argument.rank = 2;
  argument.rows = rows;
  argument.operand = operand;
  argument.column_divisor = 1;
  argument.row_bytes = 4 * stride;
  argument.column_bytes = 4 * columnElements;
  argument.dims[0] = columns;
  argument.dims[1] = {rowSource, 0, int32_t(stride)};
  return argument;
}
inline transom_kernel_argument scalar(int32_t source) {
  transom_kernel_argument argument = {};
  argument.kind = TRANSOM_SCALAR;
  argument.source = source;
  return argument;
}

/// An input of i32, not of a token's index or of padding.
inline transom_input_info inputInfo(const char *name, int role, int extent,
                                    int64_t bound = 0, int default_kind = 0) {
  return {
      name, TRANSOM_I32, uint8_t(role), uint8_t(default_kind), uint8_t(extent),
      0,    bound};
}

/// An encoder with `input_ids`, `token_type_ids`, `position_ids`, a token
/// output of width 5 and a sequence output of width 3. By default its program
/// computes, with the packed values of a token,
///   tokens[i][c] = ids + 1000 * types + 10000 * positions + c / 8
///   pooled[s][c] = tokens[row of token 0][c], then + number of keys
struct FakeLibrary {
  static constexpr int64_t idBound = 500, typeBound = 2, positionBound = 40;
  static constexpr int tokenWidth = 5, pooledWidth = 3, stride = 64;
  enum Input { Ids, Types, Positions, Offsets, Lengths, Rows, Asked };

  // First, so that a program finds its FakeLibrary.
  transom_library library = {};
  transom_program forward = {};
  std::vector<transom_input_info> inputs = {
      inputInfo("input_ids", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS, idBound),
      inputInfo("token_type_ids", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS,
                typeBound, TRANSOM_DEFAULT_ZEROS),
      inputInfo("position_ids", TRANSOM_ROLE_VALUES, TRANSOM_TOKENS,
                positionBound, TRANSOM_DEFAULT_POSITION_IDS),
      inputInfo("offsets", TRANSOM_ROLE_OFFSETS, TRANSOM_SEQUENCES),
      inputInfo("lengths", TRANSOM_ROLE_KEY_LENGTHS, TRANSOM_SEQUENCES),
      inputInfo("first", TRANSOM_ROLE_TOKEN_ROWS, TRANSOM_SEQUENCES)};
  std::vector<transom_output_info> outputs = {{"tokens",
                                               TRANSOM_F32,
                                               TRANSOM_TOKENS,
                                               1,
                                               0,
                                               0,
                                               {tokenWidth},
                                               4 * stride,
                                               tokenWidth},
                                              {"pooled",
                                               TRANSOM_F32,
                                               TRANSOM_SEQUENCES,
                                               1,
                                               0,
                                               0,
                                               {pooledWidth},
                                               4 * stride,
                                               pooledWidth}};
  struct alignas(64) Weights {
    transom_weights_header header = {};
    float values[16] = {};
  } weights;
  std::function<int32_t(transom_frame *)> program = encode;
  std::atomic<int> runs{0};

  FakeLibrary() {
    memcpy(weights.header.magic, TRANSOM_WEIGHTS_MAGIC, 8);
    weights.header.abi_version = TRANSOM_ABI_VERSION;
    weights.header.header_bytes = sizeof(transom_weights_header);
    weights.header.bytes = sizeof(Weights);
    weights.header.hash = 0x1234;
    for (int i = 0; i < 16; ++i)
      weights.values[i] = float(i) / 8;
    library.abi_version = TRANSOM_ABI_VERSION;
    library.struct_bytes = sizeof(transom_library);
    library.name = "fake";
    library.metadata = "{}";
    library.target = "host";
    library.weights_hash = 0x1234;
    library.weights_bytes = sizeof(Weights);
    library.embedded_weights = &weights;
    library.num_programs = 1;
    library.programs = &forward;
    forward.name = "forward";
    forward.arena_bytes[TRANSOM_TOKENS] = 4 * stride;
    forward.arena_bytes[TRANSOM_SEQUENCES] = 4 * stride;
    forward.run = [](transom_frame *frame) {
      auto *session = static_cast<transom_session *>(frame->session);
      auto *self = reinterpret_cast<FakeLibrary *>(
          const_cast<transom_library *>(session->model->library));
      ++self->runs;
      return self->program(frame);
    };
    update();
  }
  FakeLibrary(const FakeLibrary &) = delete;

  /// After a change of the tables.
  void update() {
    forward.num_inputs = int32_t(inputs.size());
    forward.inputs = inputs.data();
    forward.num_outputs = int32_t(outputs.size());
    forward.outputs = outputs.data();
  }

  static const int32_t *packed(transom_frame *frame, int input) {
    return static_cast<const int32_t *>(frame->inputs[input]);
  }

  /// Adds an input `positions` and an output `logits` there: twice what
  /// `tokens` has in these rows, in slots of `bytes` a row.
  void addPositions(int64_t bytes = 4 * stride) {
    inputs.push_back(inputInfo("output_positions",
                               TRANSOM_ROLE_OUTPUT_POSITIONS,
                               TRANSOM_OUTPUT_POSITIONS));
    outputs.push_back(outputs[0]);
    outputs.back().name = "logits";
    outputs.back().extent = TRANSOM_OUTPUT_POSITIONS;
    forward.arena_bytes[TRANSOM_OUTPUT_POSITIONS] = bytes;
    program = encodeAndSelect;
    update();
  }

  static int32_t encode(transom_frame *frame);
  static int32_t encodeAndSelect(transom_frame *frame);
};

/// ids, types, positions, column weights, out.
inline int32_t embedKernel(void **argv) {
  auto *ids = hostAt<int32_t>(argv, 0), *types = hostAt<int32_t>(argv, 1),
       *positions = hostAt<int32_t>(argv, 2);
  auto *columns = hostAt<float>(argv, 3), *out = hostAt<float>(argv, 4);
  const Buffer &buffer = bufferAt(argv, 4);
  for (int m = 0; m < buffer.dim[1].extent; ++m)
    for (int c = 0; c < buffer.dim[0].extent; ++c)
      out[m * buffer.dim[1].stride + c] =
          float(ids[m] + 1000 * types[m] + 10000 * positions[m]) + columns[c];
  return 0;
}

inline int32_t FakeLibrary::encode(transom_frame *frame) {
  constexpr transom_kernel_dim one = {TRANSOM_CONSTANT, 1, 1};
  constexpr transom_kernel_dim wide = {TRANSOM_CONSTANT, tokenWidth, 1};
  static const transom_kernel_argument arguments[] = {
      matrix(0, 1, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, one, 0, TRANSOM_I32),
      matrix(1, 1, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, one, 0, TRANSOM_I32),
      matrix(2, 1, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, one, 0, TRANSOM_I32),
      matrix(3, 0, TRANSOM_CONSTANT, TRANSOM_CONSTANT, wide),
      matrix(4, stride, TRANSOM_TASK_ROWS, TRANSOM_TASK_ROWS, wide)};
  static const transom_kernel_variant variant = {embedKernel, INT64_MAX, 4,
                                                 8,           1,         0};
  static const transom_kernel kernel = {"embed",  TRANSOM_GRID_ROWS,
                                        1,        5,
                                        1,        arguments,
                                        &variant, 0,
                                        0,        0,
                                        0,        0,
                                        0,        1e6,
                                        0};
  auto *tokens = reinterpret_cast<float *>(frame->arena);
  auto *pooled = tokens + frame->padded_extents[TRANSOM_TOKENS] * stride;
  auto *weights = reinterpret_cast<const Weights *>(frame->weights);
  const void *operands[] = {frame->inputs[Ids], frame->inputs[Types],
                            frame->inputs[Positions], weights->values, tokens};
  int32_t status = transom_launch(frame, &kernel, operands,
                                  frame->extents[TRANSOM_TOKENS], "embeddings");
  if (status)
    return status;
  frame->outputs[0] = tokens;
  for (int64_t s = 0; s < frame->extents[TRANSOM_SEQUENCES]; ++s) {
    int32_t row = packed(frame, Rows)[s];
    for (int c = 0; c < pooledWidth; ++c)
      pooled[s * stride + c] =
          row < 0 ? -1 : tokens[row * stride + c] + packed(frame, Lengths)[s];
  }
  frame->outputs[1] = pooled;
  return 0;
}

inline int32_t FakeLibrary::encodeAndSelect(transom_frame *frame) {
  if (int32_t status = encode(frame))
    return status;
  auto *tokens = static_cast<const float *>(frame->outputs[0]);
  auto *logits = reinterpret_cast<float *>(frame->arena);
  logits += (frame->padded_extents[TRANSOM_TOKENS] +
             frame->padded_extents[TRANSOM_SEQUENCES]) *
            stride;
  for (int64_t i = 0; i < frame->extents[TRANSOM_OUTPUT_POSITIONS]; ++i)
    for (int c = 0; c < tokenWidth; ++c)
      logits[i * stride + c] = 2 * tokens[packed(frame, Asked)[i] * stride + c];
  frame->outputs[2] = logits;
  return 0;
}

/// The reference of the default program, for one token.
inline float tokenValue(int64_t id, int64_t type, int64_t position, int c) {
  return float(id + 1000 * type + 10000 * position) + float(c) / 8;
}

/// Tensors over vectors that the caller keeps.
template <typename T>
transom_tensor input(const char *name, std::vector<T> &data,
                     std::vector<int64_t> dims) {
  transom_tensor tensor = {};
  tensor.name = name;
  tensor.data = data.data();
  tensor.capacity = data.size() * sizeof(T);
  tensor.dtype = sizeof(T) == 8 ? TRANSOM_INT64 : TRANSOM_INT32;
  tensor.rank = int32_t(dims.size());
  for (size_t i = 0; i < dims.size() && i < 4; ++i)
    tensor.dims[i] = dims[i];
  return tensor;
}
inline transom_tensor output(const char *name, std::vector<float> &data) {
  transom_tensor tensor = {};
  tensor.name = name;
  tensor.data = data.data();
  tensor.capacity = data.size() * sizeof(float);
  tensor.dtype = TRANSOM_FLOAT32;
  return tensor;
}

/// A fake library and, once it is opened, its model and a session.
template <typename Fake> struct FakeSession {
  Fake fake;
  transom_model *model = nullptr;
  transom_session *session = nullptr;

  void open(transom_session_options options) {
    if (transom_open(&fake.library, nullptr, &model) == TRANSOM_OK)
      transom_session_create(model, &options, &session);
  }
  FakeSession() = default;
  FakeSession(const FakeSession &) = delete;
  ~FakeSession() {
    transom_session_destroy(session);
    transom_close(model);
  }
};

/// A fake library, opened, with a session.
struct Opened : FakeSession<FakeLibrary> {
  explicit Opened(transom_session_options options = {},
                  bool positions = false) {
    if (positions)
      fake.addPositions();
    open(options);
  }
  explicit Opened(int32_t threads) {
    transom_session_options options = {};
    options.threads = threads;
    open(options);
  }
  transom_status run(std::vector<transom_tensor> inputs,
                     std::vector<transom_tensor> outputs = {}) {
    transom_status status = transom_run(session, inputs.data(), inputs.size(),
                                        outputs.data(), outputs.size());
    results = outputs;
    return status;
  }
  /// The outputs after a run, for their dims.
  std::vector<transom_tensor> results;
};

} // namespace transom::test

#endif // TRANSOM_TEST_UNIT_RUNTIME_FAKELIBRARY_H
