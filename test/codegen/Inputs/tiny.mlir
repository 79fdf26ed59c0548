// Two outputs of one table: scaled rows of tokens, and a transformed first
// token of each sequence.
module attributes {transformer.metadata = "{\"task\": \"test\", \"model_type\": \"tiny\"}"} {
  transformer.weight @table value dense<[[1.0, 2.0, 3.0], [-1.0, 0.5, 4.0], [0.0, 0.0, 1.0], [2.0, 2.0, 2.0]]> : tensor<4x3xf32>
  transformer.weight @w value dense<[[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]> : tensor<2x3xf32>
  transformer.weight @b value dense<[0.5, -0.5]> : tensor<2xf32>
  func.func @forward(
      %ids: tensor<?x?xi32> {transformer.bound = 4 : i64, transformer.dims = ["batch", "length"], transformer.name = "ids"})
      -> (tensor<?x?x3xf32> {transformer.dims = ["batch", "length", "3"], transformer.name = "rows"},
          tensor<?x2xf32> {transformer.dims = ["batch", "2"], transformer.name = "pooled"}) {
    %t = transformer.get_weight @table : tensor<4x3xf32>
    %w = transformer.get_weight @w : tensor<2x3xf32>
    %b = transformer.get_weight @b : tensor<2xf32>
    %x = transformer.embedding %ids, %t : tensor<?x?xi32>, tensor<4x3xf32> -> tensor<?x?x3xf32>
    %y = transformer.scale %x by 2.0 : tensor<?x?x3xf32>
    %first = transformer.select_token %x at 0 : tensor<?x?x3xf32> -> tensor<?x3xf32>
    %p = transformer.linear %first, %w bias %b : tensor<?x3xf32>, tensor<2x3xf32>, tensor<2xf32> -> tensor<?x2xf32>
    %r = transformer.relu %p : tensor<?x2xf32>
    return %y, %r : tensor<?x?x3xf32>, tensor<?x2xf32>
  }
}
