//===- PrimitiveOps.td - what an exporter's graph contains ------*- tablegen -*-//
//
// Included by TransformerOps.td. Constants are `arith.constant` with a dense
// attribute. Semantics are those of the ONNX operator of the same name.
//
//===----------------------------------------------------------------------===//

#ifndef TRANSOM_IR_TRANSFORMER_PRIMITIVE_OPS_TD
#define TRANSOM_IR_TRANSFORMER_PRIMITIVE_OPS_TD

class Transformer_UnaryOp<string mnemonic, string equation, list<Trait> traits = []>
    : Transformer_ValueOp<mnemonic,
        !listconcat([Transformer_ElementwiseOpInterface,
                     DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>],
                    traits)> {
  let summary = "elementwise " # equation;
  let description = [{
    }] # "`result = " # equation # "`" # [{ for every element; any shape.

    ```mlir
    %y = transformer.}] # mnemonic # [{ %x : tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_FloatLike:$input);
  let results = (outs Transformer_FloatLike:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let extraClassDefinition = [{
    void $cppClass::inferTypes(Adaptor adaptor,
                               ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      types.push_back(adaptor.getInput().getType());
    }
  }];
}

def NegOp : Transformer_UnaryOp<"neg", "-x">;
def AbsOp : Transformer_UnaryOp<"abs", "|x|">;
def ExpOp : Transformer_UnaryOp<"exp", "e^x">;
def LogOp : Transformer_UnaryOp<"log", "ln x">;
def SqrtOp : Transformer_UnaryOp<"sqrt", "x^(1/2)">;
def RsqrtOp : Transformer_UnaryOp<"rsqrt", "x^(-1/2)">;
def ErfOp : Transformer_UnaryOp<"erf", "2/sqrt(pi) integral_0^x e^(-t^2) dt">;
def SigmoidOp : Transformer_UnaryOp<"sigmoid", "1 / (1 + e^-x)">;
def SinOp : Transformer_UnaryOp<"sin", "sin x">;
def CosOp : Transformer_UnaryOp<"cos", "cos x">;

class Transformer_BinaryOp<string mnemonic, string equation,
                           list<Trait> traits = [], string element = "f32">
    : Transformer_ValueOp<mnemonic,
        !listconcat([Transformer_ElementwiseOpInterface,
                     DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>], traits)> {
  let summary = "elementwise " # equation # ", broadcasting";
  let description = [{
    }] # "`result = " # equation # "`" # [{ with NumPy broadcasting: ranks are
    aligned at the last dimension, an extent of 1 repeats.

    ```mlir
    %z = transformer.}] # mnemonic # " %x, %y : tensor<?x768x" # element # ">, tensor<768x" # element
      # ">" # [{ -> tensor<?x768x}] # element # [{>
    ```
  }];
  let arguments = (ins Transformer_AnyLike:$lhs, Transformer_AnyLike:$rhs);
  let results = (outs Transformer_AnyLike:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDefinition = [{
    void $cppClass::inferTypes(Adaptor adaptor,
                               ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      types.push_back(broadcastTypes(
          adaptor.getOperands(),
          ::mlir::getElementTypeOrSelf(adaptor.getLhs().getType())));
    }
    ::llvm::LogicalResult $cppClass::verify() {
      return verifyElementwise(*this, getOperands());
    }
  }];
}

def AddOp : Transformer_BinaryOp<"add", "x + y", [Commutative]>;
def SubOp : Transformer_BinaryOp<"sub", "x - y">;
def MulOp : Transformer_BinaryOp<"mul", "x * y", [Commutative]>;
def DivOp : Transformer_BinaryOp<"div", "x / y">;
def PowOp : Transformer_BinaryOp<"pow", "x ^ y">;
def MaxOp : Transformer_BinaryOp<"max", "max(x, y)", [Commutative]>;
def MinOp : Transformer_BinaryOp<"min", "min(x, y)", [Commutative]>;
def AndOp : Transformer_BinaryOp<"and", "x and y (i1)", [Commutative], "i1">;
def OrOp : Transformer_BinaryOp<"or", "x or y (i1)", [Commutative], "i1">;

def CompareOp : Transformer_ValueOp<"compare", [
    Transformer_ElementwiseOpInterface,
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>]> {
  let summary = "elementwise relation, as i1";
  let description = [{
    `result = lhs REL rhs`, broadcasting; REL is eq, ne, lt, le, gt or ge.

    ```mlir
    %m = transformer.compare eq %x, %y : tensor<?x?xi32>, tensor<i32> -> tensor<?x?xi1>
    ```
  }];
  let arguments = (ins Transformer_ComparisonAttr:$relation,
                       Transformer_AnyLike:$lhs, Transformer_AnyLike:$rhs);
  let results = (outs Transformer_AnyLike:$result);
  let assemblyFormat = [{
    `` $relation $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

def SelectOp : Transformer_ValueOp<"select", [
    Transformer_ElementwiseOpInterface,
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>]> {
  let summary = "elementwise choice (ONNX Where)";
  let description = [{
    `result = condition ? lhs : rhs`, broadcasting all three.

    ```mlir
    %z = transformer.select %c, %x, %y : tensor<?x?xi1>, tensor<?x?xf32>, tensor<f32> -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins Transformer_AnyLike:$condition, Transformer_AnyLike:$lhs,
                       Transformer_AnyLike:$rhs);
  let results = (outs Transformer_AnyLike:$result);
  let assemblyFormat = [{
    $condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($lhs)
    `,` type($rhs) `->` type($result)
  }];
  let hasVerifier = 1;
}

def CastOp : Transformer_Op<"cast", [
    Pure, Transformer_ElementwiseOpInterface,
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface>]> {
  let summary = "another element type";
  let description = [{
    The same values in another element type; float to integer truncates, to i1
    tests for nonzero.

    ```mlir
    %f = transformer.cast %mask : tensor<?x?xi32> -> tensor<?x?xf32>
    ```
  }];
  let arguments = (ins Transformer_AnyLike:$input);
  let results = (outs Transformer_AnyLike:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def ReduceOp : Transformer_ValueOp<"reduce", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface,
                              ["isRowwise", "mergeRowDims"]>]> {
  let summary = "sum, mean, max or min along axes";
  let description = [{
    Reduces the `axes`, which ascend; negative ones count from the end. With
    `keep_dims` they have an extent of 1 in the result; without, it lacks them.

    ```mlir
    %m = transformer.reduce mean %x axes [-1] keep_dims : tensor<?x768xf32> -> tensor<?x1xf32>
    ```
  }];
  let arguments = (ins Transformer_ReductionAttr:$kind, Transformer_AnyTensor:$input,
                       DenseI64ArrayAttr:$axes, UnitAttr:$keep_dims);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = [{
    `` $kind $input `axes` $axes (`keep_dims` $keep_dims^)? attr-dict `:`
    type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

def GatherOp : Transformer_ValueOp<"gather"> {
  let summary = "slices of a tensor along an axis, by index";
  let description = [{
    `result[a.., i.., c..] = input[a.., indices[i..], c..]`, where `axis` follows
    a..; a negative index counts from the end.

    ```mlir
    %y = transformer.gather %x, %i axis 1 : tensor<?x?x768xf32>, tensor<i64> -> tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_AnyTensor:$input, Transformer_IntegerTensor:$indices,
                       I64Attr:$axis);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = [{
    $input `,` $indices `axis` $axis attr-dict `:` type($input) `,` type($indices)
    `->` type($result)
  }];
  let hasVerifier = 1;
}

def ReshapeOp : Transformer_ValueOp<"reshape", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface,
                              ["isRowwise", "mergeRowDims"]>]> {
  let summary = "the same elements in another shape";
  let description = [{
    `shape` follows ONNX: 0 copies the operand's extent of the same dimension, one
    -1 is the quotient of the sizes. (An extent of 0 therefore can't be written;
    empty tensors come from dynamic extents.)

    ```mlir
    %y = transformer.reshape %x to [0, 0, 12, 64] : tensor<?x?x768xf32> -> tensor<?x?x12x64xf32>
    ```
  }];
  let arguments = (ins Transformer_AnyTensor:$input, DenseI64ArrayAttr:$shape);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = "$input `to` $shape attr-dict `:` type($input) `->` type($result)";
  let extraClassDeclaration = [{
    /// Whether the first `count` extents of the result are the input's.
    bool keepsLeading(int64_t count);
    /// Whether it is [.., 1] -> [..]: the one column of its input.
    bool isColumn();
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def TransposeOp : Transformer_ValueOp<"transpose"> {
  let summary = "a permutation of the dimensions";
  let description = [{
    `result.shape[i] = input.shape[permutation[i]]`.

    ```mlir
    %y = transformer.transpose %x [0, 2, 1, 3] : tensor<?x?x12x64xf32> -> tensor<?x12x?x64xf32>
    ```
  }];
  let arguments = (ins Transformer_AnyTensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = "$input $permutation attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def SliceOp : Transformer_ValueOp<"slice", [
    DeclareOpInterfaceMethods<Transformer_RowwiseOpInterface,
                              ["isRowwise", "mergeRowDims"]>]> {
  let summary = "a range along one axis";
  let description = [{
    `result = input[.., begin : end : step, ..]` along `axis`. As in ONNX, `end`
    may be the largest integer, which means the end; negative numbers count from
    the end.

    ```mlir
    %q = transformer.slice %qkv axis 1 from 0 to 768 : tensor<?x2304xf32> -> tensor<?x768xf32>
    ```
  }];
  let arguments = (ins Transformer_AnyTensor:$input, I64Attr:$axis, I64Attr:$begin,
                       I64Attr:$end, DefaultValuedAttr<I64Attr, "1">:$step);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = [{
    $input `axis` $axis `from` $begin `to` $end (`step` $step^)? attr-dict `:`
    type($input) `->` type($result)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def ConcatOp : Transformer_ValueOp<"concat"> {
  let summary = "tensors one after another along an axis";
  let description = [{
    ```mlir
    %y = transformer.concat %a, %b axis 1 : tensor<?x4xf32>, tensor<?x8xf32> -> tensor<?x12xf32>
    ```
  }];
  let arguments = (ins Variadic<Transformer_AnyTensor>:$inputs, I64Attr:$axis);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = "$inputs `axis` $axis attr-dict `:` type($inputs) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def ExpandOp : Transformer_ValueOp<"expand"> {
  let summary = "extents of 1 repeated (ONNX Expand)";
  let description = [{
    Broadcasts `input` with the shape of `like`, as in ONNX: where `like` has an
    extent of 1, the result has the input's.

    ```mlir
    %y = transformer.expand %x like %z : tensor<1x1xf32>, tensor<?x8xf32> -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Transformer_AnyTensor:$input, Transformer_AnyTensor:$like);
  let results = (outs Transformer_AnyTensor:$result);
  let assemblyFormat = "$input `like` $like attr-dict `:` type($input) `,` type($like) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def DimOp : Transformer_ValueOp<"dim"> {
  let summary = "an extent, as a tensor of rank 0";
  let description = [{
    ```mlir
    %n = transformer.dim %x axis 1 : tensor<?x?x768xf32> -> tensor<i64>
    ```
  }];
  let arguments = (ins Transformer_AnyTensor:$input, I64Attr:$axis);
  let results = (outs Transformer_IntegerTensor:$result);
  let assemblyFormat = "$input `axis` $axis attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def RangeOp : Transformer_ValueOp<"range"> {
  let summary = "0, 1, 2, ... below an extent";
  let description = [{
    `result[i] = i` for i below `limit` (a tensor of rank 0).

    ```mlir
    %p = transformer.range %n : tensor<i64> -> tensor<?xi64>
    ```
  }];
  let arguments = (ins Transformer_IntegerTensor:$limit);
  let results = (outs Transformer_IntegerTensor:$result);
  let assemblyFormat = "$limit attr-dict `:` type($limit) `->` type($result)";
  let hasVerifier = 1;
}

#endif // TRANSOM_IR_TRANSFORMER_PRIMITIVE_OPS_TD
