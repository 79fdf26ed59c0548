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
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace transom;
using namespace transom::codegen;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

static llvm::Error failure(const llvm::Twine &text) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), text);
}

/// What has to be found from another folder.
static std::string absolute(llvm::StringRef file) {
  llvm::SmallString<128> result(file);
  (void)fs::make_absolute(result);
  return result.str().str();
}

llvm::Expected<Linker> Linker::find(const targets::Linkage &linkage,
                                    TemporaryFolder &scratch) {
  Linker linker(linkage, scratch);
  // TRANSOM_LLD is where the build found it; an installed compiler may meet
  // another system.
  if (fs::can_execute(TRANSOM_LLD)) {
    linker.program = TRANSOM_LLD;
  } else {
    for (const char *name : {"ld.lld-22", "ld.lld"})
      if (llvm::ErrorOr<std::string> found =
              llvm::sys::findProgramByName(name)) {
        linker.program = absolute(*found);
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
  linker.runtime = absolute(archive);
  return linker;
}

/// Starts `command` in `folder`, and returns all that it prints. `status` is as
/// waitpid's.
static std::error_code runIn(llvm::StringRef folder,
                             llvm::ArrayRef<std::string> command,
                             std::string &printed, int &status) {
  auto systemError = [](int number) {
    return std::error_code(number, std::generic_category());
  };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return systemError(errno);
  llvm::scope_exit closeRead([&] { close(ends[0]); });
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  llvm::scope_exit destroy([&] { posix_spawn_file_actions_destroy(&actions); });
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
  posix_spawn_file_actions_addchdir_np(&actions, folder.str().c_str());

  std::vector<char *> arguments, environment;
  for (const std::string &argument : command)
    arguments.push_back(const_cast<char *>(argument.c_str()));
  arguments.push_back(nullptr);
  // If it crashes, no stack and no report: they would be files, and messages
  // to LLVM's developers.
  char quiet[] = "LLVM_DISABLE_SYMBOLIZATION=1";
  char silent[] = "LLVM_DISABLE_CRASH_REPORT=1";
  environment = {quiet, silent};
  for (char **variable = environ; *variable; ++variable)
    environment.push_back(*variable);
  environment.push_back(nullptr);
  pid_t process;
  int failed = posix_spawn(&process, arguments[0], &actions, nullptr,
                           arguments.data(), environment.data());
  close(ends[1]);
  if (failed)
    return systemError(failed);
  char buffer[4096];
  for (ssize_t size; (size = read(ends[0], buffer, sizeof(buffer))) != 0;) {
    if (size > 0)
      printed.append(buffer, size_t(size));
    else if (errno != EINTR)
      break;
  }
  while (waitpid(process, &status, 0) < 0)
    if (errno != EINTR)
      return systemError(errno);
  return std::error_code();
}

/// Runs the linker and turns what it prints into the error.
llvm::Error Linker::run(llvm::ArrayRef<std::string> arguments,
                        const Output &output) const {
  // It writes a temporary file beside its output, and replaces each `%` in all
  // of that path. So it gets no folder to write to, but starts in it.
  std::vector<std::string> command = {program, "-m",
                                      std::string(linkage.emulation), "-o",
                                      path::filename(output.path).str()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  llvm::SmallString<128> folder(path::parent_path(output.path));
  (void)fs::make_absolute(folder);
  std::string printed;
  int status = 0;
  if (std::error_code code = runIn(folder, command, printed, status))
    return failure("cannot run the linker '" + program +
                   "': " + code.message());
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return llvm::Error::success();
  llvm::StringRef text = llvm::StringRef(printed).trim();
  // The linker writes to mapped memory, so it learns by a signal that a disk
  // is full.
  bool busError = WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS;
  if (busError || text.contains("No space left on device"))
    return writeError(output.name,
                      std::make_error_code(std::errc::no_space_on_device));
  if (WIFSIGNALED(status))
    return failure("linking '" + output.name + "' failed: the linker '" +
                   program + "' was ended by signal " +
                   llvm::Twine(WTERMSIG(status)));
  return failure("linking '" + output.name + "' failed: " + text);
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
                               const Output &output) const {
  std::string script = scratch.file("exports.map");
  if (llvm::Error error = writeText(script, script,
                                    "{ global: " + llvm::join(exports, "; ") +
                                        "; local: *; };\n"))
    return error;
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
                                        absolute(script)};
  for (const std::string &object : objects)
    arguments.push_back(absolute(object));
  arguments.push_back(runtime);
  for (std::string &library : systemLibraries())
    arguments.push_back(std::move(library));
  return run(arguments, output);
}

llvm::Error Linker::linkObject(llvm::ArrayRef<std::string> objects,
                               llvm::ArrayRef<std::string> exports,
                               const Output &output) const {
  // Groups would keep their names, and a second model's copy would be dropped
  // for them.
  std::vector<std::string> arguments = {"-r", "--force-group-allocation"};
  for (const std::string &object : objects)
    arguments.push_back(absolute(object));
  arguments.push_back(runtime);
  if (llvm::Error error = run(arguments, output))
    return error;

  llvm::Expected<llvm::object::OwningBinary<llvm::object::Binary>> binary =
      llvm::object::createBinary(output.path);
  if (!binary)
    return binary.takeError();
  llvm::objcopy::ConfigManager config;
  config.Common.InputFilename = output.path;
  config.Common.OutputFilename = output.path;
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
  return writeText(output.path, output.name,
                   llvm::StringRef(result.data(), result.size()));
}

llvm::Error Linker::archive(llvm::ArrayRef<Member> members,
                            const Output &output) {
  std::vector<llvm::NewArchiveMember> archive;
  for (const Member &member : members) {
    llvm::Expected<llvm::NewArchiveMember> file =
        llvm::NewArchiveMember::getFile(member.path, /*Deterministic=*/true);
    if (!file)
      return file.takeError();
    file->MemberName = member.name;
    archive.push_back(std::move(*file));
  }
  // writeArchive() would end the process when a disk is full, and replace each
  // `%` of the path.
  std::error_code code;
  llvm::raw_fd_ostream stream(output.path, code);
  if (code)
    return writeError(output.name, code);
  llvm::Error error = llvm::writeArchiveToStream(
      stream, archive, llvm::SymtabWritingMode::NormalSymtab,
      llvm::object::Archive::K_GNU, /*Deterministic=*/true, /*Thin=*/false);
  stream.close();
  code = stream.error();
  stream.clear_error(); // Or its destructor would abort.
  if (error)
    return error;
  if (code)
    return writeError(output.name, code);
  return llvm::Error::success();
}
