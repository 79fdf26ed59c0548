//===- Bench.cpp - transom bench: how fast a compiled library is ----------===//

#include "tools/commands/Commands.h"
#include "tools/commands/Library.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <chrono>
#include <random>

using namespace llvm;

namespace transom {

static cl::SubCommand flags("bench", "time a compiled library");

static cl::opt<std::string> path(cl::Positional, cl::Required, cl::desc("LIB"),
                                 cl::sub(flags));
static cl::list<std::string>
    shapes("shapes", cl::CommaSeparated, cl::value_desc("BATCHxLENGTH,..."),
           cl::desc("batches to time, as sequences x length; default: 1x128"),
           cl::sub(flags));
static cl::opt<int>
    threads("threads", cl::init(0), cl::value_desc("n"),
            cl::desc("threads of the session; default: as the library decides"),
            cl::sub(flags));
static cl::opt<double>
    seconds("seconds", cl::init(1.0), cl::value_desc("s"),
            cl::desc("seconds to measure each shape; default: 1"),
            cl::sub(flags));
static cl::opt<bool> showProfile("profile",
                                 cl::desc("print the time of each layer"),
                                 cl::sub(flags));
static cl::opt<std::string>
    weights("weights", cl::value_desc("file"),
            cl::desc("weights of the library; default: NAME.weights beside it"),
            cl::sub(flags));

namespace {
/// A batch of random ids, and memory for all outputs.
struct Batch {
  std::vector<std::vector<int32_t>> ids;
  std::vector<std::vector<float>> memory;
  std::vector<transom_tensor> inputs, outputs;
};
} // namespace

static Expected<std::pair<int64_t, int64_t>> parseShape(StringRef text) {
  auto [batch, length] = text.split('x');
  std::pair<int64_t, int64_t> shape;
  if (batch.getAsInteger(10, shape.first) ||
      length.getAsInteger(10, shape.second) || shape.first < 1 ||
      shape.second < 1)
    return createStringError("--shapes=%s: expected BATCHxLENGTH, such as "
                             "8x128",
                             text.str().c_str());
  return shape;
}

static void makeBatch(const Library &library, int64_t batch, int64_t length,
                      Batch &result) {
  std::mt19937 random(1); // The same ids in every run.
  for (const TensorInfo &info : library.inputs()) {
    // What has a default is left out, as most callers do.
    if (!info.fallback.empty())
      continue;
    std::vector<int32_t> &ids = result.ids.emplace_back(batch * length);
    for (int32_t &id : ids)
      id = info.bound ? random() % info.bound : 0;
    transom_tensor tensor = {};
    tensor.name = info.name.c_str();
    tensor.data = ids.data();
    tensor.capacity = ids.size() * sizeof(int32_t);
    tensor.dtype = TRANSOM_INT32;
    tensor.rank = 2;
    tensor.dims[0] = batch;
    tensor.dims[1] = length;
    result.inputs.push_back(tensor);
  }
  for (const TensorInfo &info : library.outputs()) {
    transom_tensor tensor = {};
    tensor.name = info.name.c_str();
    tensor.dtype = TRANSOM_FLOAT32;
    result.outputs.push_back(tensor);
  }
}

/// Runs until enough time has gone; returns the seconds of each run.
static Expected<std::vector<double>>
measure(const Library &library, const Session &session, Batch &batch) {
  auto runOnce = [&] {
    return library.check(library.entry().run(
        session.get(), batch.inputs.data(), batch.inputs.size(),
        batch.outputs.data(), batch.outputs.size()));
  };
  // The first run says how large the outputs are, the second warms up.
  if (Error error = runOnce())
    return error;
  for (transom_tensor &tensor : batch.outputs) {
    int64_t elements = 1;
    for (int64_t dim : ArrayRef(tensor.dims, tensor.rank))
      elements *= dim;
    tensor.data = batch.memory.emplace_back(elements).data();
    tensor.capacity = elements * sizeof(float);
  }
  if (Error error = runOnce())
    return error;
  std::vector<double> times;
  double total = 0;
  while (times.size() < 3 || (total < seconds && times.size() < 100000)) {
    auto begin = std::chrono::steady_clock::now();
    if (Error error = runOnce())
      return error;
    times.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
            .count());
    total += times.back();
  }
  return times;
}

/// The runtime's profile of one more run.
static Expected<json::Value> profileOnce(const Library &library,
                                         const Session &session, Batch &batch) {
  const transom_entry_points &entry = library.entry();
  const char *text = nullptr;
  if (Error error =
          library.check(entry.profile(session.get(), /*enable=*/1, &text)))
    return error;
  if (Error error = library.check(
          entry.run(session.get(), batch.inputs.data(), batch.inputs.size(),
                    batch.outputs.data(), batch.outputs.size())))
    return error;
  if (Error error =
          library.check(entry.profile(session.get(), /*enable=*/0, &text)))
    return error;
  if (!text)
    return createStringError("the library wrote no profile");
  return json::parse(text);
}

static void printProfile(const json::Array &launches, double total) {
  outs() << "   share       ms  GFLOP/s  layer (kernel)\n";
  for (const json::Value &value : launches) {
    const json::Object *launch = value.getAsObject();
    if (!launch)
      continue;
    double time = launch->getNumber("seconds").value_or(0);
    outs() << format("  %5.1f %% %8.3f %8.1f  ", 100 * time / total,
                     1000 * time, launch->getNumber("gflops").value_or(0))
           << launch->getString("layer").value_or("") << " ("
           << launch->getString("kernel").value_or("") << ")\n";
  }
}

static Error benchLibrary() {
  Expected<Library> library = Library::load(path);
  if (!library)
    return library.takeError();
  Expected<Session> session = Session::open(*library, weights, threads);
  if (!session)
    return session.takeError();
  if (shapes.empty())
    shapes.push_back("1x128");
  for (StringRef text : shapes) {
    auto shape = parseShape(text);
    if (!shape)
      return shape.takeError();
    Batch batch;
    makeBatch(*library, shape->first, shape->second, batch);
    auto times = measure(*library, *session, batch);
    if (!times)
      return times.takeError();
    auto profile = profileOnce(*library, *session, batch);
    if (!profile)
      return profile.takeError();
    const json::Object *object = profile->getAsObject();
    const json::Array *launches =
        object ? object->getArray("launches") : nullptr;
    if (!launches)
      return createStringError("the library's profile has no launches");
    double flops = 0;
    for (const json::Value &launch : *launches)
      if (const json::Object *fields = launch.getAsObject())
        flops += fields->getNumber("flops").value_or(0);

    std::sort(times->begin(), times->end());
    double median = (*times)[times->size() / 2];
    outs() << text << format(": %.3f ms", 1000 * median)
           << format(" (least %.3f)", 1000 * times->front())
           << format(", %.1f GFLOP/s", flops / median * 1e-9)
           << format(", %.0f tokens/s", shape->first * shape->second / median)
           << ", " << session->threads()
           << (session->threads() == 1 ? " thread\n" : " threads\n");
    if (showProfile)
      printProfile(*launches, object->getNumber("seconds").value_or(median));
  }
  return Error::success();
}

static int run() { return exitCode(benchLibrary()); }

Command benchCommand() { return {flags, run}; }

} // namespace transom
