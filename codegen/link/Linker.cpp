//===- Linker.cpp - objects and the runtime -> a library ------------------===//

#include "codegen/link/Linker.h"
#include "codegen/link/OutputFiles.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ObjCopy/ConfigManager.h"
#include "llvm/ObjCopy/ObjCopy.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Object/Binary.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace transom;
using namespace transom::codegen;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static llvm::Error failure(const llvm::Twine &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}

llvm::Expected<Linker> Linker::find(const targets::Linkage &linkage) {
  Linker linker(linkage);
  // TRANSOM_LLD is where the build found it; an installed compiler may meet
  // another system.
  if (fs::can_execute(TRANSOM_LLD)) {
    linker.program = TRANSOM_LLD;
  } else {
    for (const char *name : {"ld.lld-22", "ld.lld"})
      if (llvm::ErrorOr<std::string> found =
              llvm::sys::findProgramByName(name)) {
        linker.program = *found;
        break;
      }
    if (linker.program.empty())
      return failure("cannot find the linker 'ld.lld-22' or 'ld.lld' in PATH; "
                     "install lld-22");
  }

  static char anchor;
  llvm::SmallString<128> archive(
      fs::getMainExecutable("transom", static_cast<void *>(&anchor)));
  path::remove_filename(archive);
  path::append(archive, "..", "lib", "libtransom_runtime.a");
  if (!fs::exists(archive))
    return failure("cannot find the runtime '" + archive +
                   "'; it is built by the target transom_runtime");
  linker.runtime = archive.str();
  return linker;
}

/// Runs the linker and turns what it prints into the error.
llvm::Error Linker::run(llvm::ArrayRef<std::string> arguments) const {
  llvm::SmallString<128> log;
  if (std::error_code code =
          fs::createTemporaryFile("transom-link", "log", log))
    return writeError("transom-link.log", code);
  llvm::scope_exit remove([&] { (void)fs::remove(log); });

  std::vector<llvm::StringRef> command = {program, "-m", linkage.emulation};
  command.insert(command.end(), arguments.begin(), arguments.end());
  std::optional<llvm::StringRef> redirects[] = {"", log.str(), log.str()};
  std::string message;
  int status = llvm::sys::ExecuteAndWait(program, command, std::nullopt,
                                         redirects, 0, 0, &message);
  if (status == 0)
    return llvm::Error::success();
  auto text = llvm::MemoryBuffer::getFile(log);
  return failure("linking failed: " + (text && !(*text)->getBuffer().empty()
                                           ? (*text)->getBuffer().trim()
                                           : llvm::StringRef(message)));
}

/// The C library's shared objects themselves: development packages, which hold
/// the linker scripts that -lc would find, need not be installed.
std::vector<std::string> Linker::systemLibraries() const {
  std::vector<std::string> found;
  for (llvm::StringRef name : linkage.libraries)
    for (llvm::StringRef folder : linkage.folders) {
      llvm::SmallString<64> file(folder);
      path::append(file, name);
      if (!fs::exists(file))
        continue;
      found.push_back(file.str().str());
      break;
    }
  return found;
}

llvm::Error Linker::linkShared(llvm::ArrayRef<std::string> objects,
                               llvm::StringRef soname,
                               llvm::ArrayRef<std::string> exports,
                               llvm::StringRef output) const {
  llvm::SmallString<128> script;
  int descriptor;
  if (std::error_code code =
          fs::createTemporaryFile("transom-exports", "map", descriptor, script))
    return writeError("transom-exports.map", code);
  llvm::scope_exit remove([&] { (void)fs::remove(script); });
  {
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << "{ global: " << llvm::join(exports, "; ") << "; local: *; };\n";
    stream.close();
    if (stream.has_error()) {
      std::error_code code = stream.error();
      stream.clear_error();
      return writeError(script, code);
    }
  }
  std::vector<std::string> arguments = {"-shared",
                                        "-Bsymbolic",
                                        "--gc-sections",
                                        "--icf=safe",
                                        "-O2",
                                        "--strip-all",
                                        "--build-id=fast",
                                        "--hash-style=gnu",
                                        "-z",
                                        "now",
                                        "-z",
                                        "relro",
                                        "-z",
                                        "noexecstack",
                                        "--no-undefined",
                                        "--as-needed",
                                        "-soname",
                                        soname.str(),
                                        "--version-script",
                                        script.str().str(),
                                        "-o",
                                        output.str()};
  arguments.insert(arguments.end(), objects.begin(), objects.end());
  arguments.push_back(runtime);
  for (std::string &library : systemLibraries())
    arguments.push_back(std::move(library));
  return run(arguments);
}

llvm::Error Linker::linkObject(llvm::ArrayRef<std::string> objects,
                               llvm::ArrayRef<std::string> exports,
                               llvm::StringRef output) const {
  // Groups would keep their names, and a second model's copy would be dropped
  // for them.
  std::vector<std::string> arguments = {"-r", "--force-group-allocation", "-o",
                                        output.str()};
  arguments.insert(arguments.end(), objects.begin(), objects.end());
  arguments.push_back(runtime);
  if (llvm::Error error = run(arguments))
    return error;

  llvm::Expected<llvm::object::OwningBinary<llvm::object::Binary>> binary =
      llvm::object::createBinary(output);
  if (!binary)
    return binary.takeError();
  llvm::objcopy::ConfigManager config;
  config.Common.InputFilename = output;
  config.Common.OutputFilename = output;
  config.Common.StripDebug = true;
  for (const std::string &name : exports) {
    auto ignore = [](llvm::Error error) { return error; };
    if (llvm::Error error = config.Common.SymbolsToKeepGlobal.addMatcher(
            llvm::objcopy::NameOrPattern::create(
                name, llvm::objcopy::MatchStyle::Literal, ignore)))
      return error;
  }
  llvm::SmallVector<char, 0> result;
  llvm::raw_svector_ostream stream(result);
  if (llvm::Error error = llvm::objcopy::executeObjcopyOnBinary(
          config, *binary->getBinary(), stream))
    return error;
  std::error_code code;
  llvm::raw_fd_ostream file(output, code);
  if (code)
    return writeError(output, code);
  file.write(result.data(), result.size());
  file.close();
  if (file.has_error()) {
    code = file.error();
    file.clear_error();
    return writeError(output, code);
  }
  return llvm::Error::success();
}

llvm::Error Linker::archive(llvm::ArrayRef<Member> members,
                            llvm::StringRef output) {
  std::vector<llvm::NewArchiveMember> archive;
  for (const Member &member : members) {
    llvm::Expected<llvm::NewArchiveMember> file =
        llvm::NewArchiveMember::getFile(member.path, /*Deterministic=*/true);
    if (!file)
      return file.takeError();
    file->MemberName = member.name;
    archive.push_back(std::move(*file));
  }
  return llvm::writeArchive(output, archive,
                            llvm::SymtabWritingMode::NormalSymtab,
                            llvm::object::Archive::K_GNU,
                            /*Deterministic=*/true, /*Thin=*/false);
}
