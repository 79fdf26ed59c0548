//===- WeightWriter.cpp - checkpoint tensors -> the packed weights file ---===//

#include "codegen/weights/WeightWriter.h"
#include "runtime/abi.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

#include <cerrno>
#include <cmath>
#include <numeric>
#include <sys/stat.h>
#include <unistd.h>

using namespace mlir;
using namespace transom;
using namespace transom::codegen;

WeightWriter::WeightWriter(const WeightPlan &plan, const WeightSource *source)
    : plan(plan), source(source) {}

/// A weight with an inline value: its numbers, as a tensor in memory.
static void inlineValue(ElementsAttr value, WeightTensor &tensor) {
  tensor.inlined = std::make_shared<std::vector<float>>();
  tensor.inlined->reserve(value.getNumElements());
  for (APFloat element : value.getValues<APFloat>())
    tensor.inlined->push_back(element.convertToFloat());
  TensorView view;
  view.shape = {tensor.shape.rows, tensor.shape.columns};
  view.bytes =
      ArrayRef(reinterpret_cast<const uint8_t *>(tensor.inlined->data()),
               tensor.inlined->size() * sizeof(float));
  tensor.parts.push_back({view, tensor.shape.rows, /*transposed=*/false});
}

/// Looks one checkpoint tensor up as the next rows of a weight, and says at the
/// weight what is wrong with it.
static LogicalResult addPart(transformer::WeightOp weight,
                             transformer::SourceAttr attribute,
                             const WeightSource *source, WeightTensor &tensor) {
  if (!source)
    return weight.emitOpError()
           << "reads tensor '" << attribute.getTensor()
           << "', but no checkpoint was given; name its folder with --weights";
  llvm::Expected<TensorView> view = source->lookup(attribute.getTensor());
  if (!view)
    return weight.emitOpError() << llvm::toString(view.takeError());
  SmallVector<int64_t> expected(weight.getType().getShape());
  SmallVector<int64_t, 4> shape(view->shape);
  bool transposed = attribute.getTransposed();
  bool matches =
      shape.size() == expected.size() && (!transposed || shape.size() == 2);
  if (matches && transposed)
    std::swap(shape[0], shape[1]);
  // Of a matrix, the columns that the weight has.
  ArrayRef<int64_t> columns = attribute.getColumns();
  if (!columns.empty()) {
    if (matches && shape.size() == 2) {
      int64_t last = *llvm::max_element(columns);
      if (last >= shape[1])
        return weight.emitOpError()
               << "expects tensor '" << attribute.getTensor()
               << "' to have a column " << last << ", got " << shape[1]
               << " columns";
      shape[1] = columns.size();
    } else {
      matches = false;
    }
  }
  // Rows are only known in sum, unless the source is the only one.
  bool only = weight.getSourcesAttr().size() == 1;
  if (matches)
    matches = (shape.empty() || !only || shape[0] == expected[0]) &&
              ArrayRef(shape).drop_front(!shape.empty()) ==
                  ArrayRef(expected).drop_front(!expected.empty());
  if (!matches)
    return weight.emitOpError()
           << "expects tensor '" << attribute.getTensor() << "' to make up ["
           << llvm::join(llvm::map_range(
                             expected,
                             [](int64_t dim) { return std::to_string(dim); }),
                         ", ")
           << "]" << (transposed ? " transposed" : "") << ", got ["
           << llvm::join(llvm::map_range(
                             view->shape,
                             [](int64_t dim) { return std::to_string(dim); }),
                         ", ")
           << "]";
  int64_t rows = shape.empty() ? 1 : shape[0];
  tensor.parts.push_back({std::move(*view), rows, transposed, columns});
  return success();
}

LogicalResult WeightWriter::resolve() {
  bool good = true;
  for (const PackedWeight &weight : plan.weights()) {
    auto item = std::make_unique<Item>();
    item->weight = &weight;
    WeightTensor &tensor = item->tensor;
    tensor.shape = weight.shape;
    transformer::WeightOp op = weight.weight;
    if (op.getValueAttr()) {
      inlineValue(op.getValueAttr(), tensor);
    } else if (op.getSourcesAttr()) {
      bool found = true;
      for (auto attribute :
           op.getSourcesAttr().getAsRange<transformer::SourceAttr>())
        found &= succeeded(addPart(op, attribute, source, tensor));
      int64_t rows = 0;
      for (const WeightTensor::Part &part : tensor.parts)
        rows += part.rows;
      if (found && rows != tensor.shape.rows) {
        op.emitOpError() << "expects its sources to have " << tensor.shape.rows
                         << " rows in all, got " << rows;
        found = false;
      }
      good &= found;
    } else {
      op.emitOpError() << "has neither sources nor a value to be packed";
      good = false;
    }
    item->pieces = piecesOf(weight.shape, weight.packing);
    item->hashes.resize(item->pieces.count);
    item->left = item->pieces.count;
    items.push_back(std::move(item));
  }
  return success(good);
}

llvm::Error WeightWriter::writeAt(const void *data, size_t size,
                                  int64_t offset) {
  const char *next = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t written = pwrite(descriptor, next, size, base + offset);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0) {
      std::error_code code(written < 0 ? errno : EIO, std::generic_category());
      return llvm::createStringError(code, "cannot write '%s': %s",
                                     path.c_str(), code.message().c_str());
    }
    next += written;
    offset += written;
    size -= written;
  }
  return llvm::Error::success();
}

void WeightWriter::writePiece(Item &item, int64_t index) {
  // After a failure there is no use in filling the rest of a disk.
  if (failed)
    return;
  // Kept by the thread: its pages need not be faulted in for each piece.
  thread_local PackingBuffer buffer;
  packPiece(item.tensor, item.weight->packing, index, buffer);
  // NaN is the only number that isn't itself; the sum vectorises.
  bool hasNaN = std::accumulate(
      buffer.rows.begin(), buffer.rows.end(), false,
      [](bool any, float value) { return any | (value != value); });
  if (hasNaN)
    item.hasNaN = true;
  const std::vector<uint8_t> &packed = buffer.packed;
  item.hashes[index] = llvm::xxh3_64bits(packed);
  if (llvm::Error error =
          writeAt(packed.data(), packed.size(),
                  item.weight->offset + index * item.pieces.bytes)) {
    std::string text = llvm::toString(std::move(error));
    std::lock_guard<std::mutex> lock(mutex);
    if (!failed.exchange(true))
      problem = text;
  }
  if (--item.left == 0 && source && !item.tensor.inlined)
    for (const WeightTensor::Part &part : item.tensor.parts)
      source->release(part.view);
}

/// Zeros first, where huge pages begin: the system then keeps the file in huge
/// pages until it goes from memory. From the small ones that pieces alone would
/// leave, weights are read a quarter slower. Failures are the pieces' to
/// report.
static void makeHugePages(int file, int64_t bytes) {
  constexpr int64_t hugePage = int64_t(2) << 20;
  std::vector<char> zeros(hugePage);
  for (int64_t at = 0; at < bytes; at += hugePage)
    if (pwrite(file, zeros.data(), std::min(hugePage, bytes - at), at) < 0)
      return;
}

void WeightWriter::start(llvm::ThreadPoolTaskGroup &tasks, int file,
                         std::string name, int64_t offset) {
  descriptor = file;
  path = std::move(name);
  base = offset;
  if (base == 0)
    makeHugePages(file, plan.fileBytes());
  for (std::unique_ptr<Item> &item : items)
    for (int64_t index = 0; index < item->pieces.count; ++index)
      tasks.async(
          [this, item = item.get(), index] { writePiece(*item, index); });
}

llvm::Expected<uint64_t> WeightWriter::finish() {
  if (failed)
    return llvm::createStringError(problem);
  // The hash of the hashes of the pieces, and of where they are.
  std::vector<uint64_t> hashes;
  for (const std::unique_ptr<Item> &item : items) {
    hashes.push_back(item->weight->offset);
    hashes.insert(hashes.end(), item->hashes.begin(), item->hashes.end());
  }
  transom_weights_header header = {};
  memcpy(header.magic, TRANSOM_WEIGHTS_MAGIC, sizeof(header.magic));
  header.abi_version = TRANSOM_ABI_VERSION;
  header.header_bytes = sizeof(header);
  header.bytes = plan.fileBytes();
  header.hash = llvm::xxh3_64bits(
      llvm::ArrayRef(reinterpret_cast<const uint8_t *>(hashes.data()),
                     hashes.size() * sizeof(uint64_t)));
  if (llvm::Error error = writeAt(&header, sizeof(header), 0))
    return error;
  // The last weight's alignment belongs to the file.
  struct stat status;
  if (fstat(descriptor, &status) == 0 &&
      status.st_size < base + plan.fileBytes() &&
      ftruncate(descriptor, base + plan.fileBytes()) != 0) {
    std::error_code code(errno, std::generic_category());
    return llvm::createStringError(code, "cannot write '%s': %s", path.c_str(),
                                   code.message().c_str());
  }
  return header.hash;
}

std::vector<transformer::WeightOp> WeightWriter::weightsWithNaN() const {
  std::vector<transformer::WeightOp> weights;
  for (const std::unique_ptr<Item> &item : items)
    if (item->hasNaN)
      weights.push_back(item->weight->weight);
  return weights;
}
