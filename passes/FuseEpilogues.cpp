//===- FuseEpilogues.cpp - elementwise consumers -> regions ---------------===//
//
// An activation after a matrix product is free while the product's tile is in
// registers, and a pass over memory afterwards. What follows no linear becomes
// one loop a chain.
//
//===----------------------------------------------------------------------===//

#include "ir/Transformer/Transformer.h"
#include "passes/ElementwiseRegions.h"
#include "passes/Passes.h"
#include "passes/Remarks.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "llvm/ADT/SetVector.h"

namespace transom {
#define GEN_PASS_DEF_FUSEEPILOGUES
#include "passes/Passes.h.inc"
} // namespace transom

using namespace mlir;
using namespace transom;
using namespace transom::transformer;

namespace {

/// An elementwise op that reads the linear's result, or null.
Operation *findConsumer(LinearOp linear) {
  auto users = linear->getUsers();
  auto consumer = llvm::find_if(users, isTensorElementwise);
  return consumer == users.end() ? nullptr : *consumer;
}

bool isOnlyUser(Operation *op, LinearOp linear) {
  return llvm::all_of(linear->getUsers(),
                      [&](Operation *user) { return user == op; });
}

/// linear(x, w, b) {epilogue}; op(linear, others..)
///   => linear(x, w, b) extras(others..) {epilogue; op}
struct MoveIntoEpilogue : OpRewritePattern<LinearOp> {
  MoveIntoEpilogue(MLIRContext *context, Pass::Statistic &numFused)
      : OpRewritePattern(context), numFused(numFused) {}

  LogicalResult matchAndRewrite(LinearOp linear,
                                PatternRewriter &rewriter) const override {
    Operation *op = findConsumer(linear);
    if (!op)
      return rewriter.notifyMatchFailure(linear, "no elementwise consumer");
    if (!isOnlyUser(op, linear))
      return rewriter.notifyMatchFailure(linear, "other users");
    if (op->getBlock() != linear->getBlock())
      return rewriter.notifyMatchFailure(linear, "consumed in another block");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (type != linear.getType())
      return rewriter.notifyMatchFailure(linear, "another type or shape");
    for (Value operand : op->getOperands())
      if (!isRegionOperand(cast<RankedTensorType>(operand.getType()), type))
        return rewriter.notifyMatchFailure(linear, "an operand broadcasts");

    // At the consumer, where all of its operands are known.
    rewriter.setInsertionPoint(op);
    SmallVector<Value> extras(linear.getExtras());
    llvm::SmallDenseMap<Value, unsigned> positions;
    for (Value operand : op->getOperands()) {
      if (operand == linear.getResult() || getSplatElement(operand) ||
          positions.count(operand))
        continue;
      positions[operand] = extras.size();
      extras.push_back(operand);
    }
    auto fused = LinearOp::create(
        rewriter, rewriter.getFusedLoc({linear.getLoc(), op->getLoc()}), type,
        linear.getInput(), linear.getWeight(), linear.getBias(), extras);
    fused->setDiscardableAttrs(linear->getDiscardableAttrDictionary());

    Block *body = rewriter.createBlock(&fused.getEpilogue());
    body->addArgument(type.getElementType(), linear.getLoc());
    for (Value extra : extras)
      body->addArgument(getElementTypeOrSelf(extra.getType()), extra.getLoc());
    Value accumulator = body->getArgument(0);
    if (!linear.getEpilogue().empty()) {
      IRMapping mapping;
      Block &old = linear.getEpilogue().front();
      mapping.map(old.getArguments(),
                  body->getArguments().take_front(old.getNumArguments()));
      for (Operation &inner : old.without_terminator())
        rewriter.clone(inner, mapping);
      accumulator = mapping.lookup(old.getTerminator()->getOperand(0));
    }
    SmallVector<Value> scalars;
    for (Value operand : op->getOperands()) {
      if (operand == linear.getResult())
        scalars.push_back(accumulator);
      else if (TypedAttr element = getSplatElement(operand))
        scalars.push_back(
            arith::ConstantOp::create(rewriter, operand.getLoc(), element));
      else
        scalars.push_back(body->getArgument(1 + positions.lookup(operand)));
    }
    YieldOp::create(rewriter, op->getLoc(),
                    createOnScalars(rewriter, op, scalars));
    rewriter.replaceOp(op, fused.getResult());
    rewriter.eraseOp(linear);
    ++numFused;
    return success();
  }

  Pass::Statistic &numFused;
};

/// op(operands..) => elementwise(operands..) {op}
/// A single op, too: kernels then have one form of elementwise work to know.
struct MakeRegion : RewritePattern {
  MakeRegion(MLIRContext *context, Pass::Statistic &numFused)
      : RewritePattern(MatchAnyOpTypeTag(), /*benefit=*/1, context),
        numFused(numFused) {}

  LogicalResult matchAndRewrite(Operation *op,
                                PatternRewriter &rewriter) const override {
    if (!isTensorElementwise(op))
      return failure();
    llvm::SmallSetVector<Value, 4> inputs;
    for (Value operand : op->getOperands())
      if (!getSplatElement(operand))
        inputs.insert(operand);
    if (inputs.empty())
      return rewriter.notifyMatchFailure(op, "constants only");
    auto region = ElementwiseOp::create(
        rewriter, op->getLoc(), op->getResultTypes(), inputs.getArrayRef());
    Block *body = rewriter.createBlock(&region.getBody());
    IRMapping scalars;
    for (Value input : inputs)
      scalars.map(input,
                  body->addArgument(getElementTypeOrSelf(input.getType()),
                                    input.getLoc()));
    SmallVector<Value> operands;
    for (Value operand : op->getOperands()) {
      if (TypedAttr element = getSplatElement(operand))
        operands.push_back(
            arith::ConstantOp::create(rewriter, operand.getLoc(), element));
      else
        operands.push_back(scalars.lookup(operand));
    }
    YieldOp::create(rewriter, op->getLoc(),
                    createOnScalars(rewriter, op, operands));
    rewriter.replaceOp(op, region);
    ++numFused;
    return success();
  }

  Pass::Statistic &numFused;
};

/// elementwise(elementwise(xs..) {f}, ys..) {g}
///   => elementwise(xs.., ys..) {f; g}
/// A value with several users stays in memory: each user would repeat its
/// chain.
struct JoinRegions : OpRewritePattern<ElementwiseOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(ElementwiseOp consumer,
                                PatternRewriter &rewriter) const override {
    ElementwiseOp producer;
    for (Value input : consumer.getInputs()) {
      auto candidate = input.getDefiningOp<ElementwiseOp>();
      if (candidate && candidate->getNumResults() == 1 &&
          candidate->hasOneUse() &&
          candidate->getBlock() == consumer->getBlock() &&
          cast<RankedTensorType>(input.getType()).getShape() ==
              cast<RankedTensorType>(consumer.getResult(0).getType())
                  .getShape()) {
        producer = candidate;
        break;
      }
    }
    if (!producer)
      return rewriter.notifyMatchFailure(consumer, "no producer to join");

    Value joint = producer.getResult(0);
    llvm::SmallSetVector<Value, 4> inputs;
    inputs.insert_range(producer.getInputs());
    for (Value input : consumer.getInputs())
      if (input != joint)
        inputs.insert(input);
    auto joined = ElementwiseOp::create(
        rewriter, rewriter.getFusedLoc({producer.getLoc(), consumer.getLoc()}),
        consumer.getResultTypes(), inputs.getArrayRef());
    Block *body = rewriter.createBlock(&joined.getBody());
    IRMapping byInput, mapping;
    for (Value input : inputs)
      byInput.map(input,
                  body->addArgument(getElementTypeOrSelf(input.getType()),
                                    input.getLoc()));
    auto copy = [&](ElementwiseOp op) {
      Block &old = op.getBody().front();
      for (auto [argument, input] :
           llvm::zip(old.getArguments(), op.getInputs()))
        mapping.map(argument, byInput.lookup(input));
      for (Operation &inner : old.without_terminator())
        rewriter.clone(inner, mapping);
      return old.getTerminator();
    };
    Operation *yield = copy(producer);
    byInput.map(joint, mapping.lookup(yield->getOperand(0)));
    yield = copy(consumer);
    rewriter.clone(*yield, mapping);
    rewriter.replaceOp(consumer, joined);
    rewriter.eraseOp(producer);
    return success();
  }
};

// Two rewrites, one after the other, instead of one set of patterns: MakeRegion
// would turn an op after a linear into a loop before MoveIntoEpilogue sees it,
// and a benefit orders patterns of one op only.
struct FuseEpilogues : transom::impl::FuseEpiloguesBase<FuseEpilogues> {
  void runOnOperation() override {
    RewritePatternSet epilogues(&getContext()), regions(&getContext());
    epilogues.add<MoveIntoEpilogue>(&getContext(), numFused);
    regions.add<MakeRegion>(&getContext(), numFused);
    regions.add<JoinRegions>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(epilogues))))
      return signalPassFailure();
    getOperation().walk([](LinearOp linear) {
      Operation *op = findConsumer(linear);
      if (op && !isOnlyUser(op, linear))
        missedFusion(op, "fuse-epilogues",
                     "the linear before is also used elsewhere");
    });
    if (failed(applyPatternsGreedily(getOperation(), std::move(regions))))
      signalPassFailure();
  }
};

} // namespace
