// A BERT encoder of one layer as PyTorch's TorchScript exporter writes it from
// transformers 5 (opset 14), all but the arithmetic of shapes, and what is left of
// it when raise and the fusion passes are done.
//
// RUN: transom-opt %s --transom-raise --cse --transom-fuse-attention \
// RUN:   --transom-fuse-norm | FileCheck %s
// RUN: transom-test-opt %s -o /dev/null --test-pass-equivalence="passes=transom-raise,cse,transom-fuse-attention,transom-fuse-norm"

transformer.weight @word value dense<[[-0.52, 0.09, -0.26, 0.21], [0.25, -0.87, -0.97, 0.67], [-0.48, -0.53, 0.99, -0.06], [0.67, -0.05, 0.28, -0.70], [0.27, 0.74, 0.05, 0.48]]> : tensor<5x4xf32>
transformer.weight @position value dense<[[0.34, -0.87, 0.52, 0.18], [-0.40, -0.94, 0.73, -0.05], [0.44, 0.76, 0.43, 0.84], [-0.21, 0.60, -0.11, 0.87], [0.76, -0.81, -0.73, -0.57], [0.93, -0.13, 0.25, -0.40], [0.01, -0.23, -0.30, 0.17]]> : tensor<7x4xf32>
transformer.weight @query.weight value dense<[[0.17, 0.81, 0.36, 0.86], [0.71, 0.98, 0.34, -0.67], [0.72, 0.93, 0.81, 0.14], [0.43, -0.58, 0.66, 0.15]]> : tensor<4x4xf32>
transformer.weight @query.bias value dense<[-0.43, -0.87, 0.71, 0.98]> : tensor<4xf32>
transformer.weight @key.weight value dense<[[-0.82, 0.60, -0.18, -0.70], [-0.41, 0.54, 0.75, -0.91], [0.23, -0.91, 0.44, -0.34], [0.76, 0.96, 0.01, 1.00]]> : tensor<4x4xf32>
transformer.weight @key.bias value dense<[-0.38, -0.85, 0.20, -0.94]> : tensor<4xf32>
transformer.weight @value.weight value dense<[[-0.61, -0.18, 0.22, -0.69], [-0.92, 0.74, -0.37, 0.92], [0.79, -0.24, -0.08, 0.04], [0.29, 0.19, 0.12, 0.24]]> : tensor<4x4xf32>
transformer.weight @value.bias value dense<[0.88, 0.01, -0.14, 0.44]> : tensor<4xf32>
transformer.weight @out.weight value dense<[[-0.52, -0.40, 0.96, 0.04], [0.10, -0.98, -0.17, 0.16], [-0.96, 0.23, 0.26, -0.88], [0.25, -0.07, 0.36, -0.29]]> : tensor<4x4xf32>
transformer.weight @out.bias value dense<[0.41, 0.48, -0.96, -0.88]> : tensor<4xf32>
transformer.weight @norm.weight value dense<[0.35, 0.93, -0.50, -0.09]> : tensor<4xf32>
transformer.weight @norm.bias value dense<[0.19, -0.36, -0.27, -0.37]> : tensor<4xf32>
transformer.weight @up.weight value dense<[[-0.26, 0.19, -0.40, -0.25, 0.54, -0.95], [0.14, 0.47, -0.38, -0.55, 0.61, -0.52], [-0.63, -0.13, 0.40, -0.80, -0.36, -0.33], [0.67, -0.12, 0.71, -0.66, -0.33, 0.30]]> : tensor<4x6xf32>
transformer.weight @up.bias value dense<[0.77, -0.10, -0.55, -0.76, 0.06, -0.62]> : tensor<6xf32>
transformer.weight @down.weight value dense<[[0.61, 0.68, -0.63, -0.44], [0.61, 0.28, 0.61, -0.31], [-0.74, -0.42, 0.59, -0.46], [-0.31, -0.17, -0.16, -0.18], [0.84, -0.69, -0.99, 0.89], [0.76, 0.97, -0.13, 0.90]]> : tensor<6x4xf32>
transformer.weight @down.bias value dense<[0.85, -0.56, 0.49, 0.67]> : tensor<4xf32>

// Attention in single steps (attn_implementation="eager").
// CHECK-LABEL: @eager_attention
// CHECK-SAME: (%[[IDS:[^:]+]]: tensor<?x?xi64>{{.*}}, %[[POSITIONS:[^:]+]]: tensor<?x?xi64>{{.*}}, %[[MASK:[^:]+]]: tensor<?x?xi64>
// CHECK-DAG: %[[WORD:.+]] = transformer.embedding %[[IDS]]
// CHECK-DAG: %[[POSITION:.+]] = transformer.embedding %[[POSITIONS]]
// CHECK: %[[H:[^,]+]], %{{.+}} = transformer.add_layer_norm %[[WORD]], %[[POSITION]]
// CHECK: %[[QL:.+]] = transformer.linear %[[H]], %{{.+}} bias
// CHECK: %[[Q:.+]] = transformer.split_heads %[[QL]] heads 2
// CHECK: %[[KL:.+]] = transformer.linear %[[H]], %{{.+}} bias
// CHECK: %[[VL:.+]] = transformer.linear %[[H]], %{{.+}} bias
// CHECK: %[[V:.+]] = transformer.split_heads %[[VL]] heads 2
// CHECK: %[[K:.+]] = transformer.split_heads %[[KL]] heads 2
// CHECK: %[[BIAS:.+]] = transformer.padding_mask %[[MASK]]
// CHECK: %[[A:.+]] = transformer.attention %[[Q]], %[[K]], %[[V]] bias %[[BIAS]] scale 0.70710{{[0-9]+}}
// CHECK: %[[M:.+]] = transformer.merge_heads %[[A]]
// CHECK: %[[O:.+]] = transformer.linear %[[M]]
// CHECK: %[[N:[^,]+]], %{{.+}} = transformer.add_layer_norm %[[O]], %[[H]]
// CHECK: %[[U:.+]] = transformer.linear %[[N]]
// CHECK: %[[G:.+]] = transformer.gelu none %[[U]]
// CHECK: %[[F:.+]] = transformer.linear %[[G]]
// CHECK: %[[Y:[^,]+]], %{{.+}} = transformer.add_layer_norm %[[F]], %[[N]]
// CHECK: %[[P:.+]] = transformer.select_token %[[Y]] at 0
// CHECK-NEXT: return %[[Y]], %[[P]]
func.func @eager_attention(
    %ids: tensor<?x?xi64> {transformer.bound = 5 : i64, transformer.dims = ["batch", "length"]},
    %positions: tensor<?x?xi64> {transformer.bound = 7 : i64, transformer.dims = ["batch", "length"]},
    %mask: tensor<?x?xi64> {transformer.role = #transformer.role<attention_mask>, transformer.dims = ["batch", "length"]})
    -> (tensor<?x?x4xf32>, tensor<?x4xf32>) {
  %two = arith.constant dense<2.0> : tensor<f32>
  %epsilon = arith.constant dense<1.0e-12> : tensor<f32>
  %root2 = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %none = arith.constant dense<0.0> : tensor<f32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %factor = arith.constant dense<0.707106769> : tensor<f32>
  %root = arith.constant dense<0.840896427> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i64>
  %true = arith.constant dense<true> : tensor<i1>
  %w.word = transformer.get_weight @word : tensor<5x4xf32>
  %1 = transformer.gather %w.word, %ids axis 0 : tensor<5x4xf32>, tensor<?x?xi64> -> tensor<?x?x4xf32>
  %w.position = transformer.get_weight @position : tensor<7x4xf32>
  %2 = transformer.gather %w.position, %positions axis 0 : tensor<7x4xf32>, tensor<?x?xi64> -> tensor<?x?x4xf32>
  %3 = transformer.add %1, %2 : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %w.norm_weight = transformer.get_weight @norm.weight : tensor<4xf32>
  %w.norm_bias = transformer.get_weight @norm.bias : tensor<4xf32>
  %4 = transformer.reduce mean %3 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %5 = transformer.sub %3, %4 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %6 = transformer.pow %5, %two : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xf32>
  %7 = transformer.reduce mean %6 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %8 = transformer.add %7, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %9 = transformer.sqrt %8 : tensor<?x?x1xf32>
  %10 = transformer.div %5, %9 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %11 = transformer.mul %10, %w.norm_weight : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %12 = transformer.add %11, %w.norm_bias : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %b = transformer.dim %ids axis 0 : tensor<?x?xi64> -> tensor<i64>
  %t = transformer.dim %12 axis 1 : tensor<?x?x4xf32> -> tensor<i64>
  %tm = transformer.dim %mask axis 1 : tensor<?x?xi64> -> tensor<i64>
  %rb = transformer.range %b : tensor<i64> -> tensor<?xi64>
  %rq = transformer.range %t : tensor<i64> -> tensor<?xi64>
  %rk = transformer.range %tm : tensor<i64> -> tensor<?xi64>
  %ub = transformer.reshape %rb to [0, 1, 1, 1] : tensor<?xi64> -> tensor<?x1x1x1xi64>
  %uq = transformer.reshape %rq to [1, 1, -1, 1] : tensor<?xi64> -> tensor<1x1x?x1xi64>
  %uk = transformer.reshape %rk to [1, 1, 1, -1] : tensor<?xi64> -> tensor<1x1x1x?xi64>
  %always = transformer.compare ge %uq, %zero : tensor<1x1x?x1xi64>, tensor<i64> -> tensor<1x1x?x1xi1>
  %and = transformer.and %true, %always : tensor<i1>, tensor<1x1x?x1xi1> -> tensor<1x1x?x1xi1>
  %flags = transformer.cast %mask : tensor<?x?xi64> -> tensor<?x?xi1>
  %flat = transformer.reshape %flags to [-1] : tensor<?x?xi1> -> tensor<?xi1>
  %row = transformer.mul %ub, %tm : tensor<?x1x1x1xi64>, tensor<i64> -> tensor<?x1x1x1xi64>
  %index = transformer.add %uk, %row : tensor<1x1x1x?xi64>, tensor<?x1x1x1xi64> -> tensor<?x1x1x?xi64>
  %key = transformer.gather %flat, %index axis 0 : tensor<?xi1>, tensor<?x1x1x?xi64> -> tensor<?x1x1x?xi1>
  %visible = transformer.and %and, %key : tensor<1x1x?x1xi1>, tensor<?x1x1x?xi1> -> tensor<?x1x?x?xi1>
  %bias = transformer.select %visible, %none, %lowest : tensor<?x1x?x?xi1>, tensor<f32>, tensor<f32> -> tensor<?x1x?x?xf32>
  %w.query_weight = transformer.get_weight @query.weight : tensor<4x4xf32>
  %w.query_bias = transformer.get_weight @query.bias : tensor<4xf32>
  %13 = transformer.matmul %12, %w.query_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %14 = transformer.add %w.query_bias, %13 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %15 = transformer.reshape %14 to [0, 0, -1, 2] : tensor<?x?x4xf32> -> tensor<?x?x2x2xf32>
  %16 = transformer.transpose %15 [0, 2, 1, 3] : tensor<?x?x2x2xf32> -> tensor<?x2x?x2xf32>
  %w.key_weight = transformer.get_weight @key.weight : tensor<4x4xf32>
  %w.key_bias = transformer.get_weight @key.bias : tensor<4xf32>
  %17 = transformer.matmul %12, %w.key_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %18 = transformer.add %w.key_bias, %17 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %19 = transformer.reshape %18 to [0, 0, -1, 2] : tensor<?x?x4xf32> -> tensor<?x?x2x2xf32>
  %20 = transformer.transpose %19 [0, 2, 3, 1] : tensor<?x?x2x2xf32> -> tensor<?x2x2x?xf32>
  %w.value_weight = transformer.get_weight @value.weight : tensor<4x4xf32>
  %w.value_bias = transformer.get_weight @value.bias : tensor<4xf32>
  %21 = transformer.matmul %12, %w.value_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %22 = transformer.add %w.value_bias, %21 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %23 = transformer.reshape %22 to [0, 0, -1, 2] : tensor<?x?x4xf32> -> tensor<?x?x2x2xf32>
  %24 = transformer.transpose %23 [0, 2, 1, 3] : tensor<?x?x2x2xf32> -> tensor<?x2x?x2xf32>
  %25 = transformer.matmul %16, %20 : tensor<?x2x?x2xf32>, tensor<?x2x2x?xf32> -> tensor<?x2x?x?xf32>
  %26 = transformer.mul %25, %factor : tensor<?x2x?x?xf32>, tensor<f32> -> tensor<?x2x?x?xf32>
  %27 = transformer.add %26, %bias : tensor<?x2x?x?xf32>, tensor<?x1x?x?xf32> -> tensor<?x2x?x?xf32>
  %28 = transformer.softmax %27 : tensor<?x2x?x?xf32>
  %29 = transformer.matmul %28, %24 : tensor<?x2x?x?xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x2xf32>
  %30 = transformer.transpose %29 [0, 2, 1, 3] : tensor<?x2x?x2xf32> -> tensor<?x?x2x2xf32>
  %31 = transformer.reshape %30 to [0, 0, -1] : tensor<?x?x2x2xf32> -> tensor<?x?x4xf32>
  %w.out_weight = transformer.get_weight @out.weight : tensor<4x4xf32>
  %w.out_bias = transformer.get_weight @out.bias : tensor<4xf32>
  %32 = transformer.matmul %31, %w.out_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %33 = transformer.add %w.out_bias, %32 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %34 = transformer.add %33, %12 : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %35 = transformer.reduce mean %34 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %36 = transformer.sub %34, %35 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %37 = transformer.pow %36, %two : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xf32>
  %38 = transformer.reduce mean %37 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %39 = transformer.add %38, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %40 = transformer.sqrt %39 : tensor<?x?x1xf32>
  %41 = transformer.div %36, %40 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %42 = transformer.mul %41, %w.norm_weight : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %43 = transformer.add %42, %w.norm_bias : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %w.up_weight = transformer.get_weight @up.weight : tensor<4x6xf32>
  %w.up_bias = transformer.get_weight @up.bias : tensor<6xf32>
  %44 = transformer.matmul %43, %w.up_weight : tensor<?x?x4xf32>, tensor<4x6xf32> -> tensor<?x?x6xf32>
  %45 = transformer.add %w.up_bias, %44 : tensor<6xf32>, tensor<?x?x6xf32> -> tensor<?x?x6xf32>
  %46 = transformer.div %45, %root2 : tensor<?x?x6xf32>, tensor<f32> -> tensor<?x?x6xf32>
  %47 = transformer.erf %46 : tensor<?x?x6xf32>
  %48 = transformer.add %47, %one : tensor<?x?x6xf32>, tensor<f32> -> tensor<?x?x6xf32>
  %49 = transformer.mul %45, %48 : tensor<?x?x6xf32>, tensor<?x?x6xf32> -> tensor<?x?x6xf32>
  %50 = transformer.mul %49, %half : tensor<?x?x6xf32>, tensor<f32> -> tensor<?x?x6xf32>
  %w.down_weight = transformer.get_weight @down.weight : tensor<6x4xf32>
  %w.down_bias = transformer.get_weight @down.bias : tensor<4xf32>
  %51 = transformer.matmul %50, %w.down_weight : tensor<?x?x6xf32>, tensor<6x4xf32> -> tensor<?x?x4xf32>
  %52 = transformer.add %w.down_bias, %51 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %53 = transformer.add %52, %43 : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %54 = transformer.reduce mean %53 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %55 = transformer.sub %53, %54 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %56 = transformer.pow %55, %two : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xf32>
  %57 = transformer.reduce mean %56 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %58 = transformer.add %57, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %59 = transformer.sqrt %58 : tensor<?x?x1xf32>
  %60 = transformer.div %55, %59 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %61 = transformer.mul %60, %w.norm_weight : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %62 = transformer.add %61, %w.norm_bias : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %63 = transformer.gather %62, %zero axis 1 : tensor<?x?x4xf32>, tensor<i64> -> tensor<?x4xf32>
  return %62, %63 : tensor<?x?x4xf32>, tensor<?x4xf32>
}

// scaled_dot_product_attention: the factor's root on query and key, and zeros for
// queries without a key.
// CHECK-LABEL: @sdpa_attention
// CHECK-SAME: (%[[IDS:[^:]+]]: tensor<?x?xi64>{{.*}}, %[[POSITIONS:[^:]+]]: tensor<?x?xi64>{{.*}}, %[[MASK:[^:]+]]: tensor<?x?xi64>
// CHECK-DAG: %[[WORD:.+]] = transformer.embedding %[[IDS]]
// CHECK-DAG: %[[POSITION:.+]] = transformer.embedding %[[POSITIONS]]
// CHECK: %[[H:[^,]+]], %{{.+}} = transformer.add_layer_norm %[[WORD]], %[[POSITION]]
// CHECK: %[[QL:.+]] = transformer.linear %[[H]], %{{.+}} bias
// CHECK: %[[Q:.+]] = transformer.split_heads %[[QL]] heads 2
// CHECK: %[[KL:.+]] = transformer.linear %[[H]], %{{.+}} bias
// CHECK: %[[VL:.+]] = transformer.linear %[[H]], %{{.+}} bias
// CHECK: %[[V:.+]] = transformer.split_heads %[[VL]] heads 2
// CHECK: %[[K:.+]] = transformer.split_heads %[[KL]] heads 2
// CHECK: %[[BIAS:.+]] = transformer.padding_mask %[[MASK]]
// CHECK: %[[A:.+]] = transformer.attention %[[Q]], %[[K]], %[[V]] bias %[[BIAS]] scale 0.70710{{[0-9]+}}
// CHECK: %[[M:.+]] = transformer.merge_heads %[[A]]
// CHECK: %[[O:.+]] = transformer.linear %[[M]]
// CHECK: %[[N:[^,]+]], %{{.+}} = transformer.add_layer_norm %[[O]], %[[H]]
// CHECK: %[[U:.+]] = transformer.linear %[[N]]
// CHECK: %[[G:.+]] = transformer.gelu none %[[U]]
// CHECK: %[[F:.+]] = transformer.linear %[[G]]
// CHECK: %[[Y:[^,]+]], %{{.+}} = transformer.add_layer_norm %[[F]], %[[N]]
// CHECK: %[[P:.+]] = transformer.select_token %[[Y]] at 0
// CHECK-NEXT: return %[[Y]], %[[P]]
func.func @sdpa_attention(
    %ids: tensor<?x?xi64> {transformer.bound = 5 : i64, transformer.dims = ["batch", "length"]},
    %positions: tensor<?x?xi64> {transformer.bound = 7 : i64, transformer.dims = ["batch", "length"]},
    %mask: tensor<?x?xi64> {transformer.role = #transformer.role<attention_mask>, transformer.dims = ["batch", "length"]})
    -> (tensor<?x?x4xf32>, tensor<?x4xf32>) {
  %two = arith.constant dense<2.0> : tensor<f32>
  %epsilon = arith.constant dense<1.0e-12> : tensor<f32>
  %root2 = arith.constant dense<1.41421354> : tensor<f32>
  %one = arith.constant dense<1.0> : tensor<f32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %none = arith.constant dense<0.0> : tensor<f32>
  %lowest = arith.constant dense<0xFF7FFFFF> : tensor<f32>
  %factor = arith.constant dense<0.707106769> : tensor<f32>
  %root = arith.constant dense<0.840896427> : tensor<f32>
  %zero = arith.constant dense<0> : tensor<i64>
  %true = arith.constant dense<true> : tensor<i1>
  %w.word = transformer.get_weight @word : tensor<5x4xf32>
  %1 = transformer.gather %w.word, %ids axis 0 : tensor<5x4xf32>, tensor<?x?xi64> -> tensor<?x?x4xf32>
  %w.position = transformer.get_weight @position : tensor<7x4xf32>
  %2 = transformer.gather %w.position, %positions axis 0 : tensor<7x4xf32>, tensor<?x?xi64> -> tensor<?x?x4xf32>
  %3 = transformer.add %1, %2 : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %w.norm_weight = transformer.get_weight @norm.weight : tensor<4xf32>
  %w.norm_bias = transformer.get_weight @norm.bias : tensor<4xf32>
  %4 = transformer.reduce mean %3 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %5 = transformer.sub %3, %4 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %6 = transformer.pow %5, %two : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xf32>
  %7 = transformer.reduce mean %6 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %8 = transformer.add %7, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %9 = transformer.sqrt %8 : tensor<?x?x1xf32>
  %10 = transformer.div %5, %9 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %11 = transformer.mul %10, %w.norm_weight : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %12 = transformer.add %11, %w.norm_bias : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %b = transformer.dim %ids axis 0 : tensor<?x?xi64> -> tensor<i64>
  %t = transformer.dim %12 axis 1 : tensor<?x?x4xf32> -> tensor<i64>
  %tm = transformer.dim %mask axis 1 : tensor<?x?xi64> -> tensor<i64>
  %rb = transformer.range %b : tensor<i64> -> tensor<?xi64>
  %rq = transformer.range %t : tensor<i64> -> tensor<?xi64>
  %rk = transformer.range %tm : tensor<i64> -> tensor<?xi64>
  %ub = transformer.reshape %rb to [0, 1, 1, 1] : tensor<?xi64> -> tensor<?x1x1x1xi64>
  %uq = transformer.reshape %rq to [1, 1, -1, 1] : tensor<?xi64> -> tensor<1x1x?x1xi64>
  %uk = transformer.reshape %rk to [1, 1, 1, -1] : tensor<?xi64> -> tensor<1x1x1x?xi64>
  %always = transformer.compare ge %uq, %zero : tensor<1x1x?x1xi64>, tensor<i64> -> tensor<1x1x?x1xi1>
  %and = transformer.and %true, %always : tensor<i1>, tensor<1x1x?x1xi1> -> tensor<1x1x?x1xi1>
  %flags = transformer.cast %mask : tensor<?x?xi64> -> tensor<?x?xi1>
  %flat = transformer.reshape %flags to [-1] : tensor<?x?xi1> -> tensor<?xi1>
  %row = transformer.mul %ub, %tm : tensor<?x1x1x1xi64>, tensor<i64> -> tensor<?x1x1x1xi64>
  %index = transformer.add %uk, %row : tensor<1x1x1x?xi64>, tensor<?x1x1x1xi64> -> tensor<?x1x1x?xi64>
  %key = transformer.gather %flat, %index axis 0 : tensor<?xi1>, tensor<?x1x1x?xi64> -> tensor<?x1x1x?xi1>
  %visible = transformer.and %and, %key : tensor<1x1x?x1xi1>, tensor<?x1x1x?xi1> -> tensor<?x1x?x?xi1>
  %bias = transformer.select %visible, %none, %lowest : tensor<?x1x?x?xi1>, tensor<f32>, tensor<f32> -> tensor<?x1x?x?xf32>
  %w.query_weight = transformer.get_weight @query.weight : tensor<4x4xf32>
  %w.query_bias = transformer.get_weight @query.bias : tensor<4xf32>
  %13 = transformer.matmul %12, %w.query_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %14 = transformer.add %w.query_bias, %13 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %15 = transformer.reshape %14 to [0, 0, -1, 2] : tensor<?x?x4xf32> -> tensor<?x?x2x2xf32>
  %16 = transformer.transpose %15 [0, 2, 1, 3] : tensor<?x?x2x2xf32> -> tensor<?x2x?x2xf32>
  %w.key_weight = transformer.get_weight @key.weight : tensor<4x4xf32>
  %w.key_bias = transformer.get_weight @key.bias : tensor<4xf32>
  %17 = transformer.matmul %12, %w.key_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %18 = transformer.add %w.key_bias, %17 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %19 = transformer.reshape %18 to [0, 0, -1, 2] : tensor<?x?x4xf32> -> tensor<?x?x2x2xf32>
  %20 = transformer.transpose %19 [0, 2, 3, 1] : tensor<?x?x2x2xf32> -> tensor<?x2x2x?xf32>
  %w.value_weight = transformer.get_weight @value.weight : tensor<4x4xf32>
  %w.value_bias = transformer.get_weight @value.bias : tensor<4xf32>
  %21 = transformer.matmul %12, %w.value_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %22 = transformer.add %w.value_bias, %21 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %23 = transformer.reshape %22 to [0, 0, -1, 2] : tensor<?x?x4xf32> -> tensor<?x?x2x2xf32>
  %24 = transformer.transpose %23 [0, 2, 1, 3] : tensor<?x?x2x2xf32> -> tensor<?x2x?x2xf32>
  %25 = transformer.mul %16, %root : tensor<?x2x?x2xf32>, tensor<f32> -> tensor<?x2x?x2xf32>
  %26 = transformer.mul %20, %root : tensor<?x2x2x?xf32>, tensor<f32> -> tensor<?x2x2x?xf32>
  %27 = transformer.matmul %25, %26 : tensor<?x2x?x2xf32>, tensor<?x2x2x?xf32> -> tensor<?x2x?x?xf32>
  %28 = transformer.add %27, %bias : tensor<?x2x?x?xf32>, tensor<?x1x?x?xf32> -> tensor<?x2x?x?xf32>
  %29 = transformer.softmax %28 : tensor<?x2x?x?xf32>
  %nan = transformer.compare ne %29, %29 : tensor<?x2x?x?xf32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xi1>
  %30 = transformer.select %nan, %none, %29 : tensor<?x2x?x?xi1>, tensor<f32>, tensor<?x2x?x?xf32> -> tensor<?x2x?x?xf32>
  %31 = transformer.matmul %30, %24 : tensor<?x2x?x?xf32>, tensor<?x2x?x2xf32> -> tensor<?x2x?x2xf32>
  %32 = transformer.transpose %31 [0, 2, 1, 3] : tensor<?x2x?x2xf32> -> tensor<?x?x2x2xf32>
  %33 = transformer.reshape %32 to [0, 0, -1] : tensor<?x?x2x2xf32> -> tensor<?x?x4xf32>
  %w.out_weight = transformer.get_weight @out.weight : tensor<4x4xf32>
  %w.out_bias = transformer.get_weight @out.bias : tensor<4xf32>
  %34 = transformer.matmul %33, %w.out_weight : tensor<?x?x4xf32>, tensor<4x4xf32> -> tensor<?x?x4xf32>
  %35 = transformer.add %w.out_bias, %34 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %36 = transformer.add %35, %12 : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %37 = transformer.reduce mean %36 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %38 = transformer.sub %36, %37 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %39 = transformer.pow %38, %two : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xf32>
  %40 = transformer.reduce mean %39 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %41 = transformer.add %40, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %42 = transformer.sqrt %41 : tensor<?x?x1xf32>
  %43 = transformer.div %38, %42 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %44 = transformer.mul %43, %w.norm_weight : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %45 = transformer.add %44, %w.norm_bias : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %w.up_weight = transformer.get_weight @up.weight : tensor<4x6xf32>
  %w.up_bias = transformer.get_weight @up.bias : tensor<6xf32>
  %46 = transformer.matmul %45, %w.up_weight : tensor<?x?x4xf32>, tensor<4x6xf32> -> tensor<?x?x6xf32>
  %47 = transformer.add %w.up_bias, %46 : tensor<6xf32>, tensor<?x?x6xf32> -> tensor<?x?x6xf32>
  %48 = transformer.div %47, %root2 : tensor<?x?x6xf32>, tensor<f32> -> tensor<?x?x6xf32>
  %49 = transformer.erf %48 : tensor<?x?x6xf32>
  %50 = transformer.add %49, %one : tensor<?x?x6xf32>, tensor<f32> -> tensor<?x?x6xf32>
  %51 = transformer.mul %47, %50 : tensor<?x?x6xf32>, tensor<?x?x6xf32> -> tensor<?x?x6xf32>
  %52 = transformer.mul %51, %half : tensor<?x?x6xf32>, tensor<f32> -> tensor<?x?x6xf32>
  %w.down_weight = transformer.get_weight @down.weight : tensor<6x4xf32>
  %w.down_bias = transformer.get_weight @down.bias : tensor<4xf32>
  %53 = transformer.matmul %52, %w.down_weight : tensor<?x?x6xf32>, tensor<6x4xf32> -> tensor<?x?x4xf32>
  %54 = transformer.add %w.down_bias, %53 : tensor<4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %55 = transformer.add %54, %45 : tensor<?x?x4xf32>, tensor<?x?x4xf32> -> tensor<?x?x4xf32>
  %56 = transformer.reduce mean %55 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %57 = transformer.sub %55, %56 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %58 = transformer.pow %57, %two : tensor<?x?x4xf32>, tensor<f32> -> tensor<?x?x4xf32>
  %59 = transformer.reduce mean %58 axes [-1] keep_dims : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
  %60 = transformer.add %59, %epsilon : tensor<?x?x1xf32>, tensor<f32> -> tensor<?x?x1xf32>
  %61 = transformer.sqrt %60 : tensor<?x?x1xf32>
  %62 = transformer.div %57, %61 : tensor<?x?x4xf32>, tensor<?x?x1xf32> -> tensor<?x?x4xf32>
  %63 = transformer.mul %62, %w.norm_weight : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %64 = transformer.add %63, %w.norm_bias : tensor<?x?x4xf32>, tensor<4xf32> -> tensor<?x?x4xf32>
  %65 = transformer.gather %64, %zero axis 1 : tensor<?x?x4xf32>, tensor<i64> -> tensor<?x4xf32>
  return %64, %65 : tensor<?x?x4xf32>, tensor<?x4xf32>
}
