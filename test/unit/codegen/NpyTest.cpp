//===- NpyTest.cpp - NumPy's array files ----------------------------------===//

#include "tools/commands/Npy.h"

#include "gtest/gtest.h"

#include <cstring>

using namespace transom;

namespace {

std::string file(llvm::StringRef header, llvm::StringRef data,
                 int version = 1) {
  std::string result = "\x93NUMPY";
  result += static_cast<char>(version);
  result += '\0';
  uint32_t length = header.size();
  result.append(reinterpret_cast<const char *>(&length), version == 1 ? 2 : 4);
  return result + header.str() + data.str();
}

std::string failure(llvm::StringRef bytes) {
  llvm::Expected<NpyArray> array = parseNpy(bytes);
  return array ? "" : llvm::toString(array.takeError());
}

TEST(Npy, ReadsWhatItWrites) {
  float values[6] = {1, 2, 3, 4, 5, 6};
  llvm::StringRef data(reinterpret_cast<const char *>(values), sizeof(values));
  for (std::vector<int64_t> shape :
       {std::vector<int64_t>{2, 3}, {6}, {1, 6, 1}, {3, 2}}) {
    std::string bytes = formatNpy(NpyArray::Type::Float32, shape, data);
    EXPECT_EQ((bytes.size() - sizeof(values)) % 64, 0u);
    llvm::Expected<NpyArray> array = parseNpy(bytes);
    ASSERT_TRUE(bool(array)) << llvm::toString(array.takeError());
    EXPECT_EQ(array->shape, shape);
    EXPECT_EQ(array->type, NpyArray::Type::Float32);
    EXPECT_EQ(memcmp(array->data.data(), values, sizeof(values)), 0);
  }
}

TEST(Npy, ReadsAllVersionsAndTypes) {
  int64_t values[2] = {-1, 1ll << 40};
  llvm::StringRef data(reinterpret_cast<const char *>(values), sizeof(values));
  for (int version : {1, 2, 3}) {
    llvm::Expected<NpyArray> array = parseNpy(
        file("{'shape': (2,), 'fortran_order': False, 'descr': '<i8'}\n", data,
             version));
    ASSERT_TRUE(bool(array)) << llvm::toString(array.takeError());
    EXPECT_EQ(array->type, NpyArray::Type::Int64);
    EXPECT_EQ(memcmp(array->data.data(), values, sizeof(values)), 0);
  }
  // No dimensions, and none of a dimension.
  EXPECT_EQ(
      failure(file("{'descr': '<i4', 'fortran_order': False, 'shape': ()}",
                   "1234")),
      "");
  EXPECT_EQ(
      failure(file("{'descr': '<i4', 'fortran_order': False, 'shape': (0, 5)}",
                   "")),
      "");
}

TEST(Npy, SaysWhatIsWrong) {
  EXPECT_EQ(failure(""), "not a file of numpy.save");
  EXPECT_EQ(failure("PK\3\4 a zip file"), "not a file of numpy.save");
  EXPECT_EQ(failure(file("", "", 9)),
            "version 9 of the format; supported: 1, 2, 3");
  EXPECT_EQ(failure("\x93NUMPY\1"), "not a file of numpy.save");
  EXPECT_EQ(failure(llvm::StringRef("\x93NUMPY\1\0\xff\xff{", 11)),
            "the file ends within its header");
  EXPECT_EQ(failure(file("{}", "")), "the header has no 'descr'");
  EXPECT_EQ(failure(file("{'descr': '<f8', 'fortran_order': False, 'shape': "
                         "(1,)}",
                         "12345678")),
            "elements of type '<f8'; supported: <f4, <i4, <i8");
  EXPECT_EQ(failure(file("{'descr': '>i4', 'fortran_order': False, 'shape': "
                         "(1,)}",
                         "1234")),
            "elements of type '>i4'; supported: <f4, <i4, <i8");
  EXPECT_EQ(failure(file("{'descr': '<i4', 'fortran_order': True, 'shape': "
                         "(1,)}",
                         "1234")),
            "elements in Fortran's order; supported: C's");
  EXPECT_EQ(failure(file("{'descr': '<i4', 'fortran_order': False, 'shape': "
                         "(-1,)}",
                         "1234")),
            "the header's shape has the extent '-1'");
  EXPECT_EQ(failure(file("{'descr': '<i4', 'fortran_order': False, 'shape': 3}",
                         "1234")),
            "the header's shape is not a tuple");
  EXPECT_EQ(failure(file("{'descr': '<i4', 'fortran_order': False, 'shape': "
                         "(2,)}",
                         "1234")),
            "the header's shape needs 8 bytes, but 4 follow");
  EXPECT_EQ(failure(file("{'descr': '<i4', 'fortran_order': False, 'shape': "
                         "(4611686018427387904, 4)}",
                         "")),
            "the header's shape needs 2^63 bytes, but 0 follow");
}

// No cut of a good file is read past its end.
TEST(Npy, SurvivesEveryTruncation) {
  std::string bytes = formatNpy(NpyArray::Type::Int32, {2, 2},
                                llvm::StringRef("0123456789abcdef"));
  for (size_t length = 0; length < bytes.size(); ++length)
    EXPECT_NE(failure(llvm::StringRef(bytes).take_front(length)), "")
        << length << " bytes";
}

} // namespace
