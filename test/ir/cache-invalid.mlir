// RUN: transom-opt %s --split-input-file --verify-diagnostics

// append_cache: keys and values of one type.
func.func @f(%c: tensor<?x64xf32>, %k: tensor<?x16xf32>, %v: tensor<?x32xf32>, %s: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.append_cache' op expects key and value of one type, got 'tensor<?x16xf32>' and 'tensor<?x32xf32>'}}
  %0 = transformer.append_cache %c, %k, %v, %s key_heads 2 at 0 : tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x32xf32>, tensor<?xi32>
  return
}

// -----

// append_cache: three heads of 16 columns.
func.func @f(%c: tensor<?x64xf32>, %k: tensor<?x16xf32>, %s: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.append_cache' op expects key_heads to divide the key's width, got 3 and 16}}
  %0 = transformer.append_cache %c, %k, %k, %s key_heads 3 at 0 : tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  return
}

// -----

// append_cache: five tokens, four slots.
func.func @f(%c: tensor<?x64xf32>, %k: tensor<5x16xf32>, %s: tensor<4xi32>) {
  // expected-error@+1 {{'transformer.append_cache' op expects a slot for each row of the key, got 4 and 5}}
  %0 = transformer.append_cache %c, %k, %k, %s key_heads 2 at 0 : tensor<?x64xf32>, tensor<5x16xf32>, tensor<5x16xf32>, tensor<4xi32>
  return
}

// -----

// append_cache: heads of 8 take 16 columns each, so two layers do not fit.
func.func @f(%c: tensor<?x64xf32>, %k: tensor<?x16xf32>, %s: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.append_cache' op expects 64 columns from 32 in the cache, got a width of 64}}
  %0 = transformer.append_cache %c, %k, %k, %s key_heads 2 at 32 : tensor<?x64xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  return
}

// -----

// append_cache: a layer begins on a cache line.
func.func @f(%c: tensor<?x128xf32>, %k: tensor<?x16xf32>, %s: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.append_cache' op expects at to be a multiple of 16, got 8}}
  %0 = transformer.append_cache %c, %k, %k, %s key_heads 2 at 8 : tensor<?x128xf32>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  return
}

// -----

// append_cache: the cache has the keys' type.
func.func @f(%c: tensor<?x64xf16>, %k: tensor<?x16xf32>, %s: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.append_cache' op expects operands of one element type, got 'f16' and 'f32'}}
  %0 = transformer.append_cache %c, %k, %k, %s key_heads 2 at 0 : tensor<?x64xf16>, tensor<?x16xf32>, tensor<?x16xf32>, tensor<?xi32>
  return
}

// -----

// cached_attention: 3 key heads for 8.
func.func @f(%q: tensor<?x32xf32>, %c: tensor<?x256xf32>, %o: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.cached_attention' op expects key_heads to divide heads, got 3 and 8}}
  %0 = transformer.cached_attention %q, %c, %o, %o, %o, %o heads 8 key_heads 3 at 0 scale 1.0 : tensor<?x32xf32>, tensor<?x256xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x32xf32>
  return
}

// -----

// cached_attention: 5 heads of 32 columns.
func.func @f(%q: tensor<?x32xf32>, %c: tensor<?x256xf32>, %o: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.cached_attention' op expects heads to divide the query's width, got 5 and 32}}
  %0 = transformer.cached_attention %q, %c, %o, %o, %o, %o heads 5 key_heads 5 at 0 scale 1.0 : tensor<?x32xf32>, tensor<?x256xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x32xf32>
  return
}

// -----

// cached_attention: as many offsets of blocks as of queries.
func.func @f(%q: tensor<?x32xf32>, %c: tensor<?x256xf32>, %o: tensor<3xi32>, %b: tensor<4xi32>, %n: tensor<2xi32>) {
  // expected-error@+1 {{'transformer.cached_attention' op expects as many block_offsets as query_offsets, got 4 and 3}}
  %0 = transformer.cached_attention %q, %c, %o, %n, %n, %b heads 8 key_heads 8 at 0 scale 1.0 : tensor<?x32xf32>, tensor<?x256xf32>, tensor<3xi32>, tensor<2xi32>, tensor<2xi32>, tensor<4xi32> -> tensor<?x32xf32>
  return
}

// -----

// cached_attention: one length a sequence.
func.func @f(%q: tensor<?x32xf32>, %c: tensor<?x256xf32>, %o: tensor<3xi32>) {
  // expected-error@+1 {{'transformer.cached_attention' op expects one key length less than there are offsets, got 3 and 2}}
  %0 = transformer.cached_attention %q, %c, %o, %o, %o, %o heads 8 key_heads 8 at 0 scale 1.0 : tensor<?x32xf32>, tensor<?x256xf32>, tensor<3xi32>, tensor<3xi32>, tensor<3xi32>, tensor<3xi32> -> tensor<?x32xf32>
  return
}

// -----

// cached_attention: a layer beyond the last one.
func.func @f(%q: tensor<?x32xf32>, %c: tensor<?x256xf32>, %o: tensor<?xi32>) {
  // expected-error@+1 {{'transformer.cached_attention' op expects 64 columns from 256 in the cache, got a width of 256}}
  %0 = transformer.cached_attention %q, %c, %o, %o, %o, %o heads 8 key_heads 2 at 256 scale 1.0 : tensor<?x32xf32>, tensor<?x256xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> -> tensor<?x32xf32>
  return
}

// -----

// cached_attention: distances of 3 heads.
func.func @f(%q: tensor<?x32xf32>, %c: tensor<?x256xf32>, %o: tensor<?xi32>, %d: tensor<3x5xf32>) -> tensor<?x32xf32> {
  // expected-error@+1 {{'transformer.cached_attention' op expects a distance_bias for each head, got 3 and 8}}
  %0 = transformer.cached_attention %q, %c, %o, %o, %o, %o distance_bias %d from -4 heads 8 key_heads 8 at 0 scale 1.0 : tensor<?x32xf32>, tensor<?x256xf32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32>, tensor<?xi32> distance_bias tensor<3x5xf32> -> tensor<?x32xf32>
  return %0 : tensor<?x32xf32>
}
