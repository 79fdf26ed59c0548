//===- CompiledLibrary.cpp - what a library computes of a batch -----------===//

#include "verify/CompiledLibrary.h"

#include "ir/Transformer/ModelAttributes.h"
#include "verify/Steps.h"

using namespace llvm;
using namespace transom;
using namespace transom::verify;

/// An integer tensor of the batch as a library takes it; `values` holds it.
static transom_tensor makeInput(StringRef name, const Tensor &tensor,
                                std::vector<int64_t> &values) {
  values.assign(tensor.integers().begin(), tensor.integers().end());
  transom_tensor result = {};
  result.name = name.data();
  result.data = values.data();
  result.capacity = values.size() * sizeof(int64_t);
  result.dtype = TRANSOM_INT64;
  result.rank = tensor.getRank();
  copy(tensor.getShape(), result.dims);
  return result;
}

/// The library's own message for a status that isn't TRANSOM_OK.
static Error check(const transom_entry_points &entry, transom_status status) {
  if (status == TRANSOM_OK)
    return Error::success();
  return createStringError("%s", entry.error());
}

/// A place for the numbers of an output; `floats` holds them.
static transom_tensor makeOutput(StringRef name, int64_t numElements,
                                 std::vector<float> &floats) {
  floats.resize(numElements);
  transom_tensor result = {};
  result.name = name.data();
  result.data = floats.data();
  result.capacity = floats.size() * sizeof(float);
  result.dtype = TRANSOM_FLOAT32;
  return result;
}

/// Runs a library on the batch; its outputs in the order in which the model's
/// function has them.
static Expected<SmallVector<Tensor>>
runWhole(const transom_entry_points &entry, transom_session *session,
         mlir::FunctionOpInterface function, const StageChecker &checker) {
  const Batch &batch = checker.getBatch();
  std::vector<std::vector<int64_t>> values(batch.getInputs().size() +
                                           batch.getPlaces().size() +
                                           batch.getTokens().size());
  std::vector<transom_tensor> inputs, outputs;
  for (const auto *map : {&batch.getInputs(), &batch.getPlaces()})
    for (auto &input : *map)
      inputs.push_back(
          makeInput(input.getKey(), input.second, values[inputs.size()]));
  for (const Batch::Tokens &tokens : batch.getTokens())
    if (!tokens.maskName.empty())
      inputs.push_back(
          makeInput(tokens.maskName, *tokens.mask, values[inputs.size()]));

  ArrayRef<Tensor> expected = checker.getExpected();
  std::vector<std::vector<float>> memory(expected.size());
  if (function.getNumResults() != expected.size())
    return createStringError("the program has %u outputs, the model %zu",
                             function.getNumResults(), expected.size());
  for (auto [number, tensor, floats] : enumerate(expected, memory))
    outputs.push_back(makeOutput(
        transformer::getName(
            mlir::function_interface_impl::getResultAttrDict(function, number)),
        tensor.getNumElements(), floats));
  if (Error error =
          check(entry, entry.run(session, inputs.data(), inputs.size(),
                                 outputs.data(), outputs.size())))
    return error;

  SmallVector<Tensor> results;
  for (auto [tensor, floats, output] : zip_equal(expected, memory, outputs)) {
    if (tensor.getShape() != ArrayRef(output.dims, output.rank))
      return createStringError("output '%s' has other extents than the model's",
                               output.name);
    Tensor result(tensor.getElementType(), tensor.getShape());
    copy(floats, result.floats().begin());
    results.push_back(result);
  }
  return results;
}

namespace {

/// Feeds the batch to a library's session part by part.
class Feeder {
public:
  Feeder(const transom_entry_points &entry, transom_session *session,
         const StageChecker &checker)
      : entry(entry), session(session), checker(checker),
        batch(checker.getBatch()), ids(batch.getMask().getShape()[0]) {}

  Error addSequences();

  /// What the library has of a program: NAME_step, NAME_encode.
  using RunProgram = decltype(transom_entry_points::step);
  /// Feeds `runs` of a set of tokens to `program`, which computes `function`;
  /// adds its results but the cache.
  Error feed(mlir::FunctionOpInterface function, RunProgram program,
             Batch::Set set, ArrayRef<SmallVector<Part>> runs,
             std::vector<NamedResult> &results);

private:
  std::vector<transom_tensor> makeInputs(mlir::FunctionOpInterface function,
                                         ArrayRef<Part> run);

  const transom_entry_points &entry;
  transom_session *session;
  const StageChecker &checker;
  const Batch &batch;
  SmallVector<int64_t> ids; ///< the session's numbers of the sequences
  std::vector<std::vector<int64_t>> values; ///< of the inputs of one run
};

} // namespace

Error Feeder::addSequences() {
  for (int64_t &id : ids)
    if (Error error = check(entry, entry.sequence_add(session, &id)))
      return error;
  return Error::success();
}

std::vector<transom_tensor>
Feeder::makeInputs(mlir::FunctionOpInterface function, ArrayRef<Part> run) {
  mlir::Type i64 = mlir::IntegerType::get(function.getContext(), 64);
  std::vector<transom_tensor> inputs;
  auto add = [&](StringRef name, ArrayRef<int64_t> numbers) {
    Tensor tensor(i64, {int64_t(numbers.size())});
    copy(numbers, tensor.integers().begin());
    inputs.push_back(makeInput(name, tensor, values.emplace_back()));
  };
  values.clear();
  values.reserve(function.getNumArguments() + 2);
  for (unsigned number = 0; number < function.getNumArguments(); ++number) {
    mlir::DictionaryAttr attributes =
        mlir::function_interface_impl::getArgAttrDict(function, number);
    auto input = batch.getInputs().find(transformer::getName(attributes));
    if (input == batch.getInputs().end() ||
        transformer::getRole(attributes) != transformer::InputRole::Values)
      continue;
    SmallVector<int64_t> numbers;
    int64_t length = input->second.getShape().back();
    for (const Part &part : run)
      for (int64_t column : part.columns)
        numbers.push_back(
            input->second.integers()[part.sequence * length + column]);
    add(input->getKey(), numbers);
  }
  SmallVector<int64_t> offsets{0}, sequences;
  for (const Part &part : run) {
    offsets.push_back(offsets.back() + part.columns.size());
    sequences.push_back(ids[part.sequence]);
  }
  add(transformer::stringifyInputRole(transformer::InputRole::SequenceOffsets),
      offsets);
  add("sequences", sequences);
  return inputs;
}

Error Feeder::feed(mlir::FunctionOpInterface function, RunProgram program,
                   Batch::Set set, ArrayRef<SmallVector<Part>> runs,
                   std::vector<NamedResult> &results) {
  size_t first = results.size();
  for (unsigned number = 0; number < function.getNumResults(); ++number)
    if (mlir::DictionaryAttr attributes =
            mlir::function_interface_impl::getResultAttrDict(function, number);
        transformer::getRole(attributes) != transformer::InputRole::Cache)
      results.push_back({transformer::getName(attributes).str(), {}});
  MutableArrayRef<NamedResult> named(results);
  named = named.drop_front(first);

  for (ArrayRef<Part> run : runs) {
    std::vector<transom_tensor> inputs = makeInputs(function, run);
    int64_t tokens = 0;
    for (const Part &part : run)
      tokens += part.columns.size();

    std::vector<std::vector<float>> memory(named.size());
    SmallVector<Tensor> rows;
    std::vector<transom_tensor> outputs;
    for (auto [result, floats] : zip_equal(named, memory)) {
      const Tensor *expected = checker.findExpected(result.name);
      if (!expected)
        return createStringError("the model has no output '%s'",
                                 result.name.c_str());
      SmallVector<int64_t> shape{tokens};
      append_range(shape, expected->getShape().drop_front(2));
      rows.emplace_back(expected->getElementType(), shape);
      outputs.push_back(
          makeOutput(result.name, rows.back().getNumElements(), floats));
    }
    if (Error error =
            check(entry, program(session, inputs.data(), inputs.size(),
                                 outputs.data(), outputs.size())))
      return error;
    for (auto [tensor, floats, result] : zip_equal(rows, memory, named)) {
      copy(floats, tensor.floats().begin());
      placeRows(batch, run, tensor, result.padded, set);
    }
  }
  return Error::success();
}

/// Feeds the batch to a library's step in random parts, after its sources if
/// there is an `encode`; the results of both, in padded form.
static Expected<std::vector<NamedResult>>
runSteps(const transom_entry_points &entry, transom_session *session,
         mlir::FunctionOpInterface step, mlir::FunctionOpInterface encode,
         const StageChecker &checker) {
  const Batch &batch = checker.getBatch();
  std::vector<NamedResult> results;
  Feeder feeder(entry, session, checker);
  if (Error error = feeder.addSequences())
    return error;
  if (encode)
    if (Error error = feeder.feed(encode, entry.encode, Batch::Sources,
                                  cutSources(batch), results))
      return error;
  if (Error error = feeder.feed(step, entry.step, Batch::Sequences,
                                cutAtRandom(batch, /*seed=*/2), results))
    return error;
  return results;
}

Expected<StageChecker::Stage>
verify::checkLibrary(const transom_entry_points &entry,
                     transom_session *session, mlir::ModuleOp module,
                     const StageChecker &checker) {
  using transformer::ProgramKind;
  auto find = [&](ProgramKind kind) { return findProgram(module, kind); };
  Expected<SmallVector<Tensor>> results =
      runWhole(entry, session, find(ProgramKind::Forward), checker);
  if (!results)
    return results.takeError();
  StageChecker::Stage stage = checker.compare("library", *results);
  mlir::FunctionOpInterface step = find(ProgramKind::Step);
  if (!step)
    return stage;
  Expected<std::vector<NamedResult>> stepped =
      runSteps(entry, session, step, find(ProgramKind::Encode), checker);
  if (!stepped)
    return stepped.takeError();
  checker.compareStep(*stepped, stage);
  return stage;
}
