// As tiny.mlir, with other numbers: rows are three times the table's.
module {
  transformer.weight @table value dense<[[1.0, 1.0], [5.0, 6.0]]> : tensor<2x2xf32>
  func.func @forward(
      %ids: tensor<?x?xi32> {transformer.bound = 2 : i64, transformer.dims = ["batch", "length"], transformer.name = "ids"})
      -> (tensor<?x?x2xf32> {transformer.dims = ["batch", "length", "2"], transformer.name = "rows"}) {
    %t = transformer.get_weight @table : tensor<2x2xf32>
    %x = transformer.embedding %ids, %t : tensor<?x?xi32>, tensor<2x2xf32> -> tensor<?x?x2xf32>
    %y = transformer.scale %x by 3.0 : tensor<?x?x2xf32>
    return %y : tensor<?x?x2xf32>
  }
}
