//===- WeightsObject.cpp - packed weights as an object file ---------------===//

#include "codegen/link/WeightsObject.h"
#include "codegen/link/OutputFiles.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/BinaryFormat/ELF.h"

#include <cerrno>
#include <unistd.h>

using namespace transom;
using namespace transom::codegen;
namespace elf = llvm::ELF;

static llvm::Error writeAt(int descriptor, llvm::StringRef path,
                           const void *data, size_t size, int64_t offset) {
  const char *next = static_cast<const char *>(data);
  while (size > 0) {
    ssize_t written = pwrite(descriptor, next, size, offset);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
      return writeError(
          path, written < 0 ? std::error_code(errno, std::generic_category())
                            : std::make_error_code(std::errc::io_error));
    next += written;
    offset += written;
    size -= written;
  }
  return llvm::Error::success();
}

llvm::Error
transom::codegen::writeWeightsObject(const targets::Linkage &linkage,
                                     int descriptor, llvm::StringRef path,
                                     llvm::StringRef symbol, int64_t bytes) {
  elf::Elf64_Sym symbols[2] = {};
  symbols[1].setBindingAndType(elf::STB_GLOBAL, elf::STT_OBJECT);
  symbols[1].st_other = elf::STV_HIDDEN;
  symbols[1].st_shndx = 1;
  symbols[1].st_size = bytes;
  // A string table begins with the empty string.
  auto addTo = [](llvm::SmallString<64> &table, llvm::StringRef name) {
    if (table.empty())
      table.push_back('\0');
    auto offset = static_cast<uint32_t>(table.size());
    table += name;
    table.push_back('\0');
    return offset;
  };
  llvm::SmallString<64> strings, names;
  symbols[1].st_name = addTo(strings, symbol);

  elf::Elf64_Shdr sections[6] = {};
  int64_t end = weightsObjectOffset + bytes;
  auto place = [&](int index, uint32_t name, uint32_t type, uint64_t size,
                   uint64_t alignment) {
    elf::Elf64_Shdr &section = sections[index];
    section.sh_name = name;
    section.sh_type = type;
    section.sh_size = size;
    section.sh_addralign = alignment;
    section.sh_offset = end = llvm::alignTo(end, alignment);
    end += size;
  };
  // In a large section the linker keeps them out of the reach that code is
  // limited to.
  sections[1].sh_name = addTo(names, linkage.largeSection);
  sections[1].sh_type = elf::SHT_PROGBITS;
  sections[1].sh_flags = elf::SHF_ALLOC | linkage.largeSectionFlags;
  sections[1].sh_offset = weightsObjectOffset;
  sections[1].sh_size = bytes;
  sections[1].sh_addralign = 4096;
  place(2, addTo(names, ".symtab"), elf::SHT_SYMTAB, sizeof(symbols), 8);
  sections[2].sh_link = 3;
  sections[2].sh_info = 1; // The first symbol that isn't local.
  sections[2].sh_entsize = sizeof(elf::Elf64_Sym);
  place(3, addTo(names, ".strtab"), elf::SHT_STRTAB, strings.size(), 1);
  place(5, addTo(names, ".note.GNU-stack"), elf::SHT_PROGBITS, 0, 1);
  uint32_t ownName = addTo(names, ".shstrtab"); // The last: it is complete.
  place(4, ownName, elf::SHT_STRTAB, names.size(), 1);

  elf::Elf64_Ehdr header = {};
  memcpy(header.e_ident, elf::ElfMagic, 4);
  header.e_ident[elf::EI_CLASS] = elf::ELFCLASS64;
  header.e_ident[elf::EI_DATA] = elf::ELFDATA2LSB;
  header.e_ident[elf::EI_VERSION] = elf::EV_CURRENT;
  header.e_type = elf::ET_REL;
  header.e_machine = linkage.elfMachine;
  header.e_version = elf::EV_CURRENT;
  header.e_shoff = llvm::alignTo(end, 8);
  header.e_ehsize = sizeof(header);
  header.e_shentsize = sizeof(elf::Elf64_Shdr);
  header.e_shnum = 6;
  header.e_shstrndx = 4;

  struct Part {
    const void *data;
    size_t size;
    uint64_t offset;
  } parts[] = {{&header, sizeof(header), 0},
               {symbols, sizeof(symbols), sections[2].sh_offset},
               {strings.data(), strings.size(), sections[3].sh_offset},
               {names.data(), names.size(), sections[4].sh_offset},
               {sections, sizeof(sections), header.e_shoff}};
  for (const Part &part : parts)
    if (llvm::Error error =
            writeAt(descriptor, path, part.data, part.size, part.offset))
      return error;
  return llvm::Error::success();
}
