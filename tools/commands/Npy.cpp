//===- Npy.cpp - NumPy's array files --------------------------------------===//
//
// A file is "\x93NUMPY", two bytes of version, the length of the header (two
// bytes, from version 2 on four), the header, and the elements. The header is a
// Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}.
//
//===----------------------------------------------------------------------===//

#include "tools/commands/Npy.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;

namespace transom {

static constexpr StringLiteral magic = "\x93NUMPY";

int64_t sizeOf(NpyArray::Type type) {
  return type == NpyArray::Type::Int64 ? 8 : 4;
}

static StringRef descriptor(NpyArray::Type type) {
  switch (type) {
  case NpyArray::Type::Float32:
    return "<f4";
  case NpyArray::Type::Int32:
    return "<i4";
  case NpyArray::Type::Int64:
    return "<i8";
  }
  llvm_unreachable("no such type");
}

/// What follows `'key':` in the header.
static Expected<StringRef> valueOf(StringRef header, StringRef key) {
  size_t at = header.find(("'" + key + "'").str());
  if (at == StringRef::npos)
    return createStringError("the header has no '%s'", key.str().c_str());
  StringRef rest = header.drop_front(at + key.size() + 2).ltrim();
  if (!rest.consume_front(":"))
    return createStringError("the header has no value for '%s'",
                             key.str().c_str());
  return rest.ltrim();
}

static Error parseHeader(StringRef header, NpyArray &array) {
  Expected<StringRef> descr = valueOf(header, "descr");
  if (!descr)
    return descr.takeError();
  StringRef type = descr->drop_front(1).take_until(
      [](char c) { return c == '\'' || c == '"'; });
  bool known = false;
  for (NpyArray::Type each :
       {NpyArray::Type::Float32, NpyArray::Type::Int32, NpyArray::Type::Int64})
    if (type == descriptor(each)) {
      array.type = each;
      known = true;
    }
  if (!known)
    return createStringError("elements of type '%s'; supported: <f4, <i4, <i8",
                             type.str().c_str());

  Expected<StringRef> fortran = valueOf(header, "fortran_order");
  if (!fortran)
    return fortran.takeError();
  if (!fortran->starts_with("False"))
    return createStringError("elements in Fortran's order; supported: C's");

  Expected<StringRef> shape = valueOf(header, "shape");
  if (!shape)
    return shape.takeError();
  StringRef rest = *shape;
  if (!rest.consume_front("(") || !rest.contains(')'))
    return createStringError("the header's shape is not a tuple");
  rest = rest.take_until([](char c) { return c == ')'; });
  SmallVector<StringRef> dims;
  rest.split(dims, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef dim : dims) {
    int64_t extent;
    if (dim.trim().empty())
      continue;
    if (dim.trim().getAsInteger(10, extent) || extent < 0)
      return createStringError("the header's shape has the extent '%s'",
                               dim.trim().str().c_str());
    array.shape.push_back(extent);
  }
  return Error::success();
}

Expected<NpyArray> parseNpy(StringRef bytes) {
  if (!bytes.consume_front(magic) || bytes.size() < 4)
    return createStringError("not a file of numpy.save");
  int version = static_cast<unsigned char>(bytes[0]);
  if (version < 1 || version > 3)
    return createStringError("version %d of the format; supported: 1, 2, 3",
                             version);
  size_t lengthBytes = version == 1 ? 2 : 4;
  bytes = bytes.drop_front(2);
  if (bytes.size() < lengthBytes)
    return createStringError("the file ends within its header");
  size_t length = version == 1 ? support::endian::read16le(bytes.data())
                               : support::endian::read32le(bytes.data());
  bytes = bytes.drop_front(lengthBytes);
  if (bytes.size() < length)
    return createStringError("the file ends within its header");
  NpyArray array;
  if (Error error = parseHeader(bytes.take_front(length), array))
    return error;
  bytes = bytes.drop_front(length);

  std::optional<int64_t> size = sizeOf(array.type);
  for (int64_t extent : array.shape)
    size = size ? checkedMul(*size, extent) : std::nullopt;
  if (!size || static_cast<size_t>(*size) != bytes.size())
    return createStringError("the header's shape needs %s bytes, but %zu "
                             "follow",
                             size ? std::to_string(*size).c_str() : "2^63",
                             bytes.size());
  array.data.assign(bytes.begin(), bytes.end());
  return array;
}

std::string formatNpy(NpyArray::Type type, ArrayRef<int64_t> shape,
                      StringRef data) {
  std::string header = ("{'descr': '" + descriptor(type) +
                        "', 'fortran_order': False, 'shape': (")
                           .str();
  for (int64_t extent : shape)
    header += std::to_string(extent) + ", ";
  header += "), }";
  // The elements begin at a multiple of 64 bytes, so that they can be mapped.
  size_t begin = magic.size() + 4;
  size_t total = alignTo(begin + header.size() + 1, 64);
  header.append(total - begin - header.size() - 1, ' ');
  header += '\n';
  std::string file = magic.str() + std::string("\1\0", 2);
  file += static_cast<char>(header.size() & 0xff);
  file += static_cast<char>(header.size() >> 8);
  return file + header + data.str();
}

} // namespace transom
