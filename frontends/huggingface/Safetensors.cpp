//===- Safetensors.cpp - one mapped .safetensors file ---------------------===//

#include "frontends/huggingface/Safetensors.h"

#include "frontends/huggingface/Files.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Alignment.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"

#include <functional>
#include <optional>
#include <sys/mman.h>
#include <tuple>

using namespace llvm;

namespace transom::huggingface {

namespace {

/// What the reference implementation allows; real headers stay under 10 MB.
constexpr uint64_t maxHeaderBytes = 100'000'000;

struct StoredType {
  StringLiteral name;
  int64_t bits;
};
constexpr StoredType storedTypes[] = {
    {"BOOL", 8},    {"U8", 8},      {"I8", 8},      {"F8_E5M2", 8},
    {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6},
    {"F4", 4},      {"I16", 16},    {"U16", 16},    {"F16", 16},
    {"BF16", 16},   {"I32", 32},    {"U32", 32},    {"F32", 32},
    {"F64", 64},    {"I64", 64},    {"U64", 64},    {"C64", 64},
};

const StoredType *findType(StringRef name) {
  const auto *it = find_if(
      storedTypes, [&](const StoredType &type) { return type.name == name; });
  return it == std::end(storedTypes) ? nullptr : it;
}

/// Bytes of a dense tensor, or nothing if they are more than any file has or
/// don't fill their last byte.
std::optional<int64_t> bytesOf(ArrayRef<int64_t> shape, int64_t bits) {
  int64_t total = bits;
  for (int64_t extent : shape)
    if (MulOverflow(total, extent, total))
      return std::nullopt;
  if (total % 8 != 0)
    return std::nullopt;
  return total / 8;
}

/// Integers, none of them negative; or nothing.
std::optional<SmallVector<int64_t, 4>> naturals(const json::Array *array) {
  if (!array)
    return std::nullopt;
  SmallVector<int64_t, 4> numbers;
  for (const json::Value &value : *array) {
    std::optional<int64_t> number = value.getAsInteger();
    if (!number || *number < 0)
      return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

} // namespace

std::string describeShape(ArrayRef<int64_t> shape) {
  std::string text;
  raw_string_ostream os(text);
  os << '[';
  interleaveComma(shape, os);
  os << ']';
  return text;
}

std::unique_ptr<Safetensors>
Safetensors::create(std::unique_ptr<MemoryBuffer> contents, StringRef file,
                    Problems &problems) {
  std::unique_ptr<Safetensors> result(
      new Safetensors(std::move(contents), file));
  if (!result->readHeader(problems))
    return nullptr;
  return result;
}

bool Safetensors::readHeader(Problems &problems) {
  StringRef all = contents->getBuffer();
  auto fail = [&](const Twine &what, const Twine &note = "") {
    problems.error(file, what, note);
    return false;
  };
  if (all.empty())
    return fail("is empty; expected a safetensors file");

  uint64_t headerBytes =
      all.size() < 8 ? 0 : support::endian::read64le(all.data());
  StringRef rest = all.drop_front(std::min<size_t>(8, all.size()));
  // Only what can't be a header is anything else: no length is forbidden.
  if (headerBytes < 2 || headerBytes > maxHeaderBytes ||
      !rest.starts_with("{")) {
    if (StringRef kind = recognize(all); !kind.empty())
      return fail("is " + kind + "; expected a safetensors file",
                  remedyFor(kind));
    if (all.size() < 8)
      return fail("is truncated: it has " + Twine(all.size()) +
                  " bytes and its header alone takes more");
    if (headerBytes > maxHeaderBytes)
      return fail("is not a safetensors file: its header would have " +
                  Twine(headerBytes) + " bytes, at most " +
                  Twine(maxHeaderBytes) + " are allowed");
    return fail(
        "is not a safetensors file: its header does not begin with '{'");
  }
  if (headerBytes > rest.size())
    return fail("is truncated: its header has " + Twine(headerBytes) +
                    " bytes and the file ends after " + Twine(rest.size()),
                "download or copy the file again");

  Expected<json::Object> header = parseObject(rest.take_front(headerBytes));
  if (!header)
    return fail("its header " + toString(header.takeError()));
  StringRef data = rest.drop_front(headerBytes);

  bool ok = true;
  int64_t lastEnd = 0;
  StringRef lastName;
  for (const json::Object::value_type *item : sorted(*header)) {
    StringRef name = item->first;
    const json::Value &value = item->second;
    if (name == "__metadata__")
      continue;
    auto wrong = [&](const Twine &what, const Twine &note = "") {
      ok = fail("tensor \"" + printable(name) + "\" " + what, note);
    };
    const json::Object *entry = value.getAsObject();
    if (!entry) {
      wrong("is " + describe(value) + "; expected an object");
      continue;
    }
    std::optional<StringRef> dtype = entry->getString("dtype");
    auto shape = naturals(entry->getArray("shape"));
    auto offsets = naturals(entry->getArray("data_offsets"));
    if (!dtype || !shape || !offsets || offsets->size() != 2) {
      wrong("is " + describe(value) +
            "; expected a dtype, a shape and two data_offsets");
      continue;
    }
    const StoredType *type = findType(*dtype);
    if (!type) {
      wrong("has the unknown dtype \"" + printable(*dtype) + "\"");
      continue;
    }
    int64_t begin = (*offsets)[0], end = (*offsets)[1];
    if (begin > end) {
      wrong("has data_offsets [" + Twine(begin) + ", " + Twine(end) +
            "]: it ends before it begins");
      continue;
    }
    if (end > int64_t(data.size())) {
      if (end > lastEnd)
        std::tie(lastEnd, lastName) = {end, name};
      continue;
    }
    std::optional<int64_t> bytes = bytesOf(*shape, type->bits);
    if (bytes != end - begin) {
      wrong("has " + Twine(end - begin) + " bytes; its shape " +
            describeShape(*shape) + " of " + type->name + " takes " +
            (bytes ? Twine(*bytes) : Twine("more than any file has")));
      continue;
    }
    tensors[name] = {type->name, std::move(*shape),
                     arrayRefFromStringRef(data.slice(begin, end))};
  }
  // Of a truncated file many tensors are gone: name the last.
  if (lastEnd != 0)
    return fail("tensor \"" + printable(lastName) + "\" ends at byte " +
                    Twine(lastEnd) + " of the data, of which the file has " +
                    Twine(data.size()),
                "the file is truncated or its header is wrong: download or "
                "copy it again");
  return ok && checkCoverage(data.size(), problems);
}

bool Safetensors::checkCoverage(size_t dataBytes, Problems &problems) const {
  SmallVector<const StringMapEntry<StoredTensor> *> order;
  for (const StringMapEntry<StoredTensor> &entry : tensors)
    order.push_back(&entry);
  // By begin; of two that begin at one byte, the empty one comes first. Names
  // make messages the same in every run.
  llvm::sort(order, [](const auto *left, const auto *right) {
    ArrayRef<uint8_t> a = left->second.bytes, b = right->second.bytes;
    return std::make_tuple(a.data(), a.size(), left->first()) <
           std::make_tuple(b.data(), b.size(), right->first());
  });
  const auto *start = reinterpret_cast<const uint8_t *>(
      contents->getBuffer().end() - dataBytes);
  const uint8_t *reached = start;
  StringRef last;
  for (const StringMapEntry<StoredTensor> *entry : order) {
    ArrayRef<uint8_t> bytes = entry->second.bytes;
    if (bytes.data() < reached) {
      problems.error(file, "tensors \"" + printable(last) + "\" and \"" +
                               printable(entry->first()) +
                               "\" overlap at byte " +
                               Twine(bytes.data() - start) + " of the data");
      return false;
    }
    if (bytes.data() > reached) {
      problems.error(file, "bytes " + Twine(reached - start) + " to " +
                               Twine(bytes.data() - start) +
                               " of the data belong to no tensor");
      return false;
    }
    reached = bytes.end();
    last = entry->first();
  }
  if (reached != start + dataBytes) {
    problems.error(file, "the data has " + Twine(dataBytes) +
                             " bytes and the last tensor ends at byte " +
                             Twine(reached - start));
    return false;
  }
  return true;
}

bool Safetensors::contains(ArrayRef<uint8_t> bytes) const {
  StringRef all = contents->getBuffer(), part = toStringRef(bytes);
  return std::less_equal<>()(all.begin(), part.begin()) &&
         std::less_equal<>()(part.end(), all.end());
}

void Safetensors::release(ArrayRef<uint8_t> bytes) const {
  // Small files are read, not mapped: there is no file behind their memory.
  if (contents->getBufferKind() != MemoryBuffer::MemoryBuffer_MMap)
    return;
  // Only pages that are all ours; the rest belong to the neighbours too.
  static const Align page(sys::Process::getPageSizeEstimate());
  uintptr_t begin = alignAddr(bytes.begin(), page);
  uintptr_t end =
      alignDown(reinterpret_cast<uintptr_t>(bytes.end()), page.value());
  // Advice: nothing is lost if it is not taken.
  if (begin < end)
    (void)::madvise(reinterpret_cast<void *>(begin), end - begin,
                    MADV_DONTNEED);
}

} // namespace transom::huggingface
