// One table of the model that test/make_model.py writes.
module {
  transformer.weight @table from [#transformer.source<"embeddings.word_embeddings.weight">] : tensor<32x8xf32>
  func.func @forward(
      %ids: tensor<?x?xi32> {transformer.bound = 32 : i64, transformer.dims = ["batch", "length"], transformer.name = "ids"})
      -> (tensor<?x?x8xf32> {transformer.dims = ["batch", "length", "8"], transformer.name = "rows"}) {
    %t = transformer.get_weight @table : tensor<32x8xf32>
    %x = transformer.embedding %ids, %t : tensor<?x?xi32>, tensor<32x8xf32> -> tensor<?x?x8xf32>
    return %x : tensor<?x?x8xf32>
  }
}
